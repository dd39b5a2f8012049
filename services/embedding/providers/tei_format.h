#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_TEI_FORMAT_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_TEI_FORMAT_H_

#include <string>

#include "services/embedding/providers/provider_format.h"

namespace engram::embedding {

// text-embeddings-inference: /embed, which never cuts a text here. The answer
// is a bare list of vectors; the tokens are in a header.
//
// https://huggingface.github.io/text-embeddings-inference
class TeiFormat : public ProviderFormat {
 public:
  using ProviderFormat::ProviderFormat;

  std::string Path() const override;
  std::string Encode(const EmbedCall& call) const override;

 protected:
  absl::Status Read(simdjson::ondemand::document& document,
                    Answer& answer) const override;
  void ReadHeaders(const http::HttpResponse& response,
                   Answer& answer) const override;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_TEI_FORMAT_H_
