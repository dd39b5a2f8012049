#ifndef ENGRAM_SERVICES_STORAGE_SNAPSHOT_READER_H_
#define ENGRAM_SERVICES_STORAGE_SNAPSHOT_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/feed.pb.h"
#include "services/storage/catalog.h"
#include "services/storage/database.h"
#include "services/storage/feed_scope.h"
#include "services/storage/snapshot_message.h"
#include "services/storage/snapshot_token.h"

namespace engram::storage {

// What a message of records is meant to have.
inline constexpr size_t kSnapshotBytes = 512 << 10;

// Some rows of a collection, for one message.
struct SnapshotRange {
  // The collection's place in the snapshot.
  size_t collection = 0;
  // Behind `after`, up to `last`.
  int64_t after = 0;
  int64_t last = 0;
};

// What was read of a range.
struct SnapshotPart {
  // The message; not to be sent if there are no records.
  SnapshotBytes message;
  // How large it is; nothing without records.
  size_t bytes = 0;
  // How many rows it is of, those of records that are gone included.
  int64_t rows = 0;
  // What is left of the range where the message grew too large: to be read
  // before any range behind it.
  std::optional<SnapshotRange> rest;
};

// Reads a database's content in messages, each in a short transaction of its
// own, so that the write-ahead log is held by none between them.
//
// First Start, then Read for each range that Take returns, last End. Reads may
// run side by side, in any threads, and beside Take; all else is one after the
// other.
class SnapshotReader {
 public:
  // `database` must outlive this object. Goes on after `token`, if there is
  // one.
  SnapshotReader(Database* database, FeedScope scope,
                 std::optional<SnapshotToken> token = std::nullopt)
      : database_(database), scope_(std::move(scope)), resumed_(token) {}

  // `InvalidArgument` if the token is another snapshot's, `OutOfRange` as
  // CheckFollower if its changes are not kept any more, `NotFound` if there is
  // no collection of a name that is asked for, `Aborted` as Read.
  absl::Status Start(v1::SnapshotStart* start);

  // The next rows to read; nothing when all are taken. Rows that came after
  // Start are left to the changes: beside one who writes all the time the
  // snapshot would never end.
  std::optional<SnapshotRange> Take();

  // Reads the records of a range; the message's values use the memory of
  // `spare`. `Aborted`, reason `SCHEMA_CHANGED`, if a schema was applied since
  // the start.
  absl::StatusOr<SnapshotPart> Read(const SnapshotRange& range,
                                    std::string spare = "") const;

  // Learns from a message how many rows Take should return.
  void Learn(const SnapshotPart& part);

  absl::Status End(v1::SnapshotEnd* end) const;

  // One message after the other, of all of the above: reads the next into
  // `message`; false after the last.
  absl::StatusOr<bool> Next(v1::StreamSnapshotResponse* message);

 private:
  // Finds where the token stands.
  absl::Status Resume();
  absl::Status CheckSchema(int64_t schema_version) const;
  absl::Status ChooseCollections(sqlite::Connection& reader);
  absl::Status FindLastRows(sqlite::Connection& reader);
  absl::StatusOr<int64_t> CountRecords(sqlite::Connection& reader) const;
  // Add records of the range, with vectors and attributes or with bodies;
  // return what is left of it.
  absl::StatusOr<std::optional<SnapshotRange>> ReadVectors(
      sqlite::Connection& reader, const SnapshotRange& range,
      SnapshotRecordsWriter& records) const;
  absl::StatusOr<std::optional<SnapshotRange>> ReadBodies(
      sqlite::Connection& reader, const SnapshotRange& range,
      SnapshotRecordsWriter& records) const;

  Database* const database_;
  const FeedScope scope_;
  const std::optional<SnapshotToken> resumed_;
  // Where the snapshot begins.
  SnapshotToken token_;
  std::vector<CollectionPtr> collections_;
  // By place; what is read ends there.
  std::vector<int64_t> last_rows_;
  int64_t rows_a_message_ = 64;
  // What Take returns next.
  size_t next_ = 0;
  int64_t after_ = 0;

  // Of Next.
  enum class Step { kStart, kRecords, kOver };
  Step step_ = Step::kStart;
  std::optional<SnapshotRange> rest_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SNAPSHOT_READER_H_
