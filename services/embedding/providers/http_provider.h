#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_HTTP_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_HTTP_PROVIDER_H_

#include <memory>
#include <string>
#include <vector>

#include "services/embedding/provider.h"
#include "services/embedding/providers/api_key.h"
#include "services/embedding/providers/http_channel.h"
#include "services/embedding/providers/provider_format.h"
#include "services/embedding/providers/provider_spec.h"

namespace engram::embedding {

// Embeds with a model behind HTTP: one request a call, no retry, in a thread of
// its channel. The rest of the stack is wrapped around it; see
// provider_stack.h.
//
// Where the provider tells only how many tokens all texts had, each gets its
// share by its length, and at least one; where it tells none, four bytes count
// as a token.
class HttpProvider : public Provider {
 public:
  // Calls the model at `endpoint`, by default that of its provider. `channel`
  // is shared by the provider's models.
  HttpProvider(RemoteModel model, std::shared_ptr<HttpChannel> channel);
  HttpProvider(RemoteModel model, EndpointSpec endpoint,
               std::shared_ptr<HttpChannel> channel);

  const Model& model() const override { return remote_.model; }
  CallLimits limits() const override { return remote_.spec.limits; }
  bool is_local() const override { return false; }
  // Not OK while the key is missing.
  absl::Status health() const override;
  void Start(const EmbedCall& call, EmbedDone done) override;
  // Of all that share the channel.
  void Shutdown() override { channel_->client.Shutdown(); }

 private:
  std::vector<EmbedResult> Call(const EmbedCall& call) const;
  absl::StatusOr<std::vector<EmbeddedText>> Send(const EmbedCall& call,
                                                 const std::string& key) const;
  absl::StatusOr<std::vector<EmbeddedText>> Read(
      const EmbedCall& call, http::HttpResponse& response) const;
  http::HttpRequest MakeRequest(const EmbedCall& call,
                                const std::string& key) const;
  // Returns what each text of `call` gets if the call ends with `error`.
  std::vector<EmbedResult> Refuse(const EmbedCall& call,
                                  const absl::Status& error) const;

  const RemoteModel remote_;
  const EndpointSpec endpoint_;
  const std::shared_ptr<HttpChannel> channel_;
  const std::unique_ptr<ProviderFormat> format_;
  const ApiKey key_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_HTTP_PROVIDER_H_
