#include "libs/vector/vector.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

namespace engram::vector {

static_assert(std::endian::native == std::endian::little,
              "vectors travel as they lie in memory");

bool IsFinite(absl::Span<const float> values) {
  return std::all_of(values.begin(), values.end(),
                     [](float value) { return std::isfinite(value); });
}

bool Normalize(absl::Span<float> values) {
  // In double precision the squares of float32 neither overflow nor vanish.
  double squares = 0;
  for (const float value : values)
    squares += static_cast<double>(value) * value;
  if (!(squares > 0) || !std::isfinite(squares)) return false;
  const double scale = 1 / std::sqrt(squares);
  for (float& value : values) value = static_cast<float>(value * scale);
  return true;
}

std::vector<float> Unpack(absl::string_view bytes) {
  std::vector<float> values(bytes.size() / sizeof(float));
  if (!values.empty()) {
    std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  }
  return values;
}

absl::string_view Pack(absl::Span<const float> values) {
  return absl::string_view(reinterpret_cast<const char*>(values.data()),
                           values.size() * sizeof(float));
}

}  // namespace engram::vector
