#ifndef ENGRAM_SERVICES_STORAGE_VECTOR_CURSOR_H_
#define ENGRAM_SERVICES_STORAGE_VECTOR_CURSOR_H_

#include <cstdint>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/statement.h"
#include "services/storage/catalog.h"
#include "services/storage/snapshot_message.h"

namespace engram::storage {

// Walks over the vectors of one generation, and over what waits for vectors in
// it, in step with a scan of its collection's records: three tables read side
// by side, each once. For use during one read.
class VectorCursor {
 public:
  // Begins at `row`; the vectors go to `columns`.
  static absl::StatusOr<VectorCursor> Begin(sqlite::Connection& connection,
                                            const Generation& generation,
                                            int64_t row,
                                            VectorColumns* columns);

  // Adds what there is of `row`, larger than any before, which is the record
  // that was added last.
  absl::Status Read(int64_t row, SnapshotRecordsWriter& records);

 private:
  VectorCursor(const Generation& generation, sqlite::Statement vectors,
               sqlite::Statement pending, VectorColumns* columns)
      : generation_(generation.id),
        chunked_(generation.chunked),
        vectors_(std::move(vectors)),
        pending_(std::move(pending)),
        columns_(columns) {}

  absl::Status NextVector();
  absl::Status NextPending();

  int64_t generation_;
  bool chunked_;
  sqlite::Statement vectors_;
  sqlite::Statement pending_;
  VectorColumns* columns_;
  // What the statements are at.
  int64_t key_ = 0;
  int64_t pending_row_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_VECTOR_CURSOR_H_
