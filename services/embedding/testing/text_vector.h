#ifndef ENGRAM_SERVICES_EMBEDDING_TESTING_TEXT_VECTOR_H_
#define ENGRAM_SERVICES_EMBEDDING_TESTING_TEXT_VECTOR_H_

#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace engram::embedding::testing {

// Returns the direction that `text` has in tests, of unit length: another for
// each text.
inline std::vector<float> TextVector(absl::string_view text, int dimensions) {
  std::minstd_rand random(
      static_cast<unsigned>(std::hash<std::string>()(std::string(text))));
  std::normal_distribution<float> values;
  std::vector<float> vector(dimensions);
  double squares = 0;
  for (float& value : vector) {
    value = values(random);
    squares += double{value} * value;
  }
  for (float& value : vector) value /= static_cast<float>(std::sqrt(squares));
  return vector;
}

}  // namespace engram::embedding::testing

#endif  // ENGRAM_SERVICES_EMBEDDING_TESTING_TEXT_VECTOR_H_
