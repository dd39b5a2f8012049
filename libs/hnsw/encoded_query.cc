#include "libs/hnsw/encoded_query.h"

#include <algorithm>
#include <cmath>

#include "libs/hnsw/float_distance.h"

namespace engram::hnsw {
namespace {

// A query that lies near the middle of the range is rounded to steps no finer
// than this share of the codes' own: finer ones would add no precision, and the
// norms, counted in them, would not fit an int32.
constexpr float kFinestSteps = 1.0f / 16;

// Puts the values of even dimensions first, then those of odd ones, as kernels
// of 4-bit codes want them.
std::vector<int8_t> ByHalves(const std::vector<int8_t>& values) {
  const size_t half = (values.size() + 1) / 2;
  std::vector<int8_t> halves(2 * half);
  for (size_t i = 0; i < values.size(); ++i) {
    halves[i / 2 + i % 2 * half] = values[i];
  }
  return halves;
}

}  // namespace

EncodedQuery::EncodedQuery(absl::Span<const float> query,
                           const CodeRange& range, Metric metric)
    : metric_(metric) {
  if (range.is_float32()) {
    floats_.assign(query.begin(), query.end());
    return;
  }
  values_.resize(query.size());
  const float middle = metric == Metric::kL2 ? range.middle() : 0;
  float largest = 0;
  float length = 0;
  for (float value : query) {
    largest = std::max(largest, std::abs(value - middle));
    length += (value - middle) * (value - middle);
  }
  const float step = std::max(largest / 127, range.unit() * kFinestSteps);
  const float steps = 1 / step;
  for (size_t i = 0; i < query.size(); ++i) {
    const float value =
        std::clamp((query[i] - middle) * steps, -127.0f, 127.0f);
    // Rounds half up, for there is no rounding instruction on every processor.
    values_[i] = static_cast<int8_t>(static_cast<int>(value + 127.5f) - 127);
    sum_ += values_[i];
  }
  if (range.bits == 4) values_ = ByHalves(values_);
  if (metric == Metric::kL2) {
    norm_weight_ = range.unit() / (2 * step);
    unit_ = 2 * step * range.unit();
    base_ = length;
  } else {
    unit_ = -step * range.unit();
  }
}

float EncodedQuery::ScoreOf(int32_t distance) const {
  if (!floats_.empty()) {
    const float value = FloatOfDistance(distance);
    return metric_ == Metric::kL2 ? value : -value;
  }
  const float score = base_ + unit_ * static_cast<float>(distance);
  return metric_ == Metric::kL2 ? std::max(score, 0.0f) : score;
}

}  // namespace engram::hnsw
