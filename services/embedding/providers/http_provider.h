#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_HTTP_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_HTTP_PROVIDER_H_

#include <memory>
#include <string>
#include <vector>

#include "libs/http/http_client.h"
#include "services/embedding/provider.h"
#include "services/embedding/providers/api_key.h"
#include "services/embedding/providers/provider_format.h"
#include "services/embedding/providers/provider_spec.h"

namespace engram::embedding {

// Embeds with a model behind HTTP: one request a call, no retry. The rest of
// the stack is wrapped around it; see provider_stack.h.
//
// Where the provider tells only how many tokens all texts had, each gets its
// share by its length, and at least one; where it tells none, four bytes count
// as a token.
class HttpProvider : public Provider {
 public:
  // `client` may be shared by the models of a provider.
  HttpProvider(RemoteModel model, std::shared_ptr<http::HttpClient> client);

  const Model& model() const override { return remote_.model; }
  CallLimits limits() const override { return remote_.spec.limits; }
  bool is_local() const override { return false; }
  absl::StatusOr<std::vector<EmbeddedText>> Embed(
      absl::Span<const absl::string_view> texts, Purpose purpose) override;

 private:
  absl::StatusOr<std::vector<EmbeddedText>> Call(
      absl::Span<const absl::string_view> texts, Purpose purpose,
      const std::string& key) const;
  http::HttpRequest MakeRequest(absl::Span<const absl::string_view> texts,
                                Purpose purpose, const std::string& key) const;

  const RemoteModel remote_;
  const std::shared_ptr<http::HttpClient> client_;
  const std::unique_ptr<ProviderFormat> format_;
  const ApiKey key_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_HTTP_PROVIDER_H_
