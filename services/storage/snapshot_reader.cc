#include "services/storage/snapshot_reader.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/change_log.h"
#include "services/storage/feed.h"
#include "services/storage/feed_records.h"
#include "services/storage/vector_cursor.h"

namespace engram::storage {
namespace {

// About what a record takes in a message beside its id and its vectors.
constexpr size_t kRecordBytes = 48;

constexpr absl::string_view kCountRecords =
    "SELECT records FROM _collections WHERE collection = ?";

}  // namespace

absl::StatusOr<bool> SnapshotReader::Next(v1::StreamSnapshotResponse* message) {
  if (ended_) return false;
  if (!started_) {
    RETURN_IF_ERROR(ReadStart(message->mutable_start()));
    started_ = true;
    return true;
  }
  RETURN_IF_ERROR(ReadRecords(message->mutable_records()));
  if (!message->records().records().empty()) return true;
  ended_ = true;
  RETURN_IF_ERROR(ReadEnd(message->mutable_end()));
  return true;
}

absl::Status SnapshotReader::ReadStart(v1::SnapshotStart* start) {
  if (resumed_.has_value()) {
    // Before the read below, so that no change can be pruned between the two
    // that the answer promises.
    RETURN_IF_ERROR(
        CheckFollower(*database_, resumed_->position, resumed_->checksum));
  }
  ASSIGN_OR_RETURN(const ReadView view, database_->BeginRead());
  sqlite::Connection& reader = view.connection();
  ASSIGN_OR_RETURN(const LogHead head, ReadHead(reader, database_->epoch()));
  token_ = {.position = database_->PositionAt(head.sequence),
            .checksum = head.checksum,
            .scope = scope_.Fingerprint(),
            .schema_version = view.schema_version()};
  if (resumed_.has_value()) {
    RETURN_IF_ERROR(CheckSchema(resumed_->schema_version));
  }
  RETURN_IF_ERROR(ChooseCollections(reader));
  if (resumed_.has_value()) RETURN_IF_ERROR(Resume());
  start->set_position(token_.position.ToString());
  start->set_checksum(token_.checksum);
  ASSIGN_OR_RETURN(const int64_t records, CountRecords(reader));
  start->set_records(records);
  for (const CollectionPtr& collection : collections_) {
    *start->add_collections() = ToProto(*collection);
  }
  return absl::OkStatus();
}

absl::Status SnapshotReader::Resume() {
  const auto found =
      std::find_if(collections_.begin(), collections_.end(),
                   [this](const CollectionPtr& collection) {
                     return collection->id == resumed_->collection;
                   });
  if (resumed_->scope != token_.scope || found == collections_.end()) {
    return InvalidField("resume_token",
                        "is of a snapshot with another view or other "
                        "collections; ask for the same, or begin");
  }
  token_ = *resumed_;
  next_ = found - collections_.begin();
  return absl::OkStatus();
}

absl::Status SnapshotReader::CheckSchema(int64_t schema_version) const {
  if (schema_version == token_.schema_version) return absl::OkStatus();
  // The tables may be others now.
  return MakeError(
      absl::StatusCode::kAborted, common::v1::ERROR_REASON_SCHEMA_CHANGED,
      "the schema changed while the snapshot was read; take another one",
      {{"database", database_->name()}});
}

absl::Status SnapshotReader::ChooseCollections(sqlite::Connection& reader) {
  // Not the catalog's, which may be a moment behind or ahead of this state.
  ASSIGN_OR_RETURN(collections_, ReadCollections(reader));
  for (const std::string& name : scope_.collections) {
    const bool exists = std::any_of(collections_.begin(), collections_.end(),
                                    [&](const CollectionPtr& collection) {
                                      return collection->name() == name;
                                    });
    if (!exists) return CollectionUnknown(database_->name(), name);
  }
  const auto is_unwanted = [this](const CollectionPtr& collection) {
    return !scope_.Includes(collection->name());
  };
  collections_.erase(
      std::remove_if(collections_.begin(), collections_.end(), is_unwanted),
      collections_.end());
  return absl::OkStatus();
}

absl::StatusOr<int64_t> SnapshotReader::CountRecords(
    sqlite::Connection& reader) const {
  int64_t records = 0;
  for (size_t i = next_; i < collections_.size(); ++i) {
    ASSIGN_OR_RETURN(sqlite::Statement select, reader.Cached(kCountRecords));
    select.BindInt(1, collections_[i]->id);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (found) records += select.Int(0);
  }
  return records;
}

absl::Status SnapshotReader::ReadRecords(v1::SnapshotRecords* records) {
  ASSIGN_OR_RETURN(const ReadView view, database_->BeginScan());
  RETURN_IF_ERROR(CheckSchema(view.schema_version()));
  while (next_ < collections_.size() && records->records().empty()) {
    // Not at the end of the one before: that is where the token stands if no
    // other follows.
    if (token_.collection != collections_[next_]->id) {
      token_.collection = collections_[next_]->id;
      token_.row = 0;
    }
    ASSIGN_OR_RETURN(const bool is_full,
                     scope_.view == FeedScope::View::kIndex
                         ? ReadVectors(view.connection(), records)
                         : ReadBodies(view.connection(), records));
    records->set_collection(collections_[next_]->name());
    // Once at its end a collection is not looked at again: beside one who
    // writes all the time the snapshot would never end.
    if (!is_full) ++next_;
  }
  records->set_resume_token(token_.Encode());
  return absl::OkStatus();
}

absl::StatusOr<bool> SnapshotReader::ReadVectors(sqlite::Connection& reader,
                                                 v1::SnapshotRecords* records) {
  const Collection& collection = *collections_[next_];
  std::vector<VectorCursor> cursors;
  for (const VectorField& field : collection.vectors) {
    ASSIGN_OR_RETURN(
        VectorCursor cursor,
        VectorCursor::Begin(reader, field.generation, token_.row + 1));
    cursors.push_back(std::move(cursor));
  }
  std::string* const values = records->mutable_values();
  // Once, not step by step.
  if (!cursors.empty()) values->reserve(kSnapshotBytes + kSnapshotBytes / 8);
  ASSIGN_OR_RETURN(sqlite::Statement scan, reader.Cached(collection.scan));
  scan.BindInt(1, token_.row);
  int64_t bytes = 0;
  while (bytes < kSnapshotBytes) {
    ASSIGN_OR_RETURN(const bool found, scan.Step());
    if (!found) return false;
    token_.row = scan.Int(0);
    v1::SnapshotRecord* const record = records->add_records();
    record->set_row(token_.row);
    const absl::string_view id = scan.Text(1);
    record->set_id(id.data(), id.size());
    record->set_sequence(scan.Int(2));
    if (!scan.IsNull(3)) {
      *record->mutable_expire_time() =
          google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
              scan.Int(3));
    }
    const size_t packed = values->size();
    for (VectorCursor& cursor : cursors) {
      RETURN_IF_ERROR(cursor.Read(token_.row, record, values));
    }
    bytes += static_cast<int64_t>(kRecordBytes + id.size() + values->size() -
                                  packed);
  }
  return true;
}

absl::StatusOr<bool> SnapshotReader::ReadBodies(sqlite::Connection& reader,
                                                v1::SnapshotRecords* records) {
  const Collection& collection = *collections_[next_];
  const int64_t now_us = database_->now_us();
  FeedRecords bodies(reader, scope_.body);
  ASSIGN_OR_RETURN(sqlite::Statement scan,
                   reader.Cached(collection.scan_records));
  scan.BindInt(1, token_.row);
  int64_t bytes = 0;
  while (bytes < kSnapshotBytes) {
    ASSIGN_OR_RETURN(const bool found, scan.Step());
    if (!found) return false;
    bodies.Scan(scan);
    token_.row = bodies.row().row;
    // Nobody sees it any more.
    if (bodies.row().HasExpiredAt(now_us)) continue;
    v1::SnapshotRecord* const record = records->add_records();
    record->set_row(token_.row);
    record->set_id(bodies.row().id);
    record->set_sequence(bodies.row().sequence);
    RETURN_IF_ERROR(bodies.Fill(collection, record->mutable_record()));
    // See RecordChanged.expire_time.
    if (record->record().has_expire_time() &&
        !collection.spec.expire->sliding) {
      *record->mutable_expire_time() = record->record().expire_time();
    }
    bytes += static_cast<int64_t>(record->ByteSizeLong());
  }
  return true;
}

absl::Status SnapshotReader::ReadEnd(v1::SnapshotEnd* end) {
  ASSIGN_OR_RETURN(ReadPool::Lease reader, database_->AcquireReader());
  ASSIGN_OR_RETURN(const LogHead head, ReadHead(*reader, database_->epoch()));
  end->set_position(database_->PositionAt(head.sequence).ToString());
  return absl::OkStatus();
}

}  // namespace engram::storage
