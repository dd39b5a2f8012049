#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_OLLAMA_FORMAT_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_OLLAMA_FORMAT_H_

#include <string>

#include "services/embedding/providers/provider_format.h"

namespace engram::embedding {

// Ollama: /api/embed, which never cuts a text here.
//
// https://docs.ollama.com/api/embed
class OllamaFormat : public ProviderFormat {
 public:
  using ProviderFormat::ProviderFormat;

  std::string Path() const override;
  std::string Encode(const EmbedCall& call) const override;

 protected:
  absl::Status Read(simdjson::ondemand::document& document,
                    Answer& answer) const override;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_OLLAMA_FORMAT_H_
