#ifndef ENGRAM_SERVICES_SEARCH_DATABASE_INDEX_H_
#define ENGRAM_SERVICES_SEARCH_DATABASE_INDEX_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
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
#include "services/search/attribute_columns.h"
#include "services/search/expiry_table.h"
#include "services/search/index.h"
#include "services/search/position_waiters.h"
#include "services/search/stored_chunks.h"

namespace engram::search {

// Returns what the indexes of `field`'s generations are of, the serving one's
// first. `Unimplemented` for a metric that this version does not know.
absl::StatusOr<std::vector<IndexSpec>> SpecsOf(
    const storage::v1::VectorField& field);

// What an index is called. A schema change may rename both.
struct IndexName {
  std::string collection;
  std::string vector_field;
};

// All indexes of one database, at one position: what the feed becomes. While
// the model of a vector field changes there is an index for each of its
// generations, kept up to date alike; the feed says which one serves, so the
// others are complete when it does.
//
// Thread-safe: one applier (a snapshot or changes), any number of readers.
class DatabaseIndex {
 public:
  // Starts empty at `position`, whose running checksum is `checksum`.
  DatabaseIndex(Position position, uint64_t checksum);

  // Makes the collection known and adds an empty index for each generation of
  // its vector fields that has none yet; all get the precision and the kind
  // that it says.
  absl::Status AddCollection(const storage::v1::Collection& collection);

  // Adds an index with content, of a collection that AddCollection named
  // before; it takes the place of the empty one.
  void SetIndex(std::shared_ptr<Index> index);

  // Adds a part of a snapshot. The position stays: the changes after it bring
  // what the snapshot missed. `DataLoss` if it does not fit itself, or an
  // index.
  absl::Status ApplySnapshot(const storage::v1::SnapshotRecords& part);

  // The snapshot has ended: from `sequence` on the collection's attributes are
  // exact; an empty name is all collections'.
  void CompleteAttributes(absl::string_view collection, int64_t sequence);

  // Adds the attributes of a part of a snapshot, for a collection that
  // WantsAttributes named.
  absl::Status ApplyAttributes(const storage::v1::SnapshotRecords& part);

  // The collections whose attributes a change of schema made incomplete.
  std::vector<storage::v1::Collection> WantsAttributes() const;

  // Applies the changes after the present position; those up to it are passed
  // over. An error leaves everything as of the position, which is before the
  // change at fault: `DataLoss` if a change is missing or does not fit its
  // index; `OutOfRange` if only a snapshot can tell how it goes on.
  absl::Status ApplyChanges(
      const google::protobuf::RepeatedPtrField<storage::v1::Change>& changes);

  // Finds the index that serves; an empty `vector_field` means the only one.
  // `NotFound` with reason COLLECTION_UNKNOWN or VECTOR_FIELD_UNKNOWN,
  // `InvalidArgument` with the latter if there are several and none is named.
  absl::StatusOr<std::shared_ptr<Index>> Find(
      absl::string_view collection, absl::string_view vector_field) const;

  // The present name of a generation's index; empty if there is none.
  IndexName NameOf(int64_t generation) const;

  // Whether queries are answered from the generation's index.
  bool Serves(int64_t generation) const;

  // When the collection's records expire; never null.
  std::shared_ptr<ExpiryTable> ExpiriesOf(absl::string_view collection) const;

  // What filters on the collection's records are answered from; null if there
  // is no such collection, or its schema is of a newer storage.
  std::shared_ptr<AttributeColumns> AttributesOf(
      absl::string_view collection) const;

  Position position() const;
  uint64_t checksum() const;
  std::vector<storage::v1::Collection> collections() const;
  // By generation.
  std::vector<std::shared_ptr<Index>> indexes() const;

  // Memory of all indexes and attributes.
  int64_t memory_bytes() const;

  // How far each channel is.
  PositionWaiters::Reached Reached() const;

 private:
  // What changes do.
  struct Batches {
    // To each index, by generation.
    std::map<int64_t, std::vector<IndexChange>> vectors;
    // To each collection's attributes.
    std::map<std::string, std::vector<AttributeChange>> attributes;
  };

  // By collection; none is null.
  std::vector<std::pair<std::string, std::shared_ptr<AttributeColumns>>>
  AllAttributes() const;
  std::vector<int64_t> AllGenerationsOf(absl::string_view collection) const;
  std::shared_ptr<Index> FindGeneration(int64_t generation) const;
  // Applies `batches`, which are the changes up to `last`, and goes there.
  void Advance(const Batches& batches, const storage::v1::Change& last);
  // Those of a part whose columns are checked.
  void PutAttributes(const storage::v1::SnapshotRecords& part);
  // A change of a collection itself, which is the next after the position.
  absl::Status ApplySchemaChange(const storage::v1::Change& change);
  absl::Status ChangeCollection(const storage::v1::Collection& collection,
                                const std::string& previous_name);
  void Add(const storage::v1::Collection& collection,
           std::vector<IndexSpec> specs) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::shared_ptr<ExpiryTable>& FindExpiries(absl::string_view collection) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropCollection(const std::string& name);
  // Has what a roll-up of `child` sets in other collections read again, which
  // the change of schema may have computed anew.
  void DistrustRollups(const storage::v1::Collection& child);
  // Gives the collection its schema, and its attributes if it has none yet.
  void SetSchema(const storage::v1::Collection& collection)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Those of the first one's generations that the other has not.
  void DropIndexes(const storage::v1::Collection& of,
                   const storage::v1::Collection& except)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Decode(const storage::v1::Change& change, Batches& batches);
  void DecodeRecord(const storage::v1::RecordChanged& record, int64_t sequence,
                    Batches& batches);
  absl::Status DecodePut(int64_t generation, int64_t row, absl::string_view id,
                         int64_t sequence, StoredChunks chunks,
                         Batches& batches) const;
  void Await(int64_t generation, int64_t row, int64_t sequence,
             Batches& batches) const;

  mutable absl::Mutex mutex_;
  Position position_ ABSL_GUARDED_BY(mutex_);
  uint64_t checksum_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, storage::v1::Collection> collections_
      ABSL_GUARDED_BY(mutex_);
  std::map<int64_t, std::shared_ptr<Index>> indexes_ ABSL_GUARDED_BY(mutex_);
  // By collection.
  std::map<std::string, std::shared_ptr<AttributeColumns>, std::less<>>
      attributes_ ABSL_GUARDED_BY(mutex_);
  // By collection; made when first asked for.
  mutable std::map<std::string, std::shared_ptr<ExpiryTable>> expiries_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_DATABASE_INDEX_H_
