#ifndef ENGRAM_SERVICES_EMBEDDING_ISOLATING_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_ISOLATING_PROVIDER_H_

#include "services/embedding/provider_decorator.h"

namespace engram::embedding {

// Sees to it that a text that is at fault takes no other text of its call with
// it: the others are sent again, without it if the provider named it, else in
// two halves, until it stands alone. What a provider refuses it does not charge
// for.
//
// Some providers do not refuse a text but stumble over it: they answer with a
// 500, a vector that is not finite, or not at all. So after such a failure of
// documents the provider is given one word to embed. If it does, it works, and
// the documents are divided as if one of them had been refused; what fails
// alone is blamed (see IsTextsFault). If it does not, it is down, and all that
// is left of the call fails without being sent.
class IsolatingProvider : public ProviderDecorator {
 public:
  using ProviderDecorator::ProviderDecorator;

  void Start(const EmbedCall& call, EmbedDone done) override;

 private:
  class Work;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_ISOLATING_PROVIDER_H_
