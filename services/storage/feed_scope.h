#ifndef ENGRAM_SERVICES_STORAGE_FEED_SCOPE_H_
#define ENGRAM_SERVICES_STORAGE_FEED_SCOPE_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/feed.pb.h"

namespace engram::storage {

// What a follower wants to be told.
struct FeedScope {
  enum class View {
    // Vectors, which are pending, and attributes: what search needs.
    kIndex,
    // Attributes only.
    kAttributes,
    // Records before and after: what applications need.
    kRecord,
  };
  enum class Body { kFields, kTyped };

  View view = View::kIndex;
  // How records travel.
  Body body = Body::kFields;
  // Only of these collections; none is all.
  absl::flat_hash_set<std::string> collections;

  bool Includes(absl::string_view collection) const {
    return collections.empty() || collections.contains(collection);
  }

  // The same for the same scope, another for another one.
  uint64_t Fingerprint() const;
};

// Of a StreamSnapshotRequest or a WatchChangesRequest. `InvalidArgument` for a
// view that is none, or `typed` without records.
template <typename Request>
absl::StatusOr<FeedScope> DecodeFeedScope(const Request& request);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_FEED_SCOPE_H_
