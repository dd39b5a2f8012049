#include "services/search/search_metrics.h"

#include <string>

namespace engram::search {
namespace {

prometheus::Gauge& Gauge(prometheus::Registry& registry,
                         const std::string& name, const std::string& help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry).Add(
      {});
}

prometheus::Counter& Counter(prometheus::Registry& registry,
                             const std::string& name, const std::string& help) {
  return prometheus::BuildCounter()
      .Name(name)
      .Help(help)
      .Register(registry)
      .Add({});
}

prometheus::Histogram& QuerySeconds(prometheus::Registry& registry,
                                    const std::string& mode,
                                    const std::string& query) {
  // From a scan of a small index to a wait for a position.
  static const prometheus::Histogram::BucketBoundaries kBounds = {
      0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
      0.025,  0.05,    0.1,    0.25,  0.5,    1,     5};
  return prometheus::BuildHistogram()
      .Name("engram_search_query_seconds")
      .Help(
          "Time of whole queries, waits included, by how they find records and "
          "what they give")
      .Register(registry)
      .Add({{"mode", mode}, {"query", query}}, kBounds);
}

}  // namespace

SearchMetrics::SearchMetrics(prometheus::Registry& registry)
    : vectors(Gauge(registry, "engram_search_vectors", "Vectors held")),
      index_bytes(Gauge(registry, "engram_search_index_bytes",
                        "Memory of the indexes, in bytes")),
      feed_lag_changes(
          Gauge(registry, "engram_search_feed_lag_changes",
                "Changes not applied yet; the database furthest behind")),
      feed_lag_seconds(Gauge(registry, "engram_search_feed_lag_seconds",
                             "How long ago everything was known to be applied, "
                             "0 while it is; the database furthest behind")),
      text_query_seconds(QuerySeconds(registry, "semantic", "text")),
      vector_query_seconds(QuerySeconds(registry, "semantic", "vector")),
      keyword_query_seconds(QuerySeconds(registry, "keyword", "text")),
      hybrid_query_seconds(QuerySeconds(registry, "hybrid", "text")),
      degraded_queries(Counter(registry, "engram_search_degraded_queries_total",
                               "Hybrid queries answered by words alone, for "
                               "their text could not be embedded")),
      cache_saves(Counter(registry, "engram_search_cache_saves_total",
                          "Saves of index caches that succeeded")),
      cache_save_failures(Counter(registry,
                                  "engram_search_cache_save_failures_total",
                                  "Saves of index caches that failed")),
      snapshots(Counter(registry, "engram_search_snapshots_total",
                        "Snapshots of databases read to their end")),
      recall(registry) {}

}  // namespace engram::search
