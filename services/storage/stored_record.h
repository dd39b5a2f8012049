#ifndef ENGRAM_SERVICES_STORAGE_STORED_RECORD_H_
#define ENGRAM_SERVICES_STORAGE_STORED_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/sqlite/statement.h"
#include "services/storage/catalog.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

// A record as its table holds it.
struct StoredRecord {
  int64_t row = 0;
  std::string id;
  int64_t version = 0;
  int64_t created_us = 0;
  int64_t updated_us = 0;
  // Of the change that made this version.
  int64_t sequence = 0;
  std::optional<int64_t> expires_us;
  // Set while a deleted record is kept.
  std::optional<int64_t> deleted_us;
  // One for each field of the schema, in its order.
  std::vector<ColumnValue> values;

  bool HasExpiredAt(int64_t now_us) const {
    return expires_us.has_value() && *expires_us <= now_us;
  }
};

// Reads the row that `select`, whose columns are Collection::columns, is at.
StoredRecord ReadStoredRecord(const sqlite::Statement& select);
// The same into a record whose memory is used again.
void ReadStoredRecord(const sqlite::Statement& select, StoredRecord& record);

// The value at a place of schema::RecordScope, for expressions over the record.
// The result lives as long as the record, and until the next call for the same
// place on the same thread.
const ColumnValue& ValueAt(const StoredRecord& record, int place);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_STORED_RECORD_H_
