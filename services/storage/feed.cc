#include "services/storage/feed.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectPending =
    "SELECT sequence FROM _outbox WHERE generation = ? AND row = ?";
constexpr absl::string_view kCountRecords =
    "SELECT coalesce(sum(records), 0) FROM _collections";

absl::Status EpochChanged(const Position& position) {
  return MakeError(
      absl::StatusCode::kOutOfRange, common::v1::ERROR_REASON_EPOCH_CHANGED,
      absl::StrCat("the change log has no position ", position.ToString(),
                   " with this checksum; take a snapshot"),
      {{"position", position.ToString()}});
}

// Reads a record's vectors. Nothing if it has none, or, with an `expected`
// sequence, if they are of another change.
absl::StatusOr<v1::StoredVectors> ReadVectors(sqlite::Connection& reader,
                                              const Generation& generation,
                                              int64_t row,
                                              std::optional<int64_t> expected) {
  v1::StoredVectors vectors;
  ASSIGN_OR_RETURN(sqlite::Statement select, reader.Cached(generation.select));
  select.BindInt(1, VectorKey(row, 0));
  select.BindInt(2, VectorKey(row, kMaxChunks - 1));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return vectors;
    if (expected.has_value() && select.Int(0) != *expected) return vectors;
    vectors.set_generation(generation.id);
    vectors.set_sequence(select.Int(0));
    vectors.add_chunks()->set_values(std::string(select.Blob(1)));
  }
}

// Turns log entries into messages.
class ChangeEncoder {
 public:
  ChangeEncoder(const Catalog& catalog, sqlite::Connection& reader)
      : catalog_(catalog), reader_(reader) {}

  absl::Status Encode(const Change& change, v1::Change* out) {
    out->set_sequence(change.sequence);
    out->set_checksum(change.checksum);
    *out->mutable_commit_time() =
        google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
            change.committed_us);
    ASSIGN_OR_RETURN(const CollectionPtr collection,
                     FindCollection(change.collection));
    switch (change.kind) {
      case ChangeKind::kCollectionCreated:
        *out->mutable_collection_created() = ToProto(*collection);
        return absl::OkStatus();
      case ChangeKind::kRecordChanged:
        return EncodeRecord(change, *collection, out->mutable_record_changed());
      case ChangeKind::kRecordDeleted:
        return EncodeRecord(change, *collection, out->mutable_record_deleted());
      case ChangeKind::kVectorsStored:
        return EncodeVectors(change, *collection,
                             out->mutable_vectors_stored());
      case ChangeKind::kCollectionChanged:
      case ChangeKind::kCollectionDropped:
        break;
    }
    return Unreadable(change);
  }

 private:
  absl::StatusOr<CollectionPtr> FindCollection(int64_t id) {
    CollectionPtr collection = catalog_.FindById(id);
    if (collection != nullptr) return collection;
    // The catalog learns of a collection a moment after its commit.
    ASSIGN_OR_RETURN(const auto collections, ReadCollections(reader_));
    for (const CollectionPtr& stored : collections) {
      if (stored->id == id) return stored;
    }
    return absl::DataLossError(absl::StrCat("the change log names collection ",
                                            id, ", which does not exist"));
  }

  template <typename Message>
  absl::Status EncodeRecord(const Change& change, const Collection& collection,
                            Message* out) {
    if (!out->ParseFromString(change.payload)) return Unreadable(change);
    out->set_collection(collection.name());
    out->set_row(change.row);
    out->set_id(change.id);
    return absl::OkStatus();
  }

  absl::Status EncodeVectors(const Change& change, const Collection& collection,
                             v1::VectorsStored* out) {
    RETURN_IF_ERROR(EncodeRecord(change, collection, out));
    const Generation& generation =
        FieldOfGeneration(collection, out->generation()).generation;
    ASSIGN_OR_RETURN(
        v1::StoredVectors vectors,
        ReadVectors(reader_, generation, change.row, change.sequence));
    out->mutable_chunks()->Swap(vectors.mutable_chunks());
    return absl::OkStatus();
  }

  static absl::Status Unreadable(const Change& change) {
    return absl::DataLossError(
        absl::StrCat("change ", change.sequence, " cannot be read"));
  }

  const Catalog& catalog_;
  sqlite::Connection& reader_;
};

absl::StatusOr<v1::SnapshotRecord> EncodeRecord(sqlite::Connection& reader,
                                                const Collection& collection,
                                                const sqlite::Statement& row) {
  v1::SnapshotRecord record;
  record.set_collection(collection.name());
  record.set_row(row.Int(0));
  record.set_id(std::string(row.Text(1)));
  record.set_sequence(row.Int(2));
  for (const VectorField& field : collection.vectors) {
    const Generation& generation = field.generation;
    ASSIGN_OR_RETURN(
        v1::StoredVectors vectors,
        ReadVectors(reader, generation, record.row(), std::nullopt));
    if (vectors.chunks_size() > 0) *record.add_vectors() = std::move(vectors);
    ASSIGN_OR_RETURN(sqlite::Statement pending, reader.Cached(kSelectPending));
    pending.BindInt(1, generation.id);
    pending.BindInt(2, record.row());
    ASSIGN_OR_RETURN(const bool is_pending, pending.Step());
    if (!is_pending) continue;
    v1::PendingVector& out = *record.add_pending();
    out.set_generation(generation.id);
    out.set_sequence(pending.Int(0));
  }
  return record;
}

}  // namespace

absl::Status CheckFollower(Database& database, const Position& position,
                           uint64_t checksum) {
  if (position.epoch != database.epoch() ||
      position.sequence > database.NewestPosition().sequence) {
    return EpochChanged(position);
  }
  ASSIGN_OR_RETURN(ReadPool::Lease reader, database.AcquireReader());
  ASSIGN_OR_RETURN(const std::optional<uint64_t> expected,
                   ReadChecksum(*reader, position.epoch, position.sequence));
  if (!expected.has_value()) {
    return MakeError(absl::StatusCode::kOutOfRange,
                     common::v1::ERROR_REASON_POSITION_PRUNED,
                     absl::StrCat("the changes after ", position.ToString(),
                                  " are not kept any more; take a snapshot"),
                     {{"position", position.ToString()}});
  }
  if (checksum != 0 && checksum != *expected) return EpochChanged(position);
  return absl::OkStatus();
}

absl::StatusOr<int64_t> ReadFeed(Database& database, int64_t sequence,
                                 v1::WatchChangesResponse* response) {
  ASSIGN_OR_RETURN(ReadPool::Lease reader, database.AcquireReader());
  // Changes and the vectors that they name, of one state of the file.
  ASSIGN_OR_RETURN(
      sqlite::Transaction snapshot,
      sqlite::Transaction::Begin(*reader, sqlite::Transaction::Kind::kRead));
  ChangeEncoder encoder(database.catalog(), *reader);
  int64_t bytes = 0;
  int64_t last = sequence;
  bool has_gap = false;
  RETURN_IF_ERROR(VisitChanges(
      *reader, sequence, [&](const Change& change) -> absl::StatusOr<bool> {
        // Pruned while the follower was reading.
        has_gap = change.sequence != last + 1;
        if (has_gap) return false;
        v1::Change* out = response->add_changes();
        RETURN_IF_ERROR(encoder.Encode(change, out));
        last = change.sequence;
        bytes += static_cast<int64_t>(out->ByteSizeLong());
        return bytes < kFeedMessageBytes;
      }));
  if (has_gap && response->changes().empty()) {
    return MakeError(absl::StatusCode::kOutOfRange,
                     common::v1::ERROR_REASON_POSITION_PRUNED,
                     "the follower fell behind the oldest change that is kept; "
                     "take a snapshot",
                     {{"database", database.name()}});
  }
  response->set_position(database.PositionAt(last).ToString());
  response->set_newest_position(database.NewestPosition().ToString());
  return last;
}

absl::StatusOr<std::optional<v1::StreamSnapshotResponse>>
SnapshotReader::Next() {
  if (ended_) return std::nullopt;
  if (!started_) {
    started_ = true;
    return ReadStart();
  }
  ASSIGN_OR_RETURN(v1::StreamSnapshotResponse message, ReadRecords());
  if (!message.records().records().empty()) return message;
  ended_ = true;
  return ReadEnd();
}

absl::StatusOr<v1::StreamSnapshotResponse> SnapshotReader::ReadStart() {
  ASSIGN_OR_RETURN(ReadPool::Lease reader, database_->AcquireReader());
  ASSIGN_OR_RETURN(
      sqlite::Transaction snapshot,
      sqlite::Transaction::Begin(*reader, sqlite::Transaction::Kind::kRead));
  ASSIGN_OR_RETURN(const LogHead head, ReadHead(*reader, database_->epoch()));
  // Not the catalog's, which may be a moment behind or ahead of this state.
  ASSIGN_OR_RETURN(collections_, ReadCollections(*reader));
  ASSIGN_OR_RETURN(const int64_t records, reader->QueryInt(kCountRecords));
  v1::StreamSnapshotResponse message;
  v1::SnapshotStart& start = *message.mutable_start();
  start.set_position(database_->PositionAt(head.sequence).ToString());
  start.set_checksum(head.checksum);
  start.set_records(records);
  for (const CollectionPtr& collection : collections_) {
    *start.add_collections() = ToProto(*collection);
  }
  return message;
}

absl::StatusOr<v1::StreamSnapshotResponse> SnapshotReader::ReadRecords() {
  v1::StreamSnapshotResponse message;
  v1::SnapshotRecords& records = *message.mutable_records();
  ASSIGN_OR_RETURN(ReadPool::Lease reader, database_->AcquireReader());
  ASSIGN_OR_RETURN(
      sqlite::Transaction snapshot,
      sqlite::Transaction::Begin(*reader, sqlite::Transaction::Kind::kRead));
  int64_t bytes = 0;
  for (; collection_ < collections_.size(); ++collection_, row_ = 0) {
    ASSIGN_OR_RETURN(const bool full, ReadCollection(*reader, records, bytes));
    if (full) break;
  }
  return message;
}

absl::StatusOr<bool> SnapshotReader::ReadCollection(
    sqlite::Connection& reader, v1::SnapshotRecords& records, int64_t& bytes) {
  const Collection& collection = *collections_[collection_];
  ASSIGN_OR_RETURN(sqlite::Statement scan, reader.Cached(collection.scan));
  scan.BindInt(1, row_);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, scan.Step());
    if (!found) return false;
    ASSIGN_OR_RETURN(*records.add_records(),
                     EncodeRecord(reader, collection, scan));
    const v1::SnapshotRecord& record =
        records.records(records.records_size() - 1);
    row_ = record.row();
    bytes += static_cast<int64_t>(record.ByteSizeLong());
    if (bytes >= kFeedMessageBytes) return true;
  }
}

absl::StatusOr<v1::StreamSnapshotResponse> SnapshotReader::ReadEnd() {
  ASSIGN_OR_RETURN(ReadPool::Lease reader, database_->AcquireReader());
  ASSIGN_OR_RETURN(const LogHead head, ReadHead(*reader, database_->epoch()));
  v1::StreamSnapshotResponse message;
  message.mutable_end()->set_position(
      database_->PositionAt(head.sequence).ToString());
  return message;
}

}  // namespace engram::storage
