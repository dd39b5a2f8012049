#ifndef ENGRAM_LIBS_FILTER_EVALUATE_H_
#define ENGRAM_LIBS_FILTER_EVALUATE_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "libs/filter/filter.h"
#include "libs/schema/field_value.h"

namespace engram::filter {

// Gives the value of the field at `place`, as schema::FieldType holds it.
using Fields = absl::FunctionRef<const schema::FieldValue&(int place)>;

// Whether the record meets the condition. `now_us` is what `now` means.
bool Matches(const Node& condition, Fields fields, int64_t now_us);

// The expression's value, as the field type that it was parsed for holds it;
// `monostate` if it is missing.
schema::FieldValue Evaluate(const Node& expression, Fields fields,
                            int64_t now_us);

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_EVALUATE_H_
