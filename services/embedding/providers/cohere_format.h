#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_COHERE_FORMAT_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_COHERE_FORMAT_H_

#include <string>

#include "services/embedding/providers/provider_format.h"

namespace engram::embedding {

// Cohere: v2/embed, which never cuts a text here.
//
// https://docs.cohere.com/reference/embed
class CohereFormat : public ProviderFormat {
 public:
  using ProviderFormat::ProviderFormat;

  std::string Path() const override;
  std::string Encode(const EmbedCall& call) const override;

 protected:
  absl::Status Read(simdjson::ondemand::document& document,
                    Answer& answer) const override;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_COHERE_FORMAT_H_
