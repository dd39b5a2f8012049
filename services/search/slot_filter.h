#ifndef ENGRAM_SERVICES_SEARCH_SLOT_FILTER_H_
#define ENGRAM_SERVICES_SEARCH_SLOT_FILTER_H_

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "libs/filter/filter.h"
#include "services/search/attribute_column.h"
#include "services/search/slot_set.h"

namespace engram::search {

// The column of the field at `place`; never null.
using ColumnOf = absl::FunctionRef<const AttributeColumn*(int place)>;

// The slots of `within` whose records meet the condition: exactly those of
// which filter::Matches is true. `DeadlineExceeded` if that takes too long.
absl::StatusOr<SlotSet> FindSlots(const filter::Node& condition,
                                  const SlotSet& within, ColumnOf column,
                                  Evaluation& evaluation);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SLOT_FILTER_H_
