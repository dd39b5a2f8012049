#ifndef ENGRAM_SERVICES_EMBEDDING_CHECKED_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_CHECKED_PROVIDER_H_

#include "services/embedding/provider_decorator.h"

namespace engram::embedding {

// Lets only those answers of another provider pass that keep its promise: one
// vector a text, of the model's dimensions, finite, and of unit length where
// the model says so. `Internal` otherwise: a wrong vector that is stored would
// spoil searches without a trace. An empty text never reaches the provider:
// `InvalidArgument`.
class CheckedProvider : public ProviderDecorator {
 public:
  using ProviderDecorator::ProviderDecorator;

  void Start(const EmbedCall& call, EmbedDone done) override;

 private:
  void StartWithoutEmpty(const EmbedCall& call, EmbedDone done);
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_CHECKED_PROVIDER_H_
