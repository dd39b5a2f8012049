#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_SPEC_READER_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_SPEC_READER_H_

#include <string>

#include "absl/strings/string_view.h"
#include "libs/schema/document_reader.h"
#include "libs/schema/yaml_tree.h"
#include "services/embedding/providers/provider_spec.h"

namespace engram::embedding {

// Reads providers and models out of one document. What the document does not
// say stays as it is in the spec, so that a second document changes the first.
class SpecReader {
 public:
  // Reports mistakes to `document`, which must outlive this object.
  explicit SpecReader(schema::DocumentReader& document) : document_(document) {}

  // Reads `node`, the provider at `path`, into `spec`, whose name is set.
  void ReadProvider(const schema::YamlNode& node, const std::string& path,
                    ProviderSpec& spec);

  // Whether `text` can name a provider: `[a-z][a-z0-9-]*`, and short.
  static bool IsProviderName(absl::string_view text);
  // Whether `text` can name a model of one: `[a-z0-9][a-z0-9.-]*`, and short.
  static bool IsModelName(absl::string_view text);

 private:
  using YamlNode = schema::YamlNode;

  void ReadModels(const YamlNode& node, const std::string& path,
                  ProviderSpec& spec);
  void ReadModel(const YamlNode& node, const std::string& path,
                 ModelSpec& spec);
  void ReadOtherDimensions(const YamlNode& node, const std::string& path,
                           ModelSpec& spec);
  void ReadEndpoint(const YamlNode& node, const std::string& path,
                    EndpointSpec& endpoint);
  void ReadKey(const YamlNode& node, const std::string& path,
               EndpointSpec& endpoint);
  void ReadKeyHeader(const YamlNode& node, const std::string& path,
                     ProviderSpec& spec);
  void ReadFallbacks(const YamlNode& node, const std::string& path,
                     ProviderSpec& spec);
  void ReadHttp(const YamlNode& node, const std::string& path,
                http::HttpClientOptions& http);
  void ReadHeaders(const YamlNode& node, const std::string& path,
                   ProviderSpec& spec);
  void ReadBody(const YamlNode& node, const std::string& path,
                ProviderSpec& spec);
  void ReadLimits(const YamlNode& node, const std::string& path,
                  CallLimits& limits, RateLimits& rate);

  // The readers of single attributes do nothing if `node` has none called
  // `name`. Text may be empty: that takes back what an earlier document says.
  void ReadText(const YamlNode& node, const std::string& path,
                absl::string_view name, std::string& text);
  void ReadPrice(const YamlNode& node, const std::string& path,
                 absl::string_view name, double& price);
  template <typename Number>
  void ReadNumber(const YamlNode& node, const std::string& path,
                  absl::string_view name, int64_t least, int64_t most,
                  Number& number);

  schema::DocumentReader& document_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_SPEC_READER_H_
