#include "services/search/rank_fusion.h"

#include <algorithm>
#include <cstddef>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace engram::search {
namespace {

// Of Cormack, Clarke and Buettcher, who found that results hardly depend on it:
// the larger, the less the first few ranks stand out.
constexpr double kRankOffset = 60;

// Scores brought to 0 to 1 by the least and the largest of a list. Where all
// are the same none is worse than the best.
class ScoreRange {
 public:
  explicit ScoreRange(absl::Span<const ScoredId> records) {
    if (records.empty()) return;
    const auto [least, largest] = std::minmax_element(
        records.begin(), records.end(),
        [](const ScoredId& a, const ScoredId& b) { return a.score < b.score; });
    least_ = least->score;
    // In double, where the difference of two floats cannot overflow.
    width_ = static_cast<double>(largest->score) - least_;
  }

  double Normalize(double score) const {
    return width_ > 0 ? (score - least_) / width_ : 1;
  }

 private:
  double least_ = 0;
  double width_ = 0;
};

}  // namespace

std::vector<ScoredId> FuseLists(FusionMethod method,
                                absl::Span<const RankedList> lists) {
  absl::flat_hash_map<absl::string_view, double> scores;
  for (const RankedList& list : lists) {
    if (list.weight == 0) continue;
    const ScoreRange range(list.records);
    for (size_t i = 0; i < list.records.size(); ++i) {
      const ScoredId& record = list.records[i];
      const auto rank = static_cast<double>(i + 1);
      scores[record.id] +=
          list.weight * (method == FusionMethod::kReciprocalRank
                             ? 1 / (kRankOffset + rank)
                             : range.Normalize(record.score));
    }
  }
  std::vector<ScoredId> fused;
  fused.reserve(scores.size());
  // Floats before they are ordered: what the caller sees as equal is by id.
  for (const auto& [id, score] : scores) {
    fused.push_back({std::string(id), static_cast<float>(score)});
  }
  std::sort(fused.begin(), fused.end(),
            [](const ScoredId& a, const ScoredId& b) {
              return a.score != b.score ? a.score > b.score : a.id < b.id;
            });
  return fused;
}

}  // namespace engram::search
