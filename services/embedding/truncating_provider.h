#ifndef ENGRAM_SERVICES_EMBEDDING_TRUNCATING_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_TRUNCATING_PROVIDER_H_

#include "services/embedding/provider_decorator.h"

namespace engram::embedding {

// Shortens texts that are refused as too long, but only in calls that ask for
// it: each is cut at its end, between words where it can be, a quarter at a
// time, until the provider takes it. The results say how much was left out.
//
// So it works alike for all providers, of which some would cut without a word
// and some not at all; what is refused is not charged.
class TruncatingProvider : public ProviderDecorator {
 public:
  using ProviderDecorator::ProviderDecorator;

  void Start(const EmbedCall& call, EmbedDone done) override;

 private:
  class Work;
};

// Returns the beginning of `text`, of `bytes` bytes at most: whole characters,
// and whole words if there is a space in the last quarter.
absl::string_view CutEnd(absl::string_view text, size_t bytes);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_TRUNCATING_PROVIDER_H_
