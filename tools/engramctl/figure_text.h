// How people write what `engramctl agg` computes.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_FIGURE_TEXT_H_
#define ENGRAM_TOOLS_ENGRAMCTL_FIGURE_TEXT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"

namespace engram::engramctl {

// `count()`, `cost=sum(total_cost)`, `avg(score, weight)`. Without a name the
// figure is called `count`, or function and field: `sum_tokens`. The functions
// are count, distinct, sum, avg, min and max.
absl::StatusOr<storage::v1::Aggregation> ParseFigure(absl::string_view text);

// `model`, `created_at:day`, `large=tokens > 1000`. What stands after the colon
// is minute, hour, day, week, month, quarter or year; before `=`, a name.
absl::StatusOr<storage::v1::GroupKey> ParseGroupKey(absl::string_view text);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_FIGURE_TEXT_H_
