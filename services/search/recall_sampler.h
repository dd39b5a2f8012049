#ifndef ENGRAM_SERVICES_SEARCH_RECALL_SAMPLER_H_
#define ENGRAM_SERVICES_SEARCH_RECALL_SAMPLER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace engram::search {

// Keeps a few of the live queries of one index, for its owner to run again
// exactly: what people ask lies elsewhere than the vectors that a graph is
// measured with.
//
// Which are kept is decided by time: the exact searches take a small share of
// what the live ones take, and in any case a thousandth of a core, or a rarely
// asked index would never know; ten times as much for the first ones.
// Thread-safe.
class RecallSampler {
 public:
  // Recall is known over so many samples, the newest.
  static constexpr size_t kMaxSamples = 1000;
  // So many are soon to be known.
  static constexpr int kFirstSamples = 128;
  // Of so many, the newest, the queries are kept.
  static constexpr size_t kMaxQueries = 64;

  struct Sample {
    std::vector<float> query;
    int limit = 0;
    double target_recall = 0;
  };
  // What samples showed.
  struct Measured {
    // The share of the true nearest that was found, over the newest samples; 1
    // before the first.
    double recall = 1;
    // How many these are.
    int64_t samples = 0;
    // And how many there ever were.
    int64_t all_samples = 0;
  };

  // `share` of the time of live searches goes into samples.
  explicit RecallSampler(double share) : share_(share) {}

  // A live search that took `took` has ended at `now`.
  void Offer(absl::Span<const float> query, int limit, double target_recall,
             absl::Duration took, absl::Time now);

  // Takes the sample that is to be run again, if there is one; then Record.
  std::optional<Sample> Take();
  // Of the `wanted` nearest the search finds `found`; of 0 nothing was learned.
  // To know that took `took`.
  void Record(const Sample& sample, int found, int wanted, absl::Duration took);

  // Of the newest samples of which something was learned, the oldest first.
  std::vector<std::vector<float>> queries() const;

  Measured measured() const;

 private:
  const double share_;

  mutable absl::Mutex mutex_;
  // How much time samples may take; negative while one is paid for.
  absl::Duration credit_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_offer_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  std::optional<Sample> kept_ ABSL_GUARDED_BY(mutex_);
  // The recalls of the newest samples, in a ring.
  std::vector<float> recalls_ ABSL_GUARDED_BY(mutex_);
  int64_t all_samples_ ABSL_GUARDED_BY(mutex_) = 0;
  // Also those of which nothing was learned.
  int64_t recorded_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<std::vector<float>> queries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RECALL_SAMPLER_H_
