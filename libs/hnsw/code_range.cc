#include "libs/hnsw/code_range.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace engram::hnsw {
namespace {

constexpr int64_t kMaxSampledComponents = int64_t{1} << 20;
constexpr double kCutShare = 0.0005;

// The components of evenly spread rows.
std::vector<float> SampleComponents(const float* rows, int64_t count,
                                    int dimensions) {
  const int64_t sampled =
      std::min(count, std::max<int64_t>(1, kMaxSampledComponents / dimensions));
  std::vector<float> sample;
  sample.reserve(sampled * dimensions);
  for (int64_t i = 0; i < sampled; ++i) {
    const float* row = rows + i * count / sampled * dimensions;
    sample.insert(sample.end(), row, row + dimensions);
  }
  return sample;
}

// Returns the value that a share of the sample is above. Changes its order.
float UpperQuantile(std::vector<float>& sample, double share_above) {
  const auto above = static_cast<int64_t>(share_above * sample.size());
  const auto at = sample.end() - 1 - above;
  std::nth_element(sample.begin(), at, sample.end());
  return *at;
}

// Returns the range of `radius` around `middle`. Steps are kept far from where
// float32 ends, so that nothing made of them overflows or vanishes.
CodeRange RangeAround(float middle, float radius) {
  const float step =
      std::clamp(radius / 127, std::numeric_limits<float>::min() * 1024,
                 std::numeric_limits<float>::max() / 1024);
  return {.vmin = middle - 128.5f * step, .vdiff = 255 * step};
}

}  // namespace

CodeRange ChooseCodeRange(const float* rows, int64_t count, int dimensions,
                          Metric metric) {
  if (count == 0) return {};
  std::vector<float> sample = SampleComponents(rows, count, dimensions);
  if (metric == Metric::kDot) {
    for (float& value : sample) value = std::abs(value);
    return RangeAround(0, UpperQuantile(sample, kCutShare));
  }
  const float high = UpperQuantile(sample, kCutShare / 2);
  for (float& value : sample) value = -value;
  const float low = -UpperQuantile(sample, kCutShare / 2);
  // Halved first: the sum of two large values may overflow.
  return RangeAround(low / 2 + high / 2, high / 2 - low / 2);
}

void EncodeRow(const CodeRange& range, absl::Span<const float> values,
               uint8_t* codes) {
  const float middle = range.middle();
  const float steps = 1 / range.step();
  for (size_t i = 0; i < values.size(); ++i) {
    const float step =
        std::clamp((values[i] - middle) * steps, -127.0f, 127.0f);
    // Half up: cheaper than std::round, and ties are of no interest.
    codes[i] = static_cast<uint8_t>(step + 128.5f);
  }
}

int32_t CodeNorm(const uint8_t* codes, int dimensions) {
  int32_t norm = 0;
  for (int i = 0; i < dimensions; ++i) {
    const int32_t steps = codes[i] - 128;
    norm += steps * steps;
  }
  return norm;
}

}  // namespace engram::hnsw
