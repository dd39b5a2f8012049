#include "services/storage/write_transaction.h"

#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kCountRecords =
    "UPDATE _collections SET records = records + ? WHERE collection = ?";
constexpr absl::string_view kCountVectors =
    "UPDATE _generations SET records = records + ? WHERE generation = ?";

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
  has_new_entries |= other.has_new_entries;
}

absl::StatusOr<int64_t> WriteTransaction::Append(ChangeKind kind,
                                                 int64_t collection,
                                                 int64_t row,
                                                 absl::string_view id,
                                                 absl::string_view payload) {
  return log_.Append(kind, collection, row, id, payload, now_us_);
}

absl::Status WriteTransaction::StoreCounts() {
  RETURN_IF_ERROR(Store(connection_, kCountRecords, records_));
  return Store(connection_, kCountVectors, vectors_);
}

}  // namespace engram::storage
