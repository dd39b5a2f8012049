#ifndef ENGRAM_SERVICES_STORAGE_FOLLOWER_TABLE_H_
#define ENGRAM_SERVICES_STORAGE_FOLLOWER_TABLE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "libs/sqlite/connection.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// A known follower: the changes after its position are kept for it.
struct Follower {
  std::string name;
  // What it acknowledged last, and when.
  uint64_t epoch = 0;
  int64_t sequence = 0;
  int64_t acknowledged_us = 0;
};

// The followers of one database: a table of its file, and the same in memory.
// Thread-safe, but for what takes the writer's connection.
class FollowerTable {
 public:
  // More are refused: each may hold back the pruning of the log.
  static constexpr size_t kMaxFollowers = 1000;

  absl::Status Load(sqlite::Connection& connection);

  // Stores that a follower is at `sequence` of the log's present epoch.
  // `InvalidArgument` if that is before its last position, or not in the log;
  // `ResourceExhausted` if there are too many.
  static absl::Status Acknowledge(WriteTransaction& transaction,
                                  absl::string_view name, int64_t sequence,
                                  Follower* follower);
  // `NotFound`, reason `FOLLOWER_UNKNOWN`, if there is none of this name.
  static absl::Status Remove(WriteTransaction& transaction,
                             absl::string_view name);

  // After the commit of what the above did, in the order of the commits.
  void Publish(const Follower& follower);
  void Forget(absl::string_view name);

  std::optional<Follower> Find(absl::string_view name) const;
  // By name.
  std::vector<Follower> List() const;
  // The least position in `epoch` from `oldest` on, the oldest change that is
  // kept: those who are behind it need a snapshot, so nothing is kept for them.
  // Nothing if there is no follower.
  std::optional<int64_t> Slowest(uint64_t epoch, int64_t oldest) const;

 private:
  mutable absl::Mutex mutex_;
  std::map<std::string, Follower, std::less<>> followers_
      ABSL_GUARDED_BY(mutex_);
};

// `InvalidArgument` for the field `follower` if that is no follower's name:
// `[a-z][a-z0-9_.-]*`, at most 63 characters.
absl::Status CheckFollowerName(absl::string_view name);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_FOLLOWER_TABLE_H_
