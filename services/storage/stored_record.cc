#include "services/storage/stored_record.h"

#include <array>

#include "libs/schema/record_scope.h"
#include "services/storage/column_io.h"

namespace engram::storage {
namespace {

// Of Collection::columns.
enum Column {
  kRow,
  kId,
  kVersion,
  kCreated,
  kUpdated,
  kSequence,
  kExpires,
  kDeleted,
  kFirstField,
};

std::optional<int64_t> ReadTime(const sqlite::Statement& select, int column) {
  if (select.IsNull(column)) return std::nullopt;
  return select.Int(column);
}

}  // namespace

void ReadStoredRecord(const sqlite::Statement& select, StoredRecord& record) {
  record.row = select.Int(kRow);
  const absl::string_view id = select.Text(kId);
  record.id.assign(id.data(), id.size());
  record.version = select.Int(kVersion);
  record.created_us = select.Int(kCreated);
  record.updated_us = select.Int(kUpdated);
  record.sequence = select.Int(kSequence);
  record.expires_us = ReadTime(select, kExpires);
  record.deleted_us = ReadTime(select, kDeleted);
  const int columns = select.column_count();
  record.values.clear();
  record.values.reserve(columns - kFirstField);
  for (int column = kFirstField; column < columns; ++column) {
    record.values.push_back(ReadColumn(select, column));
  }
}

StoredRecord ReadStoredRecord(const sqlite::Statement& select) {
  StoredRecord record;
  ReadStoredRecord(select, record);
  return record;
}

const ColumnValue& ValueAt(const StoredRecord& record, int place) {
  if (place >= 0) return record.values[place];
  // One for each place, as an expression may hold several at once.
  thread_local std::array<ColumnValue, 6> held;
  ColumnValue& value = held[-place];
  switch (place) {
    case schema::kIdPlace:
      value = record.id;
      break;
    case schema::kVersionPlace:
      value = record.version;
      break;
    case schema::kCreateTimePlace:
      value = record.created_us;
      break;
    case schema::kUpdateTimePlace:
      value = record.updated_us;
      break;
    default:  // kExpireTimePlace
      value = std::monostate();
      if (record.expires_us.has_value()) value = *record.expires_us;
      break;
  }
  return value;
}

}  // namespace engram::storage
