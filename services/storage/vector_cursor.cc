#include "services/storage/vector_cursor.h"

#include <limits>
#include <utility>

#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();

// An entry of sequence 0 is of a backfill, which holds no position back.
constexpr absl::string_view kScanPending = R"sql(
SELECT row, sequence FROM _outbox
WHERE generation = ? AND row >= ? AND sequence > 0 ORDER BY row)sql";

}  // namespace

absl::StatusOr<VectorCursor> VectorCursor::Begin(sqlite::Connection& connection,
                                                 const Generation& generation,
                                                 int64_t row,
                                                 VectorColumns* columns) {
  ASSIGN_OR_RETURN(sqlite::Statement vectors,
                   connection.Cached(generation.scan));
  vectors.BindInt(1, VectorKey(row, 0));
  ASSIGN_OR_RETURN(sqlite::Statement pending, connection.Cached(kScanPending));
  pending.BindInt(1, generation.id);
  pending.BindInt(2, row);
  VectorCursor cursor(generation, std::move(vectors), std::move(pending),
                      columns);
  RETURN_IF_ERROR(cursor.NextVector());
  RETURN_IF_ERROR(cursor.NextPending());
  return cursor;
}

absl::Status VectorCursor::Read(int64_t row, SnapshotRecordsWriter& records) {
  // Those of deleted records that are kept lie between.
  while (key_ < VectorKey(row, 0)) RETURN_IF_ERROR(NextVector());
  if (key_ < VectorKey(row + 1, 0)) {
    columns_->AddRecord(records.record(), vectors_.Int(1));
    do {
      // From SQLite's page, with no copy between.
      columns_->AddVector(vectors_.Blob(2));
      if (chunked_) columns_->AddRange(vectors_.Int(3), vectors_.Int(4));
      RETURN_IF_ERROR(NextVector());
    } while (key_ < VectorKey(row + 1, 0));
  }
  while (pending_row_ < row) RETURN_IF_ERROR(NextPending());
  if (pending_row_ == row) {
    v1::PendingVector& pending = *records.AddPending();
    pending.set_generation(generation_);
    pending.set_sequence(pending_.Int(1));
  }
  return absl::OkStatus();
}

absl::Status VectorCursor::NextVector() {
  ASSIGN_OR_RETURN(const bool found, vectors_.Step());
  key_ = found ? vectors_.Int(0) : kEnd;
  return absl::OkStatus();
}

absl::Status VectorCursor::NextPending() {
  ASSIGN_OR_RETURN(const bool found, pending_.Step());
  pending_row_ = found ? pending_.Int(0) : kEnd;
  return absl::OkStatus();
}

}  // namespace engram::storage
