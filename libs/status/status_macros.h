// Early return for functions that return absl::Status or absl::StatusOr.

#ifndef ENGRAM_LIBS_STATUS_STATUS_MACROS_H_
#define ENGRAM_LIBS_STATUS_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns the status of `expression` from the enclosing function unless it is
// OK.
#define RETURN_IF_ERROR(expression)                \
  do {                                             \
    absl::Status engram_status = (expression);     \
    if (!engram_status.ok()) return engram_status; \
  } while (false)

// Assigns the value of `expression`, an absl::StatusOr, to `target`, which may
// declare a variable, or returns its status from the enclosing function.
#define ASSIGN_OR_RETURN(target, expression)                                  \
  ENGRAM_ASSIGN_OR_RETURN(ENGRAM_CONCAT(engram_status_or_, __LINE__), target, \
                          expression)

#define ENGRAM_ASSIGN_OR_RETURN(result, target, expression) \
  auto result = (expression);                               \
  if (!result.ok()) return std::move(result).status();      \
  target = *std::move(result)

#define ENGRAM_CONCAT(left, right) ENGRAM_CONCAT_INNER(left, right)
#define ENGRAM_CONCAT_INNER(left, right) left##right

#endif  // ENGRAM_LIBS_STATUS_STATUS_MACROS_H_
