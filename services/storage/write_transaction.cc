#include "services/storage/write_transaction.h"

#include <sqlite3.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kCountRecords =
    "UPDATE _collections SET records = records + ? WHERE collection = ?";
constexpr absl::string_view kCountVectors =
    "UPDATE _generations SET records = records + ? WHERE generation = ?";
constexpr absl::string_view kSelectNumber =
    "SELECT next_id FROM _collections WHERE collection = ?";
constexpr absl::string_view kStoreNumber =
    "UPDATE _collections SET next_id = ? WHERE collection = ?";

absl::Status Store(sqlite::Connection& connection, absl::string_view sql,
                   const Counts& counts) {
  for (const auto& [id, growth] : counts) {
    if (growth == 0) continue;
    ASSIGN_OR_RETURN(sqlite::Statement update, connection.Cached(sql));
    update.BindInt(1, growth);
    update.BindInt(2, id);
    RETURN_IF_ERROR(update.Run());
  }
  return absl::OkStatus();
}

}  // namespace

void WriteEffects::Add(const WriteEffects& other) {
  records_written += other.records_written;
  vectors_stored += other.vectors_stored;
  outbox_growth += other.outbox_growth;
  failures_growth += other.failures_growth;
  has_new_entries |= other.has_new_entries;
  for (const auto& [collection, growth] : other.cache_bytes) {
    cache_bytes[collection] += growth;
  }
  jobs.Add(other.jobs);
}

absl::StatusOr<int64_t> WriteTransaction::Append(
    ChangeKind kind, int64_t collection, int64_t row, absl::string_view id,
    absl::string_view payload, int64_t image_bytes) {
  return log_.Append(kind, collection, row, id, payload, now_us_, image_bytes);
}

absl::StatusOr<int64_t*> WriteTransaction::NextNumber(int64_t collection) {
  const auto known = next_numbers_.find(collection);
  if (known != next_numbers_.end()) return &known->second;
  ASSIGN_OR_RETURN(sqlite::Statement select, connection_.Cached(kSelectNumber));
  select.BindInt(1, collection);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return absl::InternalError("numbers of an unknown collection");
  return &(next_numbers_[collection] = select.Int(0));
}

absl::StatusOr<int64_t> WriteTransaction::NextRecordNumber(int64_t collection) {
  ASSIGN_OR_RETURN(const int64_t* const next, NextNumber(collection));
  if (*next < std::numeric_limits<int64_t>::max()) return *next;
  return absl::ResourceExhaustedError(
      "the collection has given out its last number; give an id");
}

absl::Status WriteTransaction::NoteRecordNumber(int64_t collection,
                                                int64_t number) {
  ASSIGN_OR_RETURN(int64_t* const next, NextNumber(collection));
  const bool last = number == std::numeric_limits<int64_t>::max();
  *next = std::max(*next, last ? number : number + 1);
  return absl::OkStatus();
}

absl::Status WriteTransaction::Finish() {
  RETURN_IF_ERROR(Store(connection_, kCountRecords, records_));
  RETURN_IF_ERROR(Store(connection_, kCountVectors, vectors_));
  RETURN_IF_ERROR(Store(connection_, kStoreNumber, next_numbers_));
  int violated = 0;
  int unused = 0;
  sqlite3_db_status(connection_.handle(), SQLITE_DBSTATUS_DEFERRED_FKS,
                    &violated, &unused, /*resetFlg=*/0);
  if (violated == 0) return absl::OkStatus();
  return absl::InternalError(
      "a foreign key is violated; the write is undone. This is a fault of "
      "Engram's own code");
}

absl::StatusOr<WriteTransaction::Part> WriteTransaction::Part::Begin(
    WriteTransaction& transaction) {
  ASSIGN_OR_RETURN(sqlite::Savepoint savepoint,
                   sqlite::Savepoint::Begin(transaction.connection_));
  return Part(&transaction, std::move(savepoint));
}

WriteTransaction::Part::Part(WriteTransaction* transaction,
                             sqlite::Savepoint savepoint)
    : transaction_(transaction),
      savepoint_(std::move(savepoint)),
      head_(transaction->log_.head()),
      records_(transaction->records_),
      vectors_(transaction->vectors_),
      effects_(transaction->effects_) {}

WriteTransaction::Part::Part(Part&& other) noexcept
    : transaction_(std::exchange(other.transaction_, nullptr)),
      savepoint_(std::move(other.savepoint_)),
      head_(other.head_),
      records_(std::move(other.records_)),
      vectors_(std::move(other.vectors_)),
      effects_(std::move(other.effects_)) {}

WriteTransaction::Part::~Part() {
  // The savepoint, whose own end comes after this, undoes the rows.
  if (transaction_ == nullptr) return;
  transaction_->log_.Rewind(head_);
  transaction_->records_ = std::move(records_);
  transaction_->vectors_ = std::move(vectors_);
  transaction_->effects_ = std::move(effects_);
}

absl::Status WriteTransaction::Part::Keep() {
  RETURN_IF_ERROR(savepoint_.Release());
  transaction_ = nullptr;
  return absl::OkStatus();
}

}  // namespace engram::storage
