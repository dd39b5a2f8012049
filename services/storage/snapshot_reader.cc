#include "services/storage/snapshot_reader.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_join.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/change_log.h"
#include "services/storage/feed.h"
#include "services/storage/feed_records.h"
#include "services/storage/record_attributes.h"
#include "services/storage/vector_cursor.h"

namespace engram::storage {
namespace {

// A message ends with the record that takes it beyond this: clients take 4 MiB.
constexpr size_t kMostBytes = 2 * kSnapshotBytes;

// Where most rows are of records that are gone.
constexpr int64_t kMaxRows = 1 << 20;

constexpr absl::string_view kCountRecords =
    "SELECT records FROM _collections WHERE collection = ?";

// What is left of a range behind a row.
std::optional<SnapshotRange> Behind(int64_t row, SnapshotRange range) {
  range.after = row;
  if (row == range.last) return std::nullopt;
  return range;
}

}  // namespace

absl::StatusOr<bool> SnapshotReader::Next(v1::StreamSnapshotResponse* message) {
  if (step_ == Step::kOver) return false;
  if (step_ == Step::kStart) {
    step_ = Step::kRecords;
    RETURN_IF_ERROR(Start(message->mutable_start()));
    return true;
  }
  while (true) {
    const std::optional<SnapshotRange> range =
        rest_.has_value() ? std::exchange(rest_, std::nullopt) : Take();
    if (!range.has_value()) break;
    ASSIGN_OR_RETURN(const SnapshotPart part, Read(*range));
    Learn(part);
    rest_ = part.rest;
    if (part.bytes == 0) continue;
    if (message->ParseFromString(absl::StrJoin(part.message, ""))) {
      return true;
    }
    return absl::InternalError("a snapshot's message cannot be read");
  }
  step_ = Step::kOver;
  message->Clear();
  RETURN_IF_ERROR(End(message->mutable_end()));
  return true;
}

absl::Status SnapshotReader::Start(v1::SnapshotStart* start) {
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
  RETURN_IF_ERROR(FindLastRows(reader));
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
  after_ = token_.row;
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

absl::Status SnapshotReader::FindLastRows(sqlite::Connection& reader) {
  last_rows_.reserve(collections_.size());
  for (const CollectionPtr& collection : collections_) {
    ASSIGN_OR_RETURN(const int64_t row,
                     reader.QueryInt(collection->select_last_row));
    last_rows_.push_back(row);
  }
  return absl::OkStatus();
}

std::optional<SnapshotRange> SnapshotReader::Take() {
  while (next_ < collections_.size() && after_ >= last_rows_[next_]) {
    ++next_;
    after_ = 0;
  }
  if (next_ == collections_.size()) return std::nullopt;
  const int64_t last = std::min(last_rows_[next_], after_ + rows_a_message_);
  return SnapshotRange{
      .collection = next_, .after = std::exchange(after_, last), .last = last};
}

absl::StatusOr<SnapshotPart> SnapshotReader::Read(const SnapshotRange& range,
                                                  std::string spare) const {
  const Collection& collection = *collections_[range.collection];
  ASSIGN_OR_RETURN(const ReadView view, database_->BeginScan());
  RETURN_IF_ERROR(CheckSchema(view.schema_version()));
  const bool has_vectors = scope_.view == FeedScope::View::kIndex;
  const bool has_bodies = scope_.view == FeedScope::View::kRecord;
  // Room at once, not step by step.
  if (has_vectors && !collection.vectors.empty()) spare.reserve(kSnapshotBytes);
  SnapshotRecordsWriter records(std::move(spare));
  SnapshotPart part;
  ASSIGN_OR_RETURN(part.rest,
                   has_bodies ? ReadBodies(view.connection(), range, records)
                              : ReadVectors(view.connection(), range, records));
  SnapshotToken token = token_;
  token.collection = collection.id;
  token.row = part.rest.has_value() ? part.rest->after : range.last;
  part.rows = token.row - range.after;
  part.bytes = records.size();
  part.message = std::move(records).Finish(collection.name(), token.Encode());
  return part;
}

void SnapshotReader::Learn(const SnapshotPart& part) {
  // What the part says, not what it makes of what others said: parts that were
  // read side by side all say the same.
  const int64_t rows =
      part.rows * kSnapshotBytes / std::max<size_t>(part.bytes, 1);
  const int64_t most =
      std::clamp<int64_t>(2 * part.rows, rows_a_message_, kMaxRows);
  rows_a_message_ = std::clamp<int64_t>(rows, 1, most);
}

absl::StatusOr<std::optional<SnapshotRange>> SnapshotReader::ReadVectors(
    sqlite::Connection& reader, const SnapshotRange& range,
    SnapshotRecordsWriter& records) const {
  const Collection& collection = *collections_[range.collection];
  std::vector<VectorCursor> cursors;
  RETURN_IF_ERROR(ForEachGeneration(
      collection, [&](const Generation& generation) -> absl::Status {
        if (scope_.view == FeedScope::View::kAttributes) {
          return absl::OkStatus();
        }
        ASSIGN_OR_RETURN(
            VectorCursor cursor,
            VectorCursor::Begin(reader, generation, range.after + 1,
                                records.AddGeneration(generation.id)));
        cursors.push_back(std::move(cursor));
        return absl::OkStatus();
      }));
  ASSIGN_OR_RETURN(sqlite::Statement scan, reader.Cached(collection.scan));
  scan.BindInt(1, range.after);
  scan.BindInt(2, range.last);
  v1::Attributes attributes;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, scan.Step());
    if (!found) return std::nullopt;
    const int64_t row = scan.Int(0);
    records.AddRecord(row, scan.Text(1), scan.Int(2));
    if (!scan.IsNull(3)) {
      *records.AddExpiry()->mutable_expire_time() =
          google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
              scan.Int(3));
    }
    if (!collection.held.empty()) {
      attributes.Clear();
      EncodeAttributes(collection, scan, 4, &attributes);
      records.AddAttributes(attributes);
    }
    for (VectorCursor& cursor : cursors) {
      RETURN_IF_ERROR(cursor.Read(row, records));
    }
    if (records.size() >= kMostBytes) return Behind(row, range);
  }
}

absl::StatusOr<std::optional<SnapshotRange>> SnapshotReader::ReadBodies(
    sqlite::Connection& reader, const SnapshotRange& range,
    SnapshotRecordsWriter& records) const {
  const Collection& collection = *collections_[range.collection];
  const int64_t now_us = database_->now_us();
  FeedRecords bodies(reader, scope_.body);
  ASSIGN_OR_RETURN(sqlite::Statement scan,
                   reader.Cached(collection.scan_records));
  scan.BindInt(1, range.after);
  scan.BindInt(2, range.last);
  v1::Record body;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, scan.Step());
    if (!found) return std::nullopt;
    bodies.Scan(scan);
    const int64_t row = bodies.row().row;
    // Nobody sees it any more.
    if (bodies.row().HasExpiredAt(now_us)) continue;
    records.AddRecord(row, bodies.row().id, bodies.row().sequence);
    body.Clear();
    RETURN_IF_ERROR(bodies.Fill(collection, &body));
    records.AddBody(body);
    // See RecordChanged.expire_time.
    if (body.has_expire_time() && !collection.spec.expire->sliding) {
      *records.AddExpiry()->mutable_expire_time() = body.expire_time();
    }
    if (records.size() >= kMostBytes) return Behind(row, range);
  }
}

absl::Status SnapshotReader::End(v1::SnapshotEnd* end) const {
  ASSIGN_OR_RETURN(ReadPool::Lease reader, database_->AcquireReader());
  ASSIGN_OR_RETURN(const LogHead head, ReadHead(*reader, database_->epoch()));
  end->set_position(database_->PositionAt(head.sequence).ToString());
  return absl::OkStatus();
}

}  // namespace engram::storage
