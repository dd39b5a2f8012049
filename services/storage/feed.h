// A database's content and its changes, as followers read them.

#ifndef ENGRAM_SERVICES_STORAGE_FEED_H_
#define ENGRAM_SERVICES_STORAGE_FEED_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/feed.pb.h"
#include "libs/position/position.h"
#include "services/storage/catalog.h"
#include "services/storage/database.h"

namespace engram::storage {

// A message ends with the record or change that takes it beyond this.
inline constexpr int64_t kFeedMessageBytes = 512 << 10;

// Whether a follower can go on after `position`, with the checksum it has there
// (0: any). `OutOfRange` if not: reason `EPOCH_CHANGED` if the log never had
// that position with that checksum, `POSITION_PRUNED` if it is too old.
absl::Status CheckFollower(Database& database, const Position& position,
                           uint64_t checksum);

// Reads changes after `sequence` into `response`, with both positions; none if
// the reader has caught up. Returns the sequence to go on after.
absl::StatusOr<int64_t> ReadFeed(Database& database, int64_t sequence,
                                 v1::WatchChangesResponse* response);

// Reads all of a database, message by message, each in a short transaction of
// its own. Not thread-safe.
class SnapshotReader {
 public:
  // `database` must outlive this object.
  explicit SnapshotReader(Database* database) : database_(database) {}

  // Returns the next message; nothing after the last. `Aborted`, reason
  // `SCHEMA_CHANGED`, if a schema was applied since the first.
  absl::StatusOr<std::optional<v1::StreamSnapshotResponse>> Next();

 private:
  absl::StatusOr<v1::StreamSnapshotResponse> ReadStart();
  // Returns a message without records at the end of the last collection.
  absl::StatusOr<v1::StreamSnapshotResponse> ReadRecords();
  // Adds records of the present collection; true if the message is full.
  absl::StatusOr<bool> ReadCollection(sqlite::Connection& reader,
                                      v1::SnapshotRecords& records,
                                      int64_t& bytes);
  absl::StatusOr<v1::StreamSnapshotResponse> ReadEnd();

  Database* const database_;
  bool started_ = false;
  bool ended_ = false;
  int64_t schema_version_ = 0;
  std::vector<CollectionPtr> collections_;
  // Where the scan stands: everything before this collection, and this
  // collection's records up to this row, was read.
  size_t collection_ = 0;
  int64_t row_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_FEED_H_
