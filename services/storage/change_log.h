#ifndef ENGRAM_SERVICES_STORAGE_CHANGE_LOG_H_
#define ENGRAM_SERVICES_STORAGE_CHANGE_LOG_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/sqlite/connection.h"

namespace engram::storage {

// What a change is about, and what its payload holds.
// Stored. Never renumber.
enum class ChangeKind {
  // Payload empty; `row` 0, `id` the collection's name.
  kCollectionCreated = 1,
  // Payload: engram.storage.v1.RecordChanged with only the generations set;
  // most often empty.
  kRecordChanged = 2,
  // Payload empty.
  kRecordDeleted = 3,
  // Payload: engram.storage.v1.VectorsStored with only the generation set. The
  // vectors are read from their table when the change is served.
  kVectorsStored = 4,
  // `row` 0, `id` the collection's new name; payload: its name before.
  kCollectionChanged = 5,
  // `row` 0, `id` the collection's name; payload empty.
  kCollectionDropped = 6,
  // Payload: engram.storage.v1.VectorsFailed with only the generation set.
  kVectorsFailed = 7,
};

// One entry of the log.
struct Change {
  int64_t sequence = 0;
  ChangeKind kind = ChangeKind::kRecordChanged;
  int64_t collection = 0;
  int64_t row = 0;
  std::string id;
  std::string payload;
  uint64_t checksum = 0;
  int64_t committed_us = 0;
};

// The newest entry's place.
struct LogHead {
  int64_t sequence = 0;
  uint64_t checksum = 0;
  // When it was written; the log's time never runs backwards.
  int64_t committed_us = 0;
  // Bytes of every change so far, the images kept with them included.
  int64_t bytes_through = 0;
};

// One database's changes, append-only, ordered by sequence: the writer's side.
// Lives on the writer's connection and thread.
class ChangeLog {
 public:
  // Reads where the log ends. Starts a new epoch if the file has none yet.
  // `connection` must outlive this object.
  static absl::StatusOr<ChangeLog> Open(sqlite::Connection& connection);

  // Adds a change within the transaction that is open; `image_bytes` are those
  // of the image kept with it. Returns its sequence, one more than the last.
  absl::StatusOr<int64_t> Append(ChangeKind kind, int64_t collection,
                                 int64_t row, absl::string_view id,
                                 absl::string_view payload,
                                 int64_t committed_us, int64_t image_bytes = 0);

  // Puts the head back to where it was before a part that was rolled back.
  void Rewind(const LogHead& head) { head_ = head; }

  const LogHead& head() const { return head_; }
  uint64_t epoch() const { return epoch_; }

 private:
  ChangeLog(sqlite::Connection* connection, uint64_t epoch, LogHead head)
      : connection_(connection), epoch_(epoch), head_(head) {}

  sqlite::Connection* connection_;
  uint64_t epoch_;
  LogHead head_;
};

// Calls `visit` for each change after `sequence`, oldest first, until it
// returns false or an error, which is returned.
absl::Status VisitChanges(
    sqlite::Connection& connection, int64_t sequence,
    absl::FunctionRef<absl::StatusOr<bool>(const Change&)> visit);

// Returns where the log ends.
absl::StatusOr<LogHead> ReadHead(sqlite::Connection& connection,
                                 uint64_t epoch);

// Returns the oldest change that is kept; 1 where there was none yet.
absl::StatusOr<int64_t> ReadOldestSequence(sqlite::Connection& connection);

// The oldest position that can be followed from, if `oldest` is the oldest
// change that is kept: the checksum that a follower proves itself with is in
// the change at its position.
inline int64_t OldestPosition(int64_t oldest) {
  return oldest == 1 ? 0 : oldest;
}

// Returns the running checksum at `sequence`, or nothing if that change has
// been pruned or does not exist. At 0, before the first change, it is the
// epoch; nothing once the first change has been pruned.
absl::StatusOr<std::optional<uint64_t>> ReadChecksum(
    sqlite::Connection& connection, uint64_t epoch, int64_t sequence);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CHANGE_LOG_H_
