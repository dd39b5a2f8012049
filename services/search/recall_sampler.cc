#include "services/search/recall_sampler.h"

#include <algorithm>
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

// So many times more while an index is new: what it was measured with then is
// a guess.
constexpr double kAtFirst = 10;

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
  const double times = recorded_ < kFirstSamples ? kAtFirst : 1;
  credit_ = std::min(
      credit_ + (searched * share_ + since * kShareOfTime) * times, kMaxCredit);
  last_offer_ = now;
  if (credit_ > absl::ZeroDuration() && !kept_.has_value()) {
    kept_ = {.query = {query.begin(), query.end()},
             .limit = limit,
             .target_recall = target_recall};
  }
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
  ++recorded_;
  if (wanted == 0) return;
  const double recall = static_cast<double>(found) / wanted;
  const size_t place = all_samples_++ % kMaxSamples;
  if (place == recalls_.size()) recalls_.emplace_back();
  recalls_[place] = static_cast<float>(recall);
  queries_.push_back(sample.query);
  if (queries_.size() > kMaxQueries) queries_.pop_front();
}

std::vector<std::vector<float>> RecallSampler::queries() const {
  absl::MutexLock lock(&mutex_);
  return {queries_.begin(), queries_.end()};
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
