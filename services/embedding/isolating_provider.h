#ifndef ENGRAM_SERVICES_EMBEDDING_ISOLATING_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_ISOLATING_PROVIDER_H_

#include "services/embedding/provider_decorator.h"

namespace engram::embedding {

// Sees to it that a text that is refused takes no other text of its call with
// it: the others are sent again, without it if the provider named it, else in
// two halves, until it stands alone. What a provider refuses it does not charge
// for.
class IsolatingProvider : public ProviderDecorator {
 public:
  using ProviderDecorator::ProviderDecorator;

  void Start(const EmbedCall& call, EmbedDone done) override;

 private:
  class Work;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_ISOLATING_PROVIDER_H_
