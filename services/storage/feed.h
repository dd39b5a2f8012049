// A database's changes, as followers read them. Its content: snapshot_reader.h.

#ifndef ENGRAM_SERVICES_STORAGE_FEED_H_
#define ENGRAM_SERVICES_STORAGE_FEED_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/feed.pb.h"
#include "libs/position/position.h"
#include "services/storage/database.h"
#include "services/storage/feed_scope.h"

namespace engram::storage {

// A message of changes ends with the one that takes it beyond this.
inline constexpr int64_t kChangesBytes = 512 << 10;

// Changes that one read looks at, at most: a follower of few collections may
// have to pass over many.
inline constexpr int kMostChanges = 20'000;

// Whether a follower can go on after `position`, with the checksum it has there
// (0: any). `OutOfRange` if not: reason `EPOCH_CHANGED` if the log never had
// that position with that checksum, `POSITION_PRUNED` if it is too old; the
// metadata `oldest_position` is the oldest that can be followed from.
absl::Status CheckFollower(Database& database, const Position& position,
                           uint64_t checksum);

// How far a read came.
struct FeedProgress {
  // The sequence to go on after.
  int64_t sequence = 0;
  // Whether that was the newest change.
  bool has_caught_up = false;
};

// Reads changes after `sequence`, those in `scope`, into `response`, with both
// positions. `OutOfRange` as CheckFollower if the next one was pruned.
absl::StatusOr<FeedProgress> ReadFeed(Database& database, int64_t sequence,
                                      const FeedScope& scope,
                                      v1::WatchChangesResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_FEED_H_
