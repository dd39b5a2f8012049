// How one value joins another: the merge rules of upserts, and transforms.

#ifndef ENGRAM_SERVICES_STORAGE_MERGE_RULES_H_
#define ENGRAM_SERVICES_STORAGE_MERGE_RULES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/schema/collection_spec.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

// The most bytes that a value made from others may have, so that no list grows
// by appends until it fits no message.
inline constexpr size_t kMaxComputedBytes = 4 << 20;

// The sum; a missing value counts as 0. `InvalidArgument`, a clause that
// follows the field's name, if it overflows.
absl::StatusOr<ColumnValue> Sum(const ColumnValue& held,
                                const ColumnValue& sent);

// The larger, or smaller, of two values of the field; a missing one loses.
const ColumnValue& Larger(const schema::FieldSpec& field,
                          const ColumnValue& held, const ColumnValue& sent);
const ColumnValue& Smaller(const schema::FieldSpec& field,
                           const ColumnValue& held, const ColumnValue& sent);

// How elements join a list.
struct Appending {
  // Leaves out elements that are there already, those before in the same call
  // included.
  bool unique = false;
  // Keeps only the last ones; 0 keeps all.
  int keep_last = 0;
};

// The list with the elements, each as JSON, at its end; a missing one is empty.
// `InvalidArgument` if `held` is no list.
absl::StatusOr<ColumnValue> Append(const ColumnValue& held,
                                   absl::Span<const absl::string_view> elements,
                                   Appending how);

// The list without the elements.
absl::StatusOr<ColumnValue> Remove(
    const ColumnValue& held, absl::Span<const absl::string_view> elements);

// Whether a field can hold a value that was computed: schema::CheckValue, the
// bounds of indexes, and what computing may break beyond them. Missing values
// are not judged here.
absl::Status CheckComputed(const schema::CollectionSpec& spec, int place,
                           const ColumnValue& value);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_MERGE_RULES_H_
