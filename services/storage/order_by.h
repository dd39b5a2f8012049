#ifndef ENGRAM_SERVICES_STORAGE_ORDER_BY_H_
#define ENGRAM_SERVICES_STORAGE_ORDER_BY_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram::storage {

// The most names of one order.
inline constexpr int kMaxOrderTerms = 8;

// One name that something is ordered by.
struct OrderTerm {
  std::string name;
  bool descending = false;
  // Where the name stands in the text, from 1, in characters.
  int column = 1;
};

// Reads an `order_by`, such as `importance desc, title`; what the names mean is
// the caller's to say. An empty text is no term. `InvalidArgument`, its message
// a clause that begins with the column, if it cannot be read or names something
// twice. Safe on hostile input.
absl::StatusOr<std::vector<OrderTerm>> ParseOrderBy(absl::string_view text);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_ORDER_BY_H_
