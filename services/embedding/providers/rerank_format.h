#ifndef ENGRAM_SERVICES_EMBEDDING_PROVIDERS_RERANK_FORMAT_H_
#define ENGRAM_SERVICES_EMBEDDING_PROVIDERS_RERANK_FORMAT_H_

#include <string>

#include "services/embedding/providers/provider_format.h"

namespace engram::embedding {

// Scores of texts by a query: three shapes that differ in names. Providers of
// the format openai are asked as Voyage is, which Jina and vLLM understand too.
// Each text's vector is its score; answers are in the order of the scores, so
// every place must come exactly once.
//
// https://docs.cohere.com/reference/rerank
// https://docs.voyageai.com/reference/reranker-api
// https://huggingface.github.io/text-embeddings-inference
class RerankFormat : public ProviderFormat {
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

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_RERANK_FORMAT_H_
