#ifndef ENGRAM_SERVICES_SEARCH_SNAPSHOT_READER_H_
#define ENGRAM_SERVICES_SEARCH_SNAPSHOT_READER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "services/search/database_index.h"
#include "services/search/memory_budget.h"
#include "services/search/stream_call.h"

namespace engram::search {

// What a snapshot became.
struct ReadIndexes {
  // At the position that the snapshot began at; never null.
  std::shared_ptr<DatabaseIndex> indexes;
  // They are exact once the changes up to this sequence are applied.
  int64_t end = 0;
};

// Records read, and about how many there are.
using SnapshotProgress = absl::FunctionRef<void(int64_t read, int64_t total)>;

// Reads a database's snapshot from storage into indexes of its own, as a call
// of `call`. `Unavailable` if the stream breaks; `ResourceExhausted` with the
// numbers if `memory`, which is told what the indexes take, refuses; null does
// not.
absl::StatusOr<ReadIndexes> ReadSnapshot(storage::v1::FeedService::Stub& feed,
                                         StreamCall& call,
                                         const std::string& database,
                                         MemoryBudget::Claim* memory,
                                         SnapshotProgress progress);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SNAPSHOT_READER_H_
