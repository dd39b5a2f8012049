#ifndef ENGRAM_SERVICES_STORAGE_STORAGE_METRICS_H_
#define ENGRAM_SERVICES_STORAGE_STORAGE_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstddef>

#include "services/storage/job_effects.h"

namespace engram::storage {

// What storage measures, over all databases. Thread-safe.
struct StorageMetrics {
  // Registers the metrics; `registry` must outlive this object.
  explicit StorageMetrics(prometheus::Registry& registry);

  // Transactions committed, each with one sync.
  prometheus::Counter& commits;
  // Writes that shared a commit.
  prometheus::Histogram& commit_batches;
  // From the start of a transaction to the end of its sync.
  prometheus::Histogram& commit_seconds;
  // Records created, changed or deleted.
  prometheus::Counter& records_written;
  // Records whose vectors were stored.
  prometheus::Counter& vectors_stored;
  // Touches that were dropped, because too many waited to be written.
  prometheus::Counter& touches_dropped;
  // Records deleted because they had expired, or for good some time after they
  // were deleted.
  prometheus::Counter& records_swept;
  // Reads of caches that found an entry, those that found none, and entries
  // that went to make room.
  prometheus::Counter& cache_hits;
  prometheus::Counter& cache_misses;
  prometheus::Counter& cache_evictions;
  // Texts that wait to be embedded.
  prometheus::Gauge& outbox_pending;
  // Texts that could not be embedded.
  prometheus::Gauge& embedding_failures;
  // Bytes in write-ahead logs.
  prometheus::Gauge& wal_bytes;
  // Bytes of changes that are kept, images included.
  prometheus::Gauge& change_log_bytes;
  // Changes that the slowest of all followers has not acknowledged.
  prometheus::Gauge& follower_lag;
  // Calls that wait for jobs.
  prometheus::Gauge& waiting_workers;

  // Jobs that stand there.
  prometheus::Gauge& jobs(JobState state) const {
    return *jobs_[static_cast<size_t>(state) - 1];
  }

 private:
  std::array<prometheus::Gauge*, kJobStates.size()> jobs_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_STORAGE_METRICS_H_
