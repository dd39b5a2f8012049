#ifndef ENGRAM_SERVICES_SEARCH_SEARCH_METRICS_H_
#define ENGRAM_SERVICES_SEARCH_SEARCH_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace engram::search {

// What search tells Prometheus. Sums over databases, or the worst of them: a
// label for the database would have no bound. Thread-safe.
struct SearchMetrics {
  // `registry` must outlive this object.
  explicit SearchMetrics(prometheus::Registry& registry);

  // Vectors held.
  prometheus::Gauge& vectors;
  // Memory of the indexes, in bytes.
  prometheus::Gauge& index_bytes;
  // Changes that the database furthest behind has not applied yet.
  prometheus::Gauge& feed_lag_changes;
  // Age of the newest change applied where changes wait; the worst database.
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
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SEARCH_METRICS_H_
