#ifndef ENGRAM_SERVICES_SEARCH_FACET_COUNTER_H_
#define ENGRAM_SERVICES_SEARCH_FACET_COUNTER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/schema/field_value.h"
#include "services/search/attribute_columns.h"

namespace engram::search {

// The most values of one field that are told.
inline constexpr int kMaxFacetValues = 100;

// The values of one field, and how many records have each.
struct FacetCount {
  // The most frequent first, equally frequent ones by value; at most
  // kMaxFacetValues.
  std::vector<std::pair<schema::FieldValue, int64_t>> values;
  // All that there are.
  int64_t value_count = 0;
};

// Counts the values of the field at `place`, whose values the filter of `rows`
// asks for, of these rows without those of `without`. `DeadlineExceeded` if
// that takes too long.
absl::StatusOr<FacetCount> CountFacet(const MatchingRows& rows, int place,
                                      absl::Span<const int64_t> without);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_FACET_COUNTER_H_
