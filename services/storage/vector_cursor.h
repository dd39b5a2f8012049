#ifndef ENGRAM_SERVICES_STORAGE_VECTOR_CURSOR_H_
#define ENGRAM_SERVICES_STORAGE_VECTOR_CURSOR_H_

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/feed.pb.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/statement.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// Walks over the vectors of one generation, and over what waits for vectors in
// it, in step with a scan of its collection's records: three tables read side
// by side, each once. For use during one read.
class VectorCursor {
 public:
  // Begins at `row`.
  static absl::StatusOr<VectorCursor> Begin(sqlite::Connection& connection,
                                            const Generation& generation,
                                            int64_t row);

  // Appends the vectors of `row`, larger than any before, to `values`, and says
  // in `record` which there are, and whether it waits.
  absl::Status Read(int64_t row, v1::SnapshotRecord* record,
                    std::string* values);

 private:
  VectorCursor(const Generation& generation, sqlite::Statement vectors,
               sqlite::Statement pending)
      : generation_(generation.id),
        chunked_(generation.chunked),
        vectors_(std::move(vectors)),
        pending_(std::move(pending)) {}

  absl::Status NextVector();
  absl::Status NextPending();

  int64_t generation_;
  bool chunked_;
  sqlite::Statement vectors_;
  sqlite::Statement pending_;
  // What the statements are at.
  int64_t key_ = 0;
  int64_t pending_row_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_VECTOR_CURSOR_H_
