#include "services/search/recall_metrics.h"

#include <algorithm>
#include <utility>

namespace engram::search {
namespace {

double RecallOf(const IndexRecall& index) {
  return index.is_exact ? 1 : index.recall;
}

}  // namespace

RecallMetrics::RecallMetrics(prometheus::Registry& registry)
    : family_(
          prometheus::BuildGauge()
              .Name("engram_search_recall")
              .Help("Share of the true nearest that searches find, over the "
                    "newest samples of live queries; 1 where every vector "
                    "is compared with")
              .Register(registry)),
      samples_(prometheus::BuildCounter()
                   .Name("engram_search_recall_samples_total")
                   .Help("Live queries that were run again exactly, to know "
                         "how much searches find")
                   .Register(registry)
                   .Add({})) {}

void RecallMetrics::Update(std::vector<NamedRecall> indexes) {
  absl::MutexLock lock(&mutex_);
  std::map<Key, int64_t> counted;
  std::map<Key, double> recalls;
  std::stable_sort(indexes.begin(), indexes.end(),
                   [](const NamedRecall& a, const NamedRecall& b) {
                     return RecallOf(a.recall) < RecallOf(b.recall);
                   });
  for (NamedRecall& index : indexes) {
    const IndexRecall& recall = index.recall;
    Key key(std::move(index.database), std::move(index.collection),
            std::move(index.vector_field));
    // Fewer than before are another index's, which took its name.
    const auto before = counted_.find(key);
    const int64_t known =
        before == counted_.end() || before->second > recall.all_samples
            ? 0
            : before->second;
    samples_.Increment(static_cast<double>(recall.all_samples - known));
    counted[key] = recall.all_samples;
    const bool is_known = recall.is_exact || recall.samples > 0;
    if (is_known && recalls.size() < kMaxIndexes) {
      recalls.emplace(std::move(key), RecallOf(recall));
    }
  }
  counted_ = std::move(counted);
  std::erase_if(gauges_, [&](const auto& entry) {
    if (recalls.contains(entry.first)) return false;
    family_.Remove(entry.second);
    return true;
  });
  for (const auto& [key, recall] : recalls) {
    prometheus::Gauge*& gauge = gauges_[key];
    if (gauge == nullptr) {
      gauge = &family_.Add({{"database", std::get<0>(key)},
                            {"collection", std::get<1>(key)},
                            {"vector_field", std::get<2>(key)}});
    }
    gauge->Set(recall);
  }
}

}  // namespace engram::search
