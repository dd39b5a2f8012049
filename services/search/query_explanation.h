#ifndef ENGRAM_SERVICES_SEARCH_QUERY_EXPLANATION_H_
#define ENGRAM_SERVICES_SEARCH_QUERY_EXPLANATION_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engram/search/v1/search.pb.h"
#include "services/search/index.h"

namespace engram::search {

// Notes how a query is answered, for `explain`. Not thread-safe.
class QueryExplanation {
 public:
  using Strategy = v1::Explanation::Strategy;

  // The query goes on to a step; see v1::Stage. What it does until the next one
  // is this step's time.
  void Begin(absl::string_view stage) { Begin(stage, absl::Now()); }
  void Begin(absl::string_view stage, absl::Time now);

  // The index was searched. Of several searches the last tells how.
  void AddSearch(Strategy strategy, const SearchCost& cost);
  // So many records, of all, meet the filter.
  void SetMatching(int64_t matching, int64_t all);

  // The query is answered; writes all of it.
  void End(v1::Explanation& explanation) { End(absl::Now(), explanation); }
  void End(absl::Time now, v1::Explanation& explanation);

 private:
  struct Stage {
    std::string name;
    absl::Duration duration;
  };

  v1::Explanation explanation_;
  // In the order in which they first began.
  std::vector<Stage> stages_;
  // Of them, the one that goes on; none before the first.
  int current_ = -1;
  absl::Time begin_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_QUERY_EXPLANATION_H_
