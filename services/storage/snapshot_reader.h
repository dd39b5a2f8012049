#ifndef ENGRAM_SERVICES_STORAGE_SNAPSHOT_READER_H_
#define ENGRAM_SERVICES_STORAGE_SNAPSHOT_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/feed.pb.h"
#include "services/storage/catalog.h"
#include "services/storage/database.h"
#include "services/storage/feed_scope.h"
#include "services/storage/snapshot_token.h"

namespace engram::storage {

// A message of records ends with the one that takes it beyond this.
inline constexpr int64_t kSnapshotBytes = 512 << 10;

// Reads a database's content, message by message, each in a short transaction
// of its own, so that the write-ahead log is held by none between them. Not
// thread-safe.
class SnapshotReader {
 public:
  // `database` must outlive this object. Goes on after `token`, if there is
  // one.
  SnapshotReader(Database* database, FeedScope scope,
                 std::optional<SnapshotToken> token = std::nullopt)
      : database_(database), scope_(std::move(scope)), resumed_(token) {}

  // Reads the next message into `message`, an empty one; false after the last.
  //
  // `Aborted`, reason `SCHEMA_CHANGED`, if a schema was applied since the first
  // message. Of the first message: `InvalidArgument` if the token is another
  // snapshot's, `OutOfRange` as CheckFollower if its changes are not kept any
  // more, `NotFound` if there is no collection of a name that is asked for.
  absl::StatusOr<bool> Next(v1::StreamSnapshotResponse* message);

 private:
  absl::Status ReadStart(v1::SnapshotStart* start);
  // Finds where the token stands.
  absl::Status Resume();
  absl::Status CheckSchema(int64_t schema_version) const;
  absl::Status ChooseCollections(sqlite::Connection& reader);
  absl::StatusOr<int64_t> CountRecords(sqlite::Connection& reader) const;
  // Leaves `records` empty at the end of the last collection.
  absl::Status ReadRecords(v1::SnapshotRecords* records);
  // Add records of the present collection; true if the message is full.
  absl::StatusOr<bool> ReadVectors(sqlite::Connection& reader,
                                   v1::SnapshotRecords* records);
  absl::StatusOr<bool> ReadBodies(sqlite::Connection& reader,
                                  v1::SnapshotRecords* records);
  absl::Status ReadEnd(v1::SnapshotEnd* end);

  Database* const database_;
  const FeedScope scope_;
  const std::optional<SnapshotToken> resumed_;
  bool started_ = false;
  bool ended_ = false;
  // Where the scan stands; its collection is collections_[next_].
  SnapshotToken token_;
  std::vector<CollectionPtr> collections_;
  size_t next_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SNAPSHOT_READER_H_
