#ifndef ENGRAM_LIBS_FILTER_TYPE_CHECKER_H_
#define ENGRAM_LIBS_FILTER_TYPE_CHECKER_H_

#include "absl/status/statusor.h"
#include "libs/filter/filter.h"
#include "libs/filter/parameters.h"
#include "libs/filter/syntax.h"
#include "libs/schema/field_value.h"

namespace engram::filter {

// Turn a tree into a typed one: find its names and parameters, and settle the
// type of each node. `InvalidArgument` with the column where one does not fit.
absl::StatusOr<Node> CheckCondition(const Syntax& syntax, const Scope& scope,
                                    Parameters& parameters);
absl::StatusOr<Node> CheckExpression(const Syntax& syntax, const Scope& scope,
                                     schema::FieldType type,
                                     Parameters& parameters);
// Of whatever type it has by itself.
absl::StatusOr<Node> CheckValue(const Syntax& syntax, const Scope& scope,
                                Parameters& parameters);

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_TYPE_CHECKER_H_
