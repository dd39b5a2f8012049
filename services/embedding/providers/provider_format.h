#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_FORMAT_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_FORMAT_H_

#include <simdjson.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/http/http_client.h"
#include "services/embedding/provider.h"
#include "services/embedding/providers/provider_spec.h"

namespace engram::embedding {

// What a provider answered.
struct Answer {
  // In the order of the texts.
  std::vector<std::vector<float>> vectors;
  // Of all texts together; 0 if the provider does not say.
  int64_t tokens = 0;
  // That the provider charges for, of those that charge so.
  int64_t searches = 0;
};

// How one kind of provider is asked, and what it answers: a subclass a kind,
// written after the provider's reference, which the subclass names.
//
// Immutable, so thread-safe.
class ProviderFormat {
 public:
  explicit ProviderFormat(const RemoteModel& model) : model_(model) {}
  virtual ~ProviderFormat() = default;

  // What follows the base address, with its slash.
  virtual std::string Path() const = 0;

  // The header that carries the key where the spec names none; empty is
  // `Authorization: Bearer`.
  virtual std::string KeyHeader() const { return ""; }

  // Returns the body that asks for what `call` does; its texts are UTF-8.
  virtual std::string Encode(const EmbedCall& call) const = 0;

  // Returns what `response`, of status 200, holds for `texts` texts; takes its
  // body apart. `Internal` if it is not what the reference describes, or the
  // number of vectors is another.
  absl::StatusOr<Answer> Decode(http::HttpResponse& response,
                                size_t texts) const;

 protected:
  // Reads the vectors, and the tokens if they are there. Throws simdjson's
  // exceptions.
  virtual absl::Status Read(simdjson::ondemand::document& document,
                            Answer& answer) const = 0;
  // Reads the tokens, where headers carry them.
  virtual void ReadHeaders(const http::HttpResponse& /*response*/,
                           Answer& /*answer*/) const {}

  const RemoteModel& model() const { return model_; }

  // Appends `["...","..."]`: the texts with the prefix of `purpose`.
  void AppendTexts(absl::Span<const absl::string_view> texts, Purpose purpose,
                   std::string& json) const;
  // Appends `,"<field>":<dimensions>` if other than the model's own are wanted.
  void AppendDimensions(absl::string_view field, std::string& json) const;
  // Appends `,"<field>":"<task>"` if the model has one for `purpose`.
  void AppendTask(absl::string_view field, Purpose purpose,
                  std::string& json) const;

 private:
  const RemoteModel model_;
};

// Returns the format that the model's provider speaks.
std::unique_ptr<ProviderFormat> MakeProviderFormat(const RemoteModel& model);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_PROVIDER_FORMAT_H_
