#include "services/search/facet_counter.h"

#include <algorithm>

#include "libs/status/status_macros.h"

namespace engram::search {
namespace {

using schema::FieldValue;

bool ComesFirst(int64_t count, const FieldValue& value,
                const std::pair<FieldValue, int64_t>& other) {
  return count != other.second ? count > other.second : value < other.first;
}

}  // namespace

absl::StatusOr<FacetCount> CountFacet(const MatchingRows& rows, int place,
                                      absl::Span<const int64_t> without) {
  FacetCount facet;
  auto& values = facet.values;
  const auto first = [](const auto& a, const auto& b) {
    return ComesFirst(a.second, a.first, b);
  };
  // A heap whose front is the last of those kept: of a million values, few are
  // copied.
  RETURN_IF_ERROR(rows.CountValues(
      place, without, [&](const FieldValue& value, int64_t count) {
        ++facet.value_count;
        if (values.size() == kMaxFacetValues) {
          if (!ComesFirst(count, value, values.front())) return;
          std::pop_heap(values.begin(), values.end(), first);
          values.pop_back();
        }
        values.emplace_back(value, count);
        std::push_heap(values.begin(), values.end(), first);
      }));
  std::sort(values.begin(), values.end(), first);
  return facet;
}

}  // namespace engram::search
