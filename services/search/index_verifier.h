#ifndef ENGRAM_SERVICES_SEARCH_INDEX_VERIFIER_H_
#define ENGRAM_SERVICES_SEARCH_INDEX_VERIFIER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/search/v1/index.pb.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "libs/position/position.h"
#include "services/search/feed_follower.h"
#include "services/search/index.h"
#include "services/search/operation_store.h"
#include "services/search/stored_chunks.h"

namespace engram::search {

// Compares one index with storage: a snapshot of its own, brought to the
// index's position by the feed, against a frozen copy of the index. The index
// goes on serving.
//
// The feed does not repeat vectors that have been replaced since, so what
// storage held at one position cannot always be told later. What looks
// different is therefore looked at again at a later position, and counts only
// if it is different there too; a record that is rewritten all the time may
// take a few rounds. So it is with attributes, which the feed tells as they are
// when it is read.
//
// Blocks the thread that runs it. Used once.
class IndexVerifier {
 public:
  // `collection` is what the index's collection is called now. All must outlive
  // this object.
  IndexVerifier(storage::v1::FeedService::Stub& feed, FeedFollower& follower,
                std::string collection, const IndexSpec& spec,
                OperationHandle& operation);

  // Runs the check. `Cancelled` when the operation is; `Aborted` when the
  // database's epoch ended meanwhile.
  absl::StatusOr<v1::VerifyIndexResult> Run();

 private:
  // Row and chunk; kAttributes for what the two hold of the record.
  using Key = std::pair<int64_t, int>;
  static constexpr int kAttributes = -1;
  struct Vector {
    uint64_t checksum = 0;
    std::string id;
    std::optional<Passage> passage;
  };
  struct Difference {
    v1::IndexDifference::Kind kind;
    std::string id;
  };
  using Differences = std::map<Key, Difference>;

  absl::Status ReadSnapshot();
  absl::Status ReadSnapshotPart(
      const storage::v1::StreamSnapshotResponse& response);
  // Waits until the index has applied `sequence`.
  absl::Status WaitUntilApplied(int64_t sequence);
  absl::StatusOr<FrozenIndex> Freeze();
  // The attributes that search holds; nothing if it does not hold them all.
  std::optional<FrozenAttributes> FreezeAttributes() const;
  // Brings stored_ from stored_position_ to `sequence`, and returns storage's
  // newest sequence.
  absl::StatusOr<int64_t> FollowTo(int64_t sequence);
  void Apply(const storage::v1::Change& change);
  void Put(int64_t row, const std::string& id, const StoredChunks& chunks);
  void Erase(int64_t row);
  void PutAttributes(int64_t row, const std::string& id,
                     const storage::v1::Attributes& attributes,
                     int64_t sequence);
  Differences Compare(const FrozenIndex& frozen) const;
  void AddAttributes(const FrozenAttributes& frozen,
                     Differences& differences) const;
  v1::VerifyIndexResult Report(const FrozenIndex& frozen,
                               const Differences& differences) const;
  // Makes Cancel of the operation end the call of `context`, until the returned
  // object goes.
  class CancelScope;

  storage::v1::FeedService::Stub& feed_;
  FeedFollower& follower_;
  // At stored_position_.
  std::string collection_;
  const IndexSpec spec_;
  OperationHandle& operation_;

  // What storage holds at stored_position_.
  std::map<Key, Vector> stored_;
  Position stored_position_;
  int64_t snapshot_end_ = 0;
  int64_t snapshot_records_ = 0;
  int64_t snapshot_records_read_ = 0;
  // What storage holds of attributes, by row, of records with vectors and
  // without.
  struct Attributes {
    uint64_t checksum = 0;
    // Of the record's newest change when they were told; perhaps after
    // stored_position_.
    int64_t sequence = 0;
    std::string id;
  };
  std::map<int64_t, Attributes> stored_attributes_;
  // They are of one schema, that of the snapshot.
  bool knows_attributes_ = true;
  // Rows whose vectors at stored_position_ the feed could not tell.
  absl::flat_hash_set<int64_t> unknown_rows_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_INDEX_VERIFIER_H_
