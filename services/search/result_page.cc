#include "services/search/result_page.h"

#include <algorithm>

namespace engram::search {
namespace {

bool IsBetter(Metric metric, float a, float b) {
  return metric == Metric::kL2 ? a < b : a > b;
}

}  // namespace

bool DropWorse(Metric metric, std::optional<float> min_score,
               std::vector<Candidate>& candidates) {
  if (!min_score.has_value()) return false;
  const auto first_worse = std::find_if(
      candidates.begin(), candidates.end(), [&](const Candidate& candidate) {
        return IsBetter(metric, *min_score, candidate.score);
      });
  const bool were_any = first_worse != candidates.end();
  candidates.erase(first_worse, candidates.end());
  return were_any;
}

void OrderHits(Metric metric, Hits& hits) {
  std::stable_sort(hits.begin(), hits.end(),
                   [&](const v1::Hit& a, const v1::Hit& b) {
                     if (a.score() == b.score()) return a.id() < b.id();
                     return IsBetter(metric, a.score(), b.score());
                   });
}

void LeaveOut(int offset, Hits& hits) {
  hits.DeleteSubrange(0, std::min(offset, hits.size()));
}

}  // namespace engram::search
