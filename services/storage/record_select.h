// The statements that read records as answers carry them, as SQL.

#ifndef ENGRAM_SERVICES_STORAGE_RECORD_SELECT_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_SELECT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// The columns before the fields, those of Collection::columns; a partial record
// has no _sequence and no _deleted_us.
enum RecordColumn {
  kRecordRow,
  kRecordId,
  kRecordVersion,
  kRecordCreated,
  kRecordUpdated,
  kRecordSequence,
  kRecordExpires,
  kRecordDeleted,
  kRecordColumns,
};

// Those and the fields at `fields`, which are in the order of the schema.
std::string RecordColumns(const Collection& collection,
                          const std::vector<int>& fields);

// Row: the same.
std::string SelectByRowSql(const Collection& collection,
                           const std::vector<int>& fields);

// ?1 is when a record has expired, ?2 the id: the same of the record that is
// seen.
std::string SelectByIdSql(const Collection& collection,
                          const std::vector<int>& fields);

// The same of every field.
std::string SelectByIdSql(const Collection& collection);

// Behind either, ?3 the row: nothing if the record has another.
inline constexpr absl::string_view kAndRow = " AND _row = ?3";

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_SELECT_H_
