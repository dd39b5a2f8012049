#ifndef ENGRAM_SERVICES_EMBEDDING_TESTING_STATIC_MODEL_BUILDER_H_
#define ENGRAM_SERVICES_EMBEDDING_TESTING_STATIC_MODEL_BUILDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace engram::embedding::testing {

// A token of a model that a test makes.
struct TestToken {
  std::string text;
  float scale = 1;
  // As many for every token of a model.
  std::vector<int8_t> row;
};

// Returns the bytes of a model file with `tokens`, the first of which stands
// for unknown words, laid out as docs/design/static_model_format.md says.
std::string BuildStaticModel(const std::vector<TestToken>& tokens,
                             uint32_t max_tokens = 0);

// Returns a model of a few English words in four dimensions.
std::string SmallStaticModel();

// Sets the bytes of `model` at `offset` to those of `value`.
template <typename Value>
void Patch(std::string& model, size_t offset, Value value) {
  model.replace(offset, sizeof(value), reinterpret_cast<const char*>(&value),
                sizeof(value));
}

// Sets the checksum of `model` to that of its contents.
void Sign(std::string& model);

// Writes `bytes` to a new temporary file and returns its path; the test removes
// it.
std::string WriteTestFile(absl::string_view bytes);

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_STATIC_MODEL_BUILDER_H_
