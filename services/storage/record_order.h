// The order of a list, and where one page of it ends and the next begins.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_ORDER_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_ORDER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/schema/field_value.h"
#include "libs/status/errors.h"
#include "services/storage/catalog.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

// One column that records are ordered by. A missing value is before all others,
// and after them if `descending`: SQLite's own order.
struct OrderKey {
  // The name that requests use.
  std::string name;
  // As SQL; its collation is the order's.
  std::string column;
  schema::FieldType type = schema::FieldType::kInt;
  bool descending = false;
  bool can_be_missing = false;
};

// A collection's records in an order: the keys' one after the other. No two
// records have the same value of the last.
using RecordOrder = std::vector<OrderKey>;

// Reads a request's `order_by`, and adds the id for what is equal; an empty one
// is the order of creation. After a violation what is returned is of no use.
RecordOrder DecodeOrder(const Collection& collection,
                        absl::string_view order_by,
                        FieldViolations& violations);

// `ORDER BY` and the keys from `first` on.
std::string OrderSql(const RecordOrder& order, size_t first = 0);

// The keys' columns, as SQL.
std::string KeyColumns(const RecordOrder& order);

// Some of the records after another one, whose own order is that of the keys
// from `first_key` on: the ones before are equal in all of them.
struct KeysetPart {
  // SQL that is true of them, for use behind AND.
  std::string condition;
  // The values of its `?`s, in order.
  std::vector<ColumnValue> parameters;
  size_t first_key = 0;
};

// The records after the one whose keys have `values`, in parts: the records of
// each are before those of the next.
//
// Each part is equalities and at most one bound, so that an index over some of
// the keys serves it as it would a query made by hand. One condition for all,
// `a > ? OR (a = ? AND b > ?)`, would be a scan; row values know neither mixed
// directions nor missing values.
std::vector<KeysetPart> RecordsAfter(const RecordOrder& order,
                                     const std::vector<ColumnValue>& values);

// The values of a record's keys for a page token, and back. `InvalidArgument`
// if `text` cannot be of this order; `FailedPrecondition` if a value is larger
// than a token should be.
absl::StatusOr<std::string> EncodeKeyset(
    const RecordOrder& order, const std::vector<ColumnValue>& values);
absl::StatusOr<std::vector<ColumnValue>> DecodeKeyset(const RecordOrder& order,
                                                      absl::string_view text);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_ORDER_H_
