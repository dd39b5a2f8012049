#include "services/search/query_explanation.h"

#include <algorithm>

#include "services/search/query_stage.h"

namespace engram::search {

void QueryExplanation::Begin(absl::string_view stage, absl::Time now) {
  if (current_ >= 0) stages_[current_].duration += now - begin_;
  begin_ = now;
  const auto known =
      std::find_if(stages_.begin(), stages_.end(),
                   [&](const Stage& other) { return other.name == stage; });
  current_ = static_cast<int>(known - stages_.begin());
  if (known == stages_.end()) stages_.push_back({std::string(stage)});
}

void QueryExplanation::AddSearch(Strategy strategy, const SearchCost& cost) {
  explanation_.set_strategy(strategy);
  explanation_.set_width(cost.width);
  explanation_.set_distances(explanation_.distances() + cost.distances);
  explanation_.set_searches(explanation_.searches() + 1);
}

void QueryExplanation::SetMatching(int64_t matching, int64_t all) {
  explanation_.set_matching_records(matching);
  explanation_.set_records(all);
}

void QueryExplanation::End(absl::Time now, v1::Explanation& explanation) {
  if (current_ >= 0) stages_[current_].duration += now - begin_;
  current_ = -1;
  explanation = explanation_;
  for (const Stage& stage : stages_) {
    AddStage(stage.name, stage.duration, explanation);
  }
}

}  // namespace engram::search
