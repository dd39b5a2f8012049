// What is indexed of a record in tables beside its own: the elements of strings
// fields, and full text.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_INDEX_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_INDEX_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/sqlite/connection.h"
#include "services/storage/catalog.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

// Each within the transaction that is open. `values` are a whole record's.
absl::Status AddElements(sqlite::Connection& connection,
                         const Collection& collection, int64_t row,
                         absl::Span<const ColumnValue> values);
absl::Status RemoveElements(sqlite::Connection& connection,
                            const Collection& collection, int64_t row,
                            absl::Span<const ColumnValue> values);
absl::Status UpdateElements(sqlite::Connection& connection,
                            const Collection& collection, int64_t row,
                            absl::Span<const ColumnValue> before,
                            absl::Span<const ColumnValue> after);

// Only live records are in the full-text index.
absl::Status AddText(sqlite::Connection& connection,
                     const Collection& collection, int64_t row,
                     absl::Span<const ColumnValue> values);
absl::Status RemoveText(sqlite::Connection& connection,
                        const Collection& collection, int64_t row,
                        absl::Span<const ColumnValue> values);
absl::Status UpdateText(sqlite::Connection& connection,
                        const Collection& collection, int64_t row,
                        absl::Span<const ColumnValue> before,
                        absl::Span<const ColumnValue> after);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_INDEX_H_
