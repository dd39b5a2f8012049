#ifndef ENGRAM_SERVICES_SEARCH_DATABASE_INDEX_H_
#define ENGRAM_SERVICES_SEARCH_DATABASE_INDEX_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engram/storage/v1/catalog.pb.h"
#include "engram/storage/v1/feed.pb.h"
#include "libs/position/position.h"
#include "services/search/index.h"
#include "services/search/position_waiters.h"

namespace engram::search {

// Returns what the index of `field`'s serving generation is of. `Unimplemented`
// for a metric that this version does not know.
absl::StatusOr<IndexSpec> SpecOf(absl::string_view collection,
                                 const storage::v1::VectorField& field);

// All indexes of one database, at one position: what the feed becomes.
//
// Thread-safe: one applier (a snapshot or changes), any number of readers.
class DatabaseIndex {
 public:
  // Starts empty at `position`, whose running checksum is `checksum`.
  DatabaseIndex(Position position, uint64_t checksum);

  // Makes the collection known and adds an empty index for each of its vector
  // fields that has none yet.
  absl::Status AddCollection(const storage::v1::Collection& collection);

  // Adds an index with content, of a collection that AddCollection named
  // before; it takes the place of the empty one.
  void SetIndex(std::shared_ptr<Index> index);

  // Adds a part of a snapshot. The position stays: the changes after it bring
  // what the snapshot missed.
  absl::Status ApplySnapshot(const storage::v1::SnapshotRecords& part);

  // Applies the changes after the present position; those up to it are passed
  // over. An error leaves everything as it was, except that collections may
  // have been added: `DataLoss` if a change is missing or does not fit its
  // index.
  absl::Status ApplyChanges(
      const google::protobuf::RepeatedPtrField<storage::v1::Change>& changes);

  // Finds an index; an empty `vector_field` means the only one. `NotFound` with
  // reason COLLECTION_UNKNOWN or VECTOR_FIELD_UNKNOWN, `InvalidArgument` with
  // the latter if there are several and none is named.
  absl::StatusOr<std::shared_ptr<Index>> Find(
      absl::string_view collection, absl::string_view vector_field) const;

  Position position() const;
  uint64_t checksum() const;
  // When the last change that was applied had been committed; InfinitePast
  // before the first.
  absl::Time last_commit_time() const;
  std::vector<storage::v1::Collection> collections() const;
  // By generation.
  std::vector<std::shared_ptr<Index>> indexes() const;

  // How far each channel is.
  PositionWaiters::Reached Reached() const;

 private:
  using Batches = std::map<int64_t, std::vector<IndexChange>>;

  std::vector<std::shared_ptr<Index>> IndexesOf(
      absl::string_view collection) const;
  std::shared_ptr<Index> FindGeneration(int64_t generation) const;
  absl::Status Decode(const storage::v1::Change& change, Batches& batches);
  absl::Status DecodePut(
      int64_t generation, int64_t row, absl::string_view id, int64_t sequence,
      const google::protobuf::RepeatedPtrField<common::v1::Vector>& chunks,
      Batches& batches) const;
  void Await(int64_t generation, int64_t row, int64_t sequence,
             Batches& batches) const;

  mutable absl::Mutex mutex_;
  Position position_ ABSL_GUARDED_BY(mutex_);
  uint64_t checksum_ ABSL_GUARDED_BY(mutex_);
  absl::Time last_commit_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  std::map<std::string, storage::v1::Collection> collections_
      ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, std::shared_ptr<Index>> indexes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_DATABASE_INDEX_H_
