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
  std::string Encode(absl::Span<const absl::string_view> texts,
                     Purpose purpose) const override;
  absl::StatusOr<Answer> Decode(http::HttpResponse& response,
                                size_t texts) const override;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_PROVIDERS_COHERE_FORMAT_H_
