#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_OPENAI_FORMAT_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_OPENAI_FORMAT_H_

#include <string>

#include "services/embedding/providers/provider_format.h"

namespace engram::embedding {

// What OpenAI made and most others offer too: a list of inputs in, a list of
// objects out, each with its `index` and its vector as numbers or as base64 of
// little-endian floats. What differs between OpenAI, OpenRouter, Voyage,
// Mistral and compatible servers is data of the spec.
//
// https://platform.openai.com/docs/api-reference/embeddings
// https://openrouter.ai/docs/api/api-reference/embeddings
// https://docs.voyageai.com/reference/embeddings-api
// https://docs.mistral.ai/api/endpoint/embeddings
class OpenAiFormat : public ProviderFormat {
 public:
  using ProviderFormat::ProviderFormat;

  std::string Path() const override;
  std::string Encode(const EmbedCall& call) const override;

 protected:
  absl::Status Read(simdjson::ondemand::document& document,
                    Answer& answer) const override;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_OPENAI_FORMAT_H_
