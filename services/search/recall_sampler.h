#ifndef ENGRAM_SERVICES_SEARCH_RECALL_SAMPLER_H_
#define ENGRAM_SERVICES_SEARCH_RECALL_SAMPLER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace engram::search {

// Keeps a few of the live queries of one index, for its owner to run again
// exactly, and from what came of it how much searches find and how much wider
// or narrower than measured at first they have to be: what people ask lies
// elsewhere than the vectors that a graph is measured with.
//
// Which are kept is decided by time: the exact searches take a small share of
// what the live ones take, and in any case a thousandth of a core, or a rarely
// asked index would never know. Thread-safe.
class RecallSampler {
 public:
  // Recall is known over so many samples, the newest.
  static constexpr size_t kMaxSamples = 1000;
  // Factors stay within these.
  static constexpr double kMinFactor = 0.25;
  static constexpr double kMaxFactor = 16;

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

  // A live search that aims at `target_recall` would have had to be so wide
  // that it was a scan, which misses nothing. If that was for what samples
  // showed, searches become narrower again: there are no samples of scans that
  // could say so.
  void Scanned(double target_recall);

  // Takes the sample that is to be run again, if there is one; then Record.
  std::optional<Sample> Take();
  // Of the `wanted` nearest the search finds `found`; of 0 nothing was learned.
  // To know that took `took`.
  void Record(const Sample& sample, int found, int wanted, absl::Duration took);

  // The curve is another graph's from now on: half of what was found out about
  // the one before is forgotten.
  void TrustCurve();

  // How many times as wide as the curve says a search has to be.
  double factor() const { return factor_.load(std::memory_order_relaxed); }

  Measured measured() const;

 private:
  // Goes wider or narrower, if enough has been seen.
  void Adjust() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const double share_;
  std::atomic<double> factor_ = 1;

  mutable absl::Mutex mutex_;
  // How much time samples may take; negative while one is paid for.
  absl::Duration credit_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_offer_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();
  std::optional<Sample> kept_ ABSL_GUARDED_BY(mutex_);
  // The recalls of the newest samples, in a ring.
  std::vector<float> recalls_ ABSL_GUARDED_BY(mutex_);
  int64_t all_samples_ ABSL_GUARDED_BY(mutex_) = 0;
  // Since the last adjustment: samples, and how many of ten were missed and
  // might have been.
  int seen_ ABSL_GUARDED_BY(mutex_) = 0;
  double missed_ ABSL_GUARDED_BY(mutex_) = 0;
  double allowed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RECALL_SAMPLER_H_
