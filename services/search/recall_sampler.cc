#include "services/search/recall_sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace engram::search {
namespace {

// Of a core, while an index is asked at all.
constexpr double kShareOfTime = 0.001;
// What a quiet time saves up is not spent at once.
constexpr absl::Duration kMaxCredit = absl::Milliseconds(10);
// More than any scan takes: a clock that was set is forgotten some time.
constexpr absl::Duration kMaxDebt = absl::Minutes(1);

// Fewer samples say little about a recall of 0.95: of ten times as many
// neighbours some 16 are missed, and that varies by half.
constexpr int kSamplesForChange = 32;
// Recall is missed by those who ask, time by those who pay: searches become
// wider faster than they become narrower. Roots damp, as what was seen varies.
constexpr double kWiden = 0.5;
constexpr double kNarrow = 0.25;
constexpr double kMaxStep = 1.6;
constexpr double kMinStep = 0.8;

}  // namespace

void RecallSampler::Offer(absl::Span<const float> query, int limit,
                          double target_recall, absl::Duration took,
                          absl::Time now) {
  // No search waits for another one here; what it would have added is little.
  if (!mutex_.TryLock()) return;
  const absl::Duration since =
      std::max(now - last_offer_, absl::ZeroDuration());
  // Clocks are set, too.
  const absl::Duration searched = std::max(took, absl::ZeroDuration());
  credit_ =
      std::min(credit_ + searched * share_ + since * kShareOfTime, kMaxCredit);
  last_offer_ = now;
  if (credit_ > absl::ZeroDuration() && !kept_.has_value()) {
    kept_ = {.query = {query.begin(), query.end()},
             .limit = limit,
             .target_recall = target_recall};
  }
  mutex_.Unlock();
}

void RecallSampler::Scanned(double target_recall) {
  if (factor() <= 1) return;
  if (!mutex_.TryLock()) return;
  ++seen_;
  allowed_ += 10 * (1 - target_recall);
  Adjust();
  mutex_.Unlock();
}

std::optional<RecallSampler::Sample> RecallSampler::Take() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(kept_, std::nullopt);
}

void RecallSampler::Record(const Sample& sample, int found, int wanted,
                           absl::Duration took) {
  absl::MutexLock lock(&mutex_);
  credit_ = std::max(credit_ - std::max(took, absl::ZeroDuration()), -kMaxDebt);
  if (wanted == 0) return;
  const double recall = static_cast<double>(found) / wanted;
  const size_t place = all_samples_++ % kMaxSamples;
  if (place == recalls_.size()) recalls_.emplace_back();
  recalls_[place] = static_cast<float>(recall);
  ++seen_;
  missed_ += 10 * (1 - recall);
  allowed_ += 10 * (1 - sample.target_recall);
  Adjust();
}

void RecallSampler::Adjust() {
  if (seen_ < kSamplesForChange) return;
  const double ratio = (missed_ + 1) / (allowed_ + 1);
  const double step = std::pow(ratio, ratio > 1 ? kWiden : kNarrow);
  factor_.store(std::clamp(factor() * std::clamp(step, kMinStep, kMaxStep),
                           kMinFactor, kMaxFactor),
                std::memory_order_relaxed);
  seen_ = 0;
  missed_ = 0;
  allowed_ = 0;
}

void RecallSampler::TrustCurve() {
  absl::MutexLock lock(&mutex_);
  factor_.store(std::sqrt(factor()), std::memory_order_relaxed);
  seen_ = 0;
  missed_ = 0;
  allowed_ = 0;
}

RecallSampler::Measured RecallSampler::measured() const {
  absl::MutexLock lock(&mutex_);
  if (recalls_.empty()) return {};
  const double sum = std::accumulate(recalls_.begin(), recalls_.end(), 0.0);
  return {.recall = sum / static_cast<double>(recalls_.size()),
          .samples = static_cast<int64_t>(recalls_.size()),
          .all_samples = all_samples_};
}

}  // namespace engram::search
