#include "services/search/index_verifier.h"

#include <grpcpp/client_context.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "libs/rpc/stream_reader.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/vector/checksum.h"

namespace engram::search {
namespace {

constexpr int kMaxRounds = 10;
constexpr int kMaxReported = 100;

// How often the wait for a position looks for a cancellation.
constexpr absl::Duration kWaitSlice = absl::Milliseconds(500);

absl::Status EpochEnded() {
  return absl::AbortedError(
      "the database was restored or re-created meanwhile; start again");
}

int64_t MicrosOf(const google::protobuf::Timestamp& time) {
  return google::protobuf::util::TimeUtil::TimestampToMicroseconds(time);
}

}  // namespace

class IndexVerifier::CancelScope {
 public:
  CancelScope(OperationHandle& operation, grpc::ClientContext& context)
      : operation_(operation) {
    operation_.OnCancel([&context] { context.TryCancel(); });
  }
  ~CancelScope() { operation_.OnCancel(nullptr); }

 private:
  OperationHandle& operation_;
};

IndexVerifier::IndexVerifier(storage::v1::FeedService::Stub& feed,
                             FeedFollower& follower, std::string collection,
                             const IndexSpec& spec, OperationHandle& operation)
    : feed_(feed),
      follower_(follower),
      collection_(std::move(collection)),
      spec_(spec),
      operation_(operation) {}

absl::StatusOr<v1::VerifyIndexResult> IndexVerifier::Run() {
  RETURN_IF_ERROR(ReadSnapshot());
  int64_t target = snapshot_end_;
  std::optional<Differences> before;
  for (int round = 0;; ++round) {
    RETURN_IF_ERROR(WaitUntilApplied(target));
    const std::optional<FrozenAttributes> attributes = FreezeAttributes();
    ASSIGN_OR_RETURN(const FrozenIndex frozen, Freeze());
    ASSIGN_OR_RETURN(target, FollowTo(frozen.sequence));
    Differences differences = Compare(frozen);
    if (attributes.has_value()) AddAttributes(*attributes, differences);
    const bool is_certain =
        unknown_rows_.empty() && (differences.empty() || before.has_value());
    if (is_certain || round + 1 == kMaxRounds) {
      if (before.has_value()) {
        std::erase_if(differences, [&](const auto& difference) {
          return !before->contains(difference.first);
        });
      }
      return Report(frozen, differences);
    }
    before = std::move(differences);
  }
}

absl::Status IndexVerifier::ReadSnapshot() {
  storage::v1::StreamSnapshotRequest request;
  request.set_database(follower_.database());
  grpc::ClientContext context;
  const CancelScope scope(operation_, context);
  rpc::StreamReader<storage::v1::StreamSnapshotResponse> reader(
      context, [&](auto* reactor) {
        feed_.async()->StreamSnapshot(&context, &request, reactor);
      });
  storage::v1::StreamSnapshotResponse response;
  bool ended = false;
  absl::Status status;
  while (status.ok() && reader.Read(&response)) {
    ended = response.has_end();
    status = ReadSnapshotPart(response);
  }
  if (!status.ok()) context.TryCancel();
  const absl::Status finished = reader.Finish();
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(finished);
  return ended ? absl::OkStatus()
               : absl::UnavailableError("the snapshot ended early");
}

absl::Status IndexVerifier::ReadSnapshotPart(
    const storage::v1::StreamSnapshotResponse& response) {
  if (response.has_start()) {
    ASSIGN_OR_RETURN(stored_position_,
                     Position::Parse(response.start().position()));
    snapshot_records_ = response.start().records();
  } else if (response.has_end()) {
    ASSIGN_OR_RETURN(const Position end,
                     Position::Parse(response.end().position()));
    snapshot_end_ = end.sequence;
  }
  const storage::v1::SnapshotRecords& part = response.records();
  RETURN_IF_ERROR(CheckColumns(part));
  for (int i = 0; i < part.attributes_size(); ++i) {
    if (part.collection() != collection_) break;
    PutAttributes(part.rows(i), part.ids(i), part.attributes(i),
                  part.sequences(i));
  }
  for (const storage::v1::StoredVectors& stored : part.vectors()) {
    if (stored.generation() != spec_.generation) continue;
    RETURN_IF_ERROR(ForEachRecord(
        stored, [&](int record, int64_t, const StoredChunks& chunks) {
          Put(part.rows(record), part.ids(record), chunks);
          return absl::OkStatus();
        }));
  }
  snapshot_records_read_ += part.rows_size();
  operation_.SetProgress(snapshot_records_read_, snapshot_records_);
  return absl::OkStatus();
}

absl::Status IndexVerifier::WaitUntilApplied(int64_t sequence) {
  absl::Status status;
  do {
    if (operation_.IsCancelled()) return absl::CancelledError("cancelled");
    absl::Notification called;
    follower_.waiters().Wait(
        stored_position_.epoch, sequence, PositionWaiters::kApplied,
        absl::Now() + kWaitSlice, [&](const absl::Status& outcome) {
          status = outcome;
          called.Notify();
        });
    called.WaitForNotification();
  } while (absl::IsDeadlineExceeded(status));
  return ReasonOf(status) == common::v1::ERROR_REASON_EPOCH_CHANGED
             ? EpochEnded()
             : status;
}

absl::StatusOr<FrozenIndex> IndexVerifier::Freeze() {
  const std::shared_ptr<const DatabaseIndex> database = follower_.index();
  if (database->position().epoch != stored_position_.epoch) return EpochEnded();
  for (const std::shared_ptr<Index>& index : database->indexes()) {
    if (index->spec().generation == spec_.generation) return index->Freeze();
  }
  return absl::NotFoundError("the index is gone");
}

std::optional<FrozenAttributes> IndexVerifier::FreezeAttributes() const {
  const std::shared_ptr<const AttributeColumns> attributes =
      follower_.index()->AttributesOf(collection_);
  if (attributes == nullptr) return std::nullopt;
  return attributes->Freeze();
}

absl::StatusOr<int64_t> IndexVerifier::FollowTo(int64_t sequence) {
  storage::v1::WatchChangesRequest request;
  request.set_after_position(stored_position_.ToString());
  grpc::ClientContext context;
  const CancelScope scope(operation_, context);
  rpc::StreamReader<storage::v1::WatchChangesResponse> reader(
      context, [&](auto* reactor) {
        feed_.async()->WatchChanges(&context, &request, reactor);
      });
  storage::v1::WatchChangesResponse response;
  int64_t newest = sequence;
  // At least one response, which tells the newest position.
  while (reader.Read(&response)) {
    ASSIGN_OR_RETURN(const Position position,
                     Position::Parse(response.newest_position()));
    newest = std::max(newest, position.sequence);
    for (const storage::v1::Change& change : response.changes()) {
      if (change.sequence() > sequence) break;
      if (change.sequence() <= stored_position_.sequence) continue;
      Apply(change);
      stored_position_.sequence = change.sequence();
    }
    if (stored_position_.sequence >= sequence) {
      return newest;
    }
  }
  const absl::Status status = reader.Finish();
  if (operation_.IsCancelled()) return absl::CancelledError("cancelled");
  return absl::IsOutOfRange(status)
             ? EpochEnded()
             : WithContext(
                   status.ok() ? absl::UnavailableError("it ended") : status,
                   "follow the feed");
}

void IndexVerifier::Apply(const storage::v1::Change& change) {
  if (change.has_record_changed()) {
    const storage::v1::RecordChanged& changed = change.record_changed();
    for (const int64_t generation : changed.cleared_generations()) {
      if (generation == spec_.generation) Erase(changed.row());
    }
    if (changed.collection() == collection_ && changed.has_attributes()) {
      PutAttributes(changed.row(), changed.id(), changed.attributes(),
                    changed.attributes().sequence());
    }
  } else if (change.has_record_deleted() &&
             change.record_deleted().collection() == collection_) {
    Erase(change.record_deleted().row());
    stored_attributes_.erase(change.record_deleted().row());
  } else if (change.has_collection_changed() &&
             change.collection_changed().previous_name() == collection_) {
    // Where the index itself goes, Freeze finds out.
    collection_ = change.collection_changed().collection().name();
    // Which fields they are of may have changed for all of them.
    knows_attributes_ = false;
  } else if (change.has_vectors_failed() &&
             change.vectors_failed().generation() == spec_.generation) {
    Erase(change.vectors_failed().row());
  } else if (change.has_vectors_stored() &&
             change.vectors_stored().generation() == spec_.generation) {
    const storage::v1::VectorsStored& stored = change.vectors_stored();
    Erase(stored.row());
    if (stored.chunks().empty()) {
      unknown_rows_.insert(stored.row());
    } else {
      Put(stored.row(), stored.id(), ChunksOf(stored));
    }
  }
}

void IndexVerifier::PutAttributes(int64_t row, const std::string& id,
                                  const storage::v1::Attributes& attributes,
                                  int64_t sequence) {
  if (attributes.later_schema()) knows_attributes_ = false;
  stored_attributes_[row] = {
      .checksum = AttributeChecksum(MicrosOf(attributes.create_time()),
                                    MicrosOf(attributes.update_time()),
                                    attributes.fields()),
      .sequence = sequence,
      .id = id};
}

void IndexVerifier::Put(int64_t row, const std::string& id,
                        const StoredChunks& chunks) {
  for (size_t chunk = 0; chunk < chunks.vectors.size(); ++chunk) {
    Vector& held = stored_[{row, static_cast<int>(chunk)}];
    held = {.checksum = vector::Checksum(chunks.vectors[chunk]), .id = id};
    if (chunk < chunks.passages.size()) held.passage = chunks.passages[chunk];
  }
}

void IndexVerifier::Erase(int64_t row) {
  unknown_rows_.erase(row);
  stored_.erase(stored_.lower_bound({row, 0}),
                stored_.lower_bound({row + 1, 0}));
}

IndexVerifier::Differences IndexVerifier::Compare(
    const FrozenIndex& frozen) const {
  Differences differences;
  std::map<Key, const FrozenVector*> indexed;
  for (const FrozenVector& vector : frozen.vectors) {
    if (unknown_rows_.contains(vector.row)) continue;
    const Key key(vector.row, vector.chunk);
    indexed[key] = &vector;
    const auto stored = stored_.find(key);
    if (stored == stored_.end()) {
      differences[key] = {v1::IndexDifference::KIND_EXTRA, vector.id};
    } else if (stored->second.checksum != vector.checksum ||
               stored->second.id != vector.id ||
               stored->second.passage != vector.passage) {
      differences[key] = {v1::IndexDifference::KIND_DIFFERENT,
                          stored->second.id};
    }
  }
  for (const auto& [key, stored] : stored_) {
    if (!indexed.contains(key) && !unknown_rows_.contains(key.first)) {
      differences[key] = {v1::IndexDifference::KIND_MISSING, stored.id};
    }
  }
  return differences;
}

// Those that were told at a later state than that of `frozen` are left out:
// search need not have them yet.
void IndexVerifier::AddAttributes(const FrozenAttributes& frozen,
                                  Differences& differences) const {
  if (!knows_attributes_) return;
  size_t found = 0;
  for (const auto& [row, stored] : stored_attributes_) {
    const auto held = frozen.checksums.find(row);
    if (held != frozen.checksums.end()) ++found;
    if (stored.sequence > frozen.sequence) continue;
    if (held == frozen.checksums.end() || held->second != stored.checksum) {
      differences[{row, kAttributes}] = {v1::IndexDifference::KIND_ATTRIBUTES,
                                         stored.id};
    }
  }
  if (found == frozen.checksums.size()) return;
  for (const auto& [row, checksum] : frozen.checksums) {
    if (stored_attributes_.contains(row)) continue;
    differences[{row, kAttributes}] = {v1::IndexDifference::KIND_ATTRIBUTES,
                                       ""};
  }
}

v1::VerifyIndexResult IndexVerifier::Report(
    const FrozenIndex& frozen, const Differences& differences) const {
  v1::VerifyIndexResult result;
  Position position = stored_position_;
  position.sequence = frozen.sequence;
  result.set_position(position.ToString());
  result.set_vectors(static_cast<int64_t>(stored_.size()));
  result.set_difference_count(static_cast<int64_t>(differences.size()));
  for (const auto& [key, difference] : differences) {
    if (result.differences_size() == kMaxReported) break;
    v1::IndexDifference* reported = result.add_differences();
    reported->set_kind(difference.kind);
    reported->set_id(difference.id);
    reported->set_chunk(std::max(key.second, 0));
  }
  return result;
}

}  // namespace engram::search
