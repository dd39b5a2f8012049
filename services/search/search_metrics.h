#ifndef ENGRAM_SERVICES_SEARCH_SEARCH_METRICS_H_
#define ENGRAM_SERVICES_SEARCH_SEARCH_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "services/search/recall_metrics.h"

namespace engram::search {

// What search tells Prometheus. Sums over databases, or the worst of them: a
// label for the database would have no bound; but for recall, see there.
// Thread-safe.
struct SearchMetrics {
  // `registry` must outlive this object.
  explicit SearchMetrics(prometheus::Registry& registry);

  // Vectors held.
  prometheus::Gauge& vectors;
  // Memory of the indexes, in bytes.
  prometheus::Gauge& index_bytes;
  // Changes that the database furthest behind has not applied yet.
  prometheus::Gauge& feed_lag_changes;
  // FeedFollower::Lag of the database furthest behind.
  prometheus::Gauge& feed_lag_seconds;
  // Time of whole queries, waits included.
  prometheus::Histogram& text_query_seconds;
  prometheus::Histogram& vector_query_seconds;
  prometheus::Histogram& keyword_query_seconds;
  prometheus::Histogram& hybrid_query_seconds;
  // Hybrid queries answered by words alone.
  prometheus::Counter& degraded_queries;
  // Saves of index caches that succeeded and that failed.
  prometheus::Counter& cache_saves;
  prometheus::Counter& cache_save_failures;
  // Snapshots read to their end.
  prometheus::Counter& snapshots;
  // How much searches find.
  RecallMetrics recall;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SEARCH_METRICS_H_
