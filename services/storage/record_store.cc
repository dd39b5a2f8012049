#include "services/storage/record_store.h"

#include <sqlite3.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"
#include "services/storage/record_history.h"
#include "services/storage/record_images.h"
#include "services/storage/record_index.h"
#include "services/storage/record_vectors.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

void BindTime(sqlite::Statement& statement, int parameter,
              std::optional<int64_t> time_us) {
  if (time_us.has_value()) {
    statement.BindInt(parameter, *time_us);
  } else {
    statement.BindNull(parameter);
  }
}

absl::StatusOr<std::optional<StoredRecord>> ReadOne(sqlite::Statement& select) {
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return ReadStoredRecord(select);
}

// Runs a statement that a unique key may refuse; whether it changed anything.
absl::StatusOr<bool> RunUnlessTaken(sqlite::Connection& connection,
                                    sqlite::Statement& statement) {
  const absl::Status status = statement.Run();
  if (status.ok()) return connection.changes() > 0;
  // The statement alone is undone then, not the transaction.
  if (connection.last_error() == SQLITE_CONSTRAINT_UNIQUE) return false;
  return status;
}

// The places of the stored fields that differ.
std::vector<int> ChangedPlaces(const Collection& collection,
                               const StoredRecord& before,
                               const StoredRecord& after) {
  std::vector<int> places;
  for (size_t i = 0; i < after.values.size(); ++i) {
    if (!collection.spec.fields[i].generated.empty()) continue;
    if (before.values[i] != after.values[i]) {
      places.push_back(static_cast<int>(i));
    }
  }
  return places;
}

// What a cache's entry takes, as cache_sizes.h counts it.
int64_t EntryBytes(const Collection& collection, const StoredRecord& record) {
  const ColumnValue& value = record.values[collection.cache_value];
  size_t bytes = record.id.size();
  if (const auto* text = std::get_if<std::string>(&value))
    bytes += text->size();
  if (const auto* blob = std::get_if<Blob>(&value)) bytes += blob->bytes.size();
  return static_cast<int64_t>(bytes);
}

// Counts an entry that is no longer, or is now; either may be null.
void CountEntry(WriteTransaction& transaction, const Collection& collection,
                const StoredRecord* before, const StoredRecord* after) {
  if (collection.cache_value < 0) return;
  transaction.CountCacheBytes(
      collection.id,
      (after == nullptr ? 0 : EntryBytes(collection, *after)) -
          (before == nullptr ? 0 : EntryBytes(collection, *before)));
}

}  // namespace

absl::StatusOr<std::optional<StoredRecord>> RecordStore::FindById(
    const Collection& collection, absl::string_view id) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction_.connection().Cached(collection.select_by_id));
  select.BindText(1, id);
  return ReadOne(select);
}

absl::StatusOr<std::optional<StoredRecord>> RecordStore::FindByRow(
    const Collection& collection, int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction_.connection().Cached(collection.select_by_row));
  select.BindInt(1, row);
  return ReadOne(select);
}

absl::StatusOr<std::optional<StoredRecord>> RecordStore::FindByKey(
    const UniqueKey& key, absl::Span<const ColumnValue> values) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction_.connection().Cached(key.select));
  for (size_t i = 0; i < key.fields.size(); ++i) {
    BindColumn(select, static_cast<int>(i) + 1, values[key.fields[i]]);
  }
  return ReadOne(select);
}

absl::StatusOr<bool> RecordStore::Insert(
    const Collection& collection, StoredRecord& record,
    absl::Span<const SuppliedVectors> vectors) {
  sqlite::Connection& connection = transaction_.connection();
  record.updated_us = transaction_.now_us();
  record.sequence = NextSequence();
  {
    ASSIGN_OR_RETURN(sqlite::Statement insert,
                     connection.Cached(collection.insert));
    insert.BindText(1, record.id);
    insert.BindInt(2, record.version);
    insert.BindInt(3, record.created_us);
    insert.BindInt(4, record.updated_us);
    insert.BindInt(5, record.sequence);
    int parameter = 5;
    if (collection.expires()) BindTime(insert, ++parameter, record.expires_us);
    if (collection.keeps_deleted()) insert.BindNull(++parameter);
    for (size_t i = 0; i < record.values.size(); ++i) {
      if (!collection.spec.fields[i].generated.empty()) continue;
      BindColumn(insert, ++parameter, record.values[i]);
    }
    ASSIGN_OR_RETURN(const bool inserted, RunUnlessTaken(connection, insert));
    if (!inserted) return false;
  }
  record.row = connection.last_insert_row();
  transaction_.CountRecords(collection.id, 1);
  CountEntry(transaction_, collection, nullptr, &record);
  RETURN_IF_ERROR(
      AddElements(connection, collection, record.row, record.values));
  RETURN_IF_ERROR(AddText(connection, collection, record.row, record.values));
  v1::RecordChanged change;
  RETURN_IF_ERROR(
      UpdateTextVectors(transaction_, collection, nullptr, record, change));
  RETURN_IF_ERROR(AppendChanged(collection, record, change, /*image_bytes=*/0));
  RETURN_IF_ERROR(StoreSupplied(transaction_, collection, record, vectors));
  return true;
}

absl::StatusOr<bool> RecordStore::Update(
    const Collection& collection, const StoredRecord& before,
    StoredRecord& after, absl::Span<const SuppliedVectors> vectors) {
  sqlite::Connection& connection = transaction_.connection();
  after.version = before.version + 1;
  after.updated_us = transaction_.now_us();
  after.sequence = NextSequence();
  ASSIGN_OR_RETURN(const bool updated, UpdateRow(collection, before, after));
  if (!updated) return false;
  CountEntry(transaction_, collection, &before, &after);
  RETURN_IF_ERROR(
      KeepVersion(transaction_, collection, before, VersionEnd::kChange));
  ASSIGN_OR_RETURN(const int64_t image_bytes,
                   KeepImage(transaction_, collection, before));
  RETURN_IF_ERROR(UpdateElements(connection, collection, after.row,
                                 before.values, after.values));
  RETURN_IF_ERROR(UpdateText(connection, collection, after.row, before.values,
                             after.values));
  v1::RecordChanged change;
  RETURN_IF_ERROR(
      UpdateTextVectors(transaction_, collection, &before, after, change));
  RETURN_IF_ERROR(
      ClearSupplied(transaction_, collection, after.row, vectors, change));
  RETURN_IF_ERROR(AppendChanged(collection, after, change, image_bytes));
  RETURN_IF_ERROR(StoreSupplied(transaction_, collection, after, vectors));
  return true;
}

absl::StatusOr<bool> RecordStore::UpdateRow(const Collection& collection,
                                            const StoredRecord& before,
                                            const StoredRecord& after) {
  const std::vector<int> places = ChangedPlaces(collection, before, after);
  ASSIGN_OR_RETURN(
      sqlite::Statement update,
      transaction_.connection().Cached(UpdateSql(collection, places)));
  int parameter = 0;
  update.BindInt(++parameter, after.version);
  update.BindInt(++parameter, after.updated_us);
  update.BindInt(++parameter, after.sequence);
  if (collection.expires()) BindTime(update, ++parameter, after.expires_us);
  for (const int place : places) {
    BindColumn(update, ++parameter, after.values[place]);
  }
  update.BindInt(++parameter, after.row);
  return RunUnlessTaken(transaction_.connection(), update);
}

const std::string& RecordStore::UpdateSql(const Collection& collection,
                                          const std::vector<int>& places) {
  if (update_.collection == &collection && update_.places == places) {
    return update_.sql;
  }
  std::string sql =
      absl::StrCat("UPDATE ", QuoteIdentifier(collection.name()),
                   " SET _version = ?, _updated_us = ?, _sequence = ?");
  if (collection.expires()) absl::StrAppend(&sql, ", _expires_us = ?");
  for (const int place : places) {
    absl::StrAppend(&sql, ", ",
                    QuoteIdentifier(collection.spec.fields[place].name),
                    " = ?");
  }
  absl::StrAppend(&sql, " WHERE _row = ?");
  update_ = {&collection, places, std::move(sql)};
  return update_.sql;
}

absl::StatusOr<bool> RecordStore::HasVectors(const Collection& collection,
                                             int64_t row,
                                             const SuppliedVectors& vectors) {
  return HasSupplied(transaction_, collection, row, vectors);
}

absl::Status RecordStore::MoveExpiry(const Collection& collection, int64_t row,
                                     std::optional<int64_t> expires_us) {
  ASSIGN_OR_RETURN(sqlite::Statement update,
                   transaction_.connection().Cached(absl::StrCat(
                       "UPDATE ", QuoteIdentifier(collection.name()),
                       " SET _expires_us = ? WHERE _row = ?")));
  BindTime(update, 1, expires_us);
  update.BindInt(2, row);
  return update.Run();
}

absl::Status RecordStore::Touch(const Collection& collection,
                                const StoredRecord& record,
                                const std::vector<int>& places) {
  std::string sql =
      absl::StrCat("UPDATE ", QuoteIdentifier(collection.name()), " SET ");
  std::vector<std::string> assignments;
  if (collection.expires()) assignments.push_back("_expires_us = ?");
  for (const int place : places) {
    assignments.push_back(absl::StrCat(
        QuoteIdentifier(collection.spec.fields[place].name), " = ?"));
  }
  if (assignments.empty()) return absl::OkStatus();
  absl::StrAppend(&sql, absl::StrJoin(assignments, ", "), " WHERE _row = ?");
  ASSIGN_OR_RETURN(sqlite::Statement update,
                   transaction_.connection().Cached(sql));
  int parameter = 0;
  if (collection.expires()) BindTime(update, ++parameter, record.expires_us);
  for (const int place : places) {
    BindColumn(update, ++parameter, record.values[place]);
  }
  update.BindInt(++parameter, record.row);
  return update.Run();
}

absl::Status RecordStore::Hide(const Collection& collection,
                               const StoredRecord& record) {
  {
    ASSIGN_OR_RETURN(
        sqlite::Statement update,
        transaction_.connection().Cached(absl::StrCat(
            "UPDATE ", QuoteIdentifier(collection.name()),
            " SET _deleted_us = ?, _sequence = ? WHERE _row = ?")));
    update.BindInt(1, transaction_.now_us());
    update.BindInt(2, NextSequence());
    update.BindInt(3, record.row);
    RETURN_IF_ERROR(update.Run());
  }
  RETURN_IF_ERROR(
      KeepVersion(transaction_, collection, record, VersionEnd::kDelete));
  ASSIGN_OR_RETURN(const int64_t image_bytes,
                   KeepImage(transaction_, collection, record));
  RETURN_IF_ERROR(RemoveText(transaction_.connection(), collection, record.row,
                             record.values));
  RETURN_IF_ERROR(HideVectors(transaction_, collection, record));
  transaction_.CountRecords(collection.id, -1);
  CountEntry(transaction_, collection, &record, nullptr);
  return AppendDeleted(collection, record, image_bytes);
}

absl::StatusOr<bool> RecordStore::Unhide(const Collection& collection,
                                         StoredRecord& record) {
  record.deleted_us.reset();
  // Its last version ended with the delete.
  ++record.version;
  record.updated_us = transaction_.now_us();
  record.sequence = NextSequence();
  {
    ASSIGN_OR_RETURN(
        sqlite::Statement update,
        transaction_.connection().Cached(absl::StrCat(
            "UPDATE ", QuoteIdentifier(collection.name()),
            " SET _deleted_us = NULL, _version = ?, _updated_us = ?, "
            "_sequence = ?",
            collection.expires() ? ", _expires_us = ?" : "",
            " WHERE _row = ?")));
    update.BindInt(1, record.version);
    update.BindInt(2, record.updated_us);
    update.BindInt(3, record.sequence);
    int parameter = 3;
    if (collection.expires()) BindTime(update, ++parameter, record.expires_us);
    update.BindInt(++parameter, record.row);
    ASSIGN_OR_RETURN(const bool updated,
                     RunUnlessTaken(transaction_.connection(), update));
    if (!updated) return false;
  }
  RETURN_IF_ERROR(AddText(transaction_.connection(), collection, record.row,
                          record.values));
  transaction_.CountRecords(collection.id, 1);
  CountEntry(transaction_, collection, nullptr, &record);
  v1::RecordChanged change;
  RETURN_IF_ERROR(UnhideVectors(transaction_, collection, record, change));
  // No image: for followers it was gone, and comes like a new one.
  RETURN_IF_ERROR(AppendChanged(collection, record, change, /*image_bytes=*/0));
  RETURN_IF_ERROR(TellVectors(transaction_, collection, record, change));
  return true;
}

absl::Status RecordStore::Remove(const Collection& collection,
                                 const StoredRecord& record, History history) {
  sqlite::Connection& connection = transaction_.connection();
  const bool is_hidden = record.deleted_us.has_value();
  int64_t image_bytes = 0;
  if (history == History::kForget) {
    RETURN_IF_ERROR(ForgetVersions(transaction_, collection, record.id));
    RETURN_IF_ERROR(ForgetImages(transaction_, collection, record.id));
  } else if (!is_hidden) {
    // A hidden record's last version and image were kept when it was hidden.
    RETURN_IF_ERROR(
        KeepVersion(transaction_, collection, record, VersionEnd::kDelete));
    ASSIGN_OR_RETURN(image_bytes, KeepImage(transaction_, collection, record));
  }
  RETURN_IF_ERROR(
      RemoveElements(connection, collection, record.row, record.values));
  if (!is_hidden) {
    RETURN_IF_ERROR(
        RemoveText(connection, collection, record.row, record.values));
  }
  RETURN_IF_ERROR(ForgetVectors(transaction_, collection, record));
  {
    ASSIGN_OR_RETURN(sqlite::Statement remove,
                     connection.Cached(collection.remove));
    remove.BindInt(1, record.row);
    RETURN_IF_ERROR(remove.Run());
  }
  // Followers know nothing of a hidden record any more.
  if (is_hidden) return absl::OkStatus();
  transaction_.CountRecords(collection.id, -1);
  CountEntry(transaction_, collection, &record, nullptr);
  return AppendDeleted(collection, record, image_bytes);
}

absl::Status RecordStore::AppendChanged(const Collection& collection,
                                        const StoredRecord& record,
                                        v1::RecordChanged& change,
                                        int64_t image_bytes) {
  ++transaction_.effects().records_written;
  // Where reading a record keeps it alive, followers cannot know how long it
  // lives: they show what they have, and storage leaves out what has expired.
  if (record.expires_us.has_value() && !collection.spec.expire->sliding) {
    *change.mutable_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(*record.expires_us);
  }
  return transaction_
      .Append(ChangeKind::kRecordChanged, collection.id, record.row, record.id,
              change.SerializeAsString(), image_bytes)
      .status();
}

absl::Status RecordStore::AppendDeleted(const Collection& collection,
                                        const StoredRecord& record,
                                        int64_t image_bytes) {
  ++transaction_.effects().records_written;
  return transaction_
      .Append(ChangeKind::kRecordDeleted, collection.id, record.row, record.id,
              /*payload=*/{}, image_bytes)
      .status();
}

}  // namespace engram::storage
