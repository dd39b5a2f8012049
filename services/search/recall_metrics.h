#ifndef ENGRAM_SERVICES_SEARCH_RECALL_METRICS_H_
#define ENGRAM_SERVICES_SEARCH_RECALL_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/registry.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "services/search/index.h"

namespace engram::search {

// The recall of one index that serves.
struct NamedRecall {
  std::string database;
  std::string collection;
  std::string vector_field;
  IndexRecall recall;
};

// Tells Prometheus how much searches find: `engram_search_recall` by index, and
// over how many samples all of that was measured. Of very many indexes it tells
// of the worst, which are those to look at, so that labels have a bound.
// Thread-safe.
class RecallMetrics {
 public:
  static constexpr size_t kMaxIndexes = 200;

  // `registry` must outlive this object.
  explicit RecallMetrics(prometheus::Registry& registry);

  // `indexes` are all that serve now: what was told of others is withdrawn. One
  // that has a graph, but no sample yet, has no recall that is known.
  void Update(std::vector<NamedRecall> indexes);

 private:
  using Key = std::tuple<std::string, std::string, std::string>;

  prometheus::Family<prometheus::Gauge>& family_;
  prometheus::Counter& samples_;

  absl::Mutex mutex_;
  std::map<Key, prometheus::Gauge*> gauges_ ABSL_GUARDED_BY(mutex_);
  // The samples that are counted already, by index.
  std::map<Key, int64_t> counted_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RECALL_METRICS_H_
