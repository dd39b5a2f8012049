#include "libs/hnsw/code_range.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace engram::hnsw {
namespace {

constexpr int64_t kMaxSampledComponents = int64_t{1} << 20;
constexpr double kCutShare = 0.0005;

// The highest 4-bit code; twice a code less this is how many units it is from
// the middle.
constexpr int kMaxNibble = 15;

// The components of evenly spread rows.
template <typename Component>
std::vector<Component> SampleComponents(const Component* rows, int64_t count,
                                        int dimensions) {
  const int64_t sampled =
      std::min(count, std::max<int64_t>(1, kMaxSampledComponents / dimensions));
  std::vector<Component> sample;
  sample.reserve(sampled * dimensions);
  for (int64_t i = 0; i < sampled; ++i) {
    const Component* row = rows + i * count / sampled * dimensions;
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

// Returns the nearest 4-bit code, where the outermost ones are `radius` from
// the middle, in the same measure as `value`.
int NibbleOf(float value, float radius) {
  const float step = 2 * radius / kMaxNibble;
  return static_cast<int>(
      std::lround(std::clamp((value + radius) / step, 0.0f, 15.0f)));
}

// How far from the middle that code is.
float ValueOfNibble(int nibble, float radius) {
  return static_cast<float>(2 * nibble - kMaxNibble) * radius / kMaxNibble;
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
  if (range.is_float32()) {
    std::memcpy(codes, values.data(), values.size() * sizeof(float));
    return;
  }
  const float middle = range.middle();
  const float steps = 1 / range.step();
  for (size_t i = 0; i < values.size(); ++i) {
    const float step =
        std::clamp((values[i] - middle) * steps, -127.0f, 127.0f);
    // Half up: cheaper than std::round, and ties are of no interest.
    codes[i] = static_cast<uint8_t>(step + 128.5f);
  }
}

CodeRange ChooseNibbleRange(const CodeRange& range, const uint8_t* codes,
                            int64_t count, int dimensions) {
  std::array<int64_t, 256> counts = {};
  for (uint8_t code : SampleComponents(codes, count, dimensions)) {
    ++counts[code];
  }
  // In steps of the 8-bit codes.
  float best = 127;
  double least = std::numeric_limits<double>::infinity();
  for (float radius = 127; radius >= 1; --radius) {
    double lost = 0;
    for (int code = 0; code < 256; ++code) {
      const auto value = static_cast<float>(code - 128);
      const float off = value - ValueOfNibble(NibbleOf(value, radius), radius);
      lost +=
          static_cast<double>(off * off) * static_cast<double>(counts[code]);
    }
    if (lost < least) {
      least = lost;
      best = radius;
    }
  }
  const float step = 2 * best / kMaxNibble * range.step();
  return {
      .vmin = range.middle() - 8 * step, .vdiff = kMaxNibble * step, .bits = 4};
}

NibbleEncoder::NibbleEncoder(const CodeRange& wide, const CodeRange& narrow) {
  const float radius = narrow.vdiff / 2;
  for (int code = 0; code < 256; ++code) {
    const float value = static_cast<float>(code - 128) * wide.step();
    nibbles_[code] = static_cast<uint8_t>(NibbleOf(value, radius));
  }
}

void NibbleEncoder::EncodeRow(const uint8_t* codes, int dimensions,
                              uint8_t* nibbles) const {
  for (int i = 0; i < dimensions; i += 2) {
    const uint8_t high = i + 1 < dimensions ? nibbles_[codes[i + 1]] : 0;
    nibbles[i / 2] = static_cast<uint8_t>(nibbles_[codes[i]] | high << 4);
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

int32_t NibbleNorm(const uint8_t* nibbles, int dimensions) {
  int32_t norm = 0;
  for (int i = 0; i < dimensions; ++i) {
    const int32_t nibble = nibbles[i / 2] >> (i % 2 * 4) & kMaxNibble;
    norm += (2 * nibble - kMaxNibble) * (2 * nibble - kMaxNibble);
  }
  return norm;
}

}  // namespace engram::hnsw
