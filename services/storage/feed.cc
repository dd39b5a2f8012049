#include "services/storage/feed.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// An entry of sequence 0 is of a backfill, which holds no position back.
constexpr absl::string_view kSelectPending =
    "SELECT sequence FROM _outbox "
    "WHERE generation = ? AND row = ? AND sequence > 0";
// The next change of a collection's name after a change: what it was called
// there. Kinds 5 and 6 are kCollectionChanged, whose payload is the name before
// it, and kCollectionDropped.
constexpr absl::string_view kSelectNextNaming = R"sql(
SELECT kind, id, payload FROM _changes
WHERE collection = ? AND sequence > ? AND kind IN (5, 6)
ORDER BY sequence LIMIT 1)sql";
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
  explicit ChangeEncoder(ReadView& view) : view_(view) {}

  absl::Status Encode(const Change& change, v1::Change* out) {
    out->set_sequence(change.sequence);
    out->set_checksum(change.checksum);
    *out->mutable_commit_time() =
        google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
            change.committed_us);
    // Null if it has been dropped since.
    ASSIGN_OR_RETURN(const CollectionPtr collection,
                     view_.FindById(change.collection));
    ASSIGN_OR_RETURN(const std::string name, NameAt(change, collection.get()));
    switch (change.kind) {
      case ChangeKind::kCollectionCreated:
        EncodeCollection(collection.get(), name,
                         out->mutable_collection_created());
        return absl::OkStatus();
      case ChangeKind::kRecordChanged:
        return EncodeRecord(change, name, out->mutable_record_changed());
      case ChangeKind::kRecordDeleted:
        return EncodeRecord(change, name, out->mutable_record_deleted());
      case ChangeKind::kVectorsStored:
        return EncodeVectors(change, collection.get(), name,
                             out->mutable_vectors_stored());
      case ChangeKind::kCollectionChanged:
        EncodeCollection(
            collection.get(), change.id,
            out->mutable_collection_changed()->mutable_collection());
        out->mutable_collection_changed()->set_previous_name(change.payload);
        return absl::OkStatus();
      case ChangeKind::kCollectionDropped:
        out->mutable_collection_dropped()->set_collection(change.id);
        return absl::OkStatus();
    }
    return Unreadable(change);
  }

 private:
  // What the change's collection was called right after the change: followers
  // learn of names in the order of the changes.
  absl::StatusOr<std::string> NameAt(const Change& change,
                                     const Collection* collection) {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     view_.connection().Cached(kSelectNextNaming));
    select.BindInt(1, change.collection);
    select.BindInt(2, change.sequence);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return collection == nullptr ? change.id : collection->name();
    if (static_cast<ChangeKind>(select.Int(0)) ==
        ChangeKind::kCollectionDropped) {
      return std::string(select.Text(1));
    }
    return std::string(select.Blob(2));
  }

  // As it is now, but under the name that it had; nothing else is known of one
  // that is gone.
  static void EncodeCollection(const Collection* collection,
                               const std::string& name, v1::Collection* out) {
    if (collection != nullptr) *out = ToProto(*collection);
    out->set_name(name);
  }

  template <typename Message>
  absl::Status EncodeRecord(const Change& change, const std::string& name,
                            Message* out) {
    if (!out->ParseFromString(change.payload)) return Unreadable(change);
    out->set_collection(name);
    out->set_row(change.row);
    out->set_id(change.id);
    return absl::OkStatus();
  }

  absl::Status EncodeVectors(const Change& change, const Collection* collection,
                             const std::string& name, v1::VectorsStored* out) {
    RETURN_IF_ERROR(EncodeRecord(change, name, out));
    const VectorField* const field =
        collection == nullptr ? nullptr
                              : FindGeneration(*collection, out->generation());
    // Gone with its generation.
    if (field == nullptr) return absl::OkStatus();
    ASSIGN_OR_RETURN(v1::StoredVectors vectors,
                     ReadVectors(view_.connection(), field->generation,
                                 change.row, change.sequence));
    out->mutable_chunks()->Swap(vectors.mutable_chunks());
    return absl::OkStatus();
  }

  static absl::Status Unreadable(const Change& change) {
    return absl::DataLossError(
        absl::StrCat("change ", change.sequence, " cannot be read"));
  }

  ReadView& view_;
};

absl::StatusOr<v1::SnapshotRecord> EncodeRecord(sqlite::Connection& reader,
                                                const Collection& collection,
                                                const sqlite::Statement& row) {
  v1::SnapshotRecord record;
  record.set_collection(collection.name());
  record.set_row(row.Int(0));
  record.set_id(std::string(row.Text(1)));
  record.set_sequence(row.Int(2));
  if (!row.IsNull(3)) {
    *record.mutable_expire_time() =
        google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(row.Int(3));
  }
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
  // Changes and the vectors that they name, of one state of the file.
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  ChangeEncoder encoder(view);
  int64_t bytes = 0;
  int64_t last = sequence;
  bool has_gap = false;
  RETURN_IF_ERROR(
      VisitChanges(view.connection(), sequence,
                   [&](const Change& change) -> absl::StatusOr<bool> {
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
  ASSIGN_OR_RETURN(const ReadView view, database_->BeginRead());
  sqlite::Connection& reader = view.connection();
  ASSIGN_OR_RETURN(const LogHead head, ReadHead(reader, database_->epoch()));
  schema_version_ = view.schema_version();
  // Not the catalog's, which may be a moment behind or ahead of this state.
  ASSIGN_OR_RETURN(collections_, ReadCollections(reader));
  ASSIGN_OR_RETURN(const int64_t records, reader.QueryInt(kCountRecords));
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
  ASSIGN_OR_RETURN(const ReadView view, database_->BeginRead());
  if (view.schema_version() != schema_version_) {
    // The tables may be others now.
    return MakeError(absl::StatusCode::kAborted,
                     common::v1::ERROR_REASON_SCHEMA_CHANGED,
                     "the schema changed while the snapshot was read; take "
                     "another one",
                     {{"database", database_->name()}});
  }
  int64_t bytes = 0;
  for (; collection_ < collections_.size(); ++collection_, row_ = 0) {
    ASSIGN_OR_RETURN(const bool full,
                     ReadCollection(view.connection(), records, bytes));
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
