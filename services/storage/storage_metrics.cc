#include "services/storage/storage_metrics.h"

#include <string>

namespace engram::storage {
namespace {

prometheus::Counter& AddCounter(prometheus::Registry& registry,
                                const std::string& name,
                                const std::string& help) {
  return prometheus::BuildCounter()
      .Name(name)
      .Help(help)
      .Register(registry)
      .Add({});
}

prometheus::Gauge& AddGauge(prometheus::Registry& registry,
                            const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(
      {});
}

prometheus::Histogram& AddHistogram(
    prometheus::Registry& registry, const std::string& name,
    const std::string& help, prometheus::Histogram::BucketBoundaries bounds) {
  return prometheus::BuildHistogram()
      .Name(name)
      .Help(help)
      .Register(registry)
      .Add({}, std::move(bounds));
}

// One gauge a state, in the order of kJobStates.
std::array<prometheus::Gauge*, kJobStates.size()> AddJobGauges(
    prometheus::Registry& registry) {
  static constexpr std::array kNames = {"ready",    "scheduled", "blocked",
                                        "running",  "succeeded", "dead",
                                        "cancelled"};
  static_assert(kNames.size() == kJobStates.size());
  auto& family = prometheus::BuildGauge()
                     .Name("engram_storage_jobs")
                     .Help("Jobs of all queues, by where they stand.")
                     .Register(registry);
  std::array<prometheus::Gauge*, kJobStates.size()> gauges = {};
  for (size_t i = 0; i < kNames.size(); ++i) {
    gauges[i] = &family.Add({{"state", kNames[i]}});
  }
  return gauges;
}

}  // namespace

StorageMetrics::StorageMetrics(prometheus::Registry& registry)
    : commits(AddCounter(registry, "engram_storage_commits_total",
                         "Transactions committed, each with one sync.")),
      commit_batches(AddHistogram(registry, "engram_storage_commit_batches",
                                  "Writes that shared a commit.",
                                  {1, 2, 4, 8, 16, 32, 64, 128, 256, 512})),
      commit_seconds(AddHistogram(
          registry, "engram_storage_commit_seconds",
          "From the start of a transaction to the end of its sync.",
          {0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
           0.1, 0.25, 0.5, 1, 2.5})),
      records_written(AddCounter(registry,
                                 "engram_storage_records_written_total",
                                 "Records created, changed or deleted.")),
      vectors_stored(AddCounter(registry, "engram_storage_vectors_stored_total",
                                "Records whose vectors were stored.")),
      touches_dropped(AddCounter(
          registry, "engram_storage_touches_dropped_total",
          "Touches dropped, because too many waited to be written.")),
      records_swept(AddCounter(
          registry, "engram_storage_records_swept_total",
          "Records deleted because they had expired, or for good some time "
          "after they were deleted.")),
      cache_hits(AddCounter(registry, "engram_storage_cache_hits_total",
                            "Reads of caches that found an entry.")),
      cache_misses(AddCounter(registry, "engram_storage_cache_misses_total",
                              "Reads of caches that found none.")),
      cache_evictions(
          AddCounter(registry, "engram_storage_cache_evictions_total",
                     "Entries that went because their cache was full.")),
      outbox_pending(AddGauge(registry, "engram_storage_outbox_pending",
                              "Texts that wait to be embedded.")),
      embedding_failures(AddGauge(registry, "engram_storage_embedding_failures",
                                  "Texts that could not be embedded, until "
                                  "they are changed or tried again.")),
      wal_bytes(AddGauge(registry, "engram_storage_wal_bytes",
                         "Bytes in write-ahead logs.")),
      change_log_bytes(AddGauge(
          registry, "engram_storage_change_log_bytes",
          "Bytes of changes that are kept, with records as they were before.")),
      follower_lag(AddGauge(registry, "engram_storage_follower_lag_changes",
                            "Changes that the slowest known follower has not "
                            "acknowledged, among those it can still get.")),
      waiting_workers(AddGauge(registry, "engram_storage_waiting_workers",
                               "Calls that wait for jobs.")),
      jobs_(AddJobGauges(registry)) {}

}  // namespace engram::storage
