// The shipped model, and what tools/distill says that it does.

#ifndef ENGRAM_SERVICES_EMBEDDING_TESTING_MODEL_FIXTURES_H_
#define ENGRAM_SERVICES_EMBEDDING_TESTING_MODEL_FIXTURES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "services/embedding/static_model.h"

namespace engram::embedding::testing {

// Opens the model in deploy/models; fails the test program if that is not good.
std::unique_ptr<StaticModel> OpenShippedModel();

// A text and the ids that the reference tokenizer gave it.
struct TokenizedText {
  std::string text;
  std::vector<int32_t> ids;
};
std::vector<TokenizedText> ReadWordPieceFixture();

// A text and the vector that the reference gave it.
struct ReferenceVector {
  std::string text;
  std::vector<float> vector;
};
std::vector<ReferenceVector> ReadStaticModelFixture();

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_MODEL_FIXTURES_H_
