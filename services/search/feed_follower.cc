#include "services/search/feed_follower.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/time/clock.h"
#include "libs/log/log.h"
#include "libs/rpc/arena_message.h"
#include "libs/status/grpc_status.h"
#include "libs/status/status_macros.h"

namespace engram::search {
namespace {

std::string CacheDirectory(const FollowerOptions& options,
                           const std::string& database) {
  if (options.cache_dir.empty()) return "";
  return std::filesystem::path(options.cache_dir) / database;
}

// The values are those of storage's schema, which may be ahead.
absl::Status CheckSameSchema(const storage::v1::SnapshotStart& start,
                             const storage::v1::Collection& wanted) {
  for (const storage::v1::Collection& collection : start.collections()) {
    if (collection.name() != wanted.name()) continue;
    if (collection.schema() == wanted.schema() &&
        collection.fields_size() == wanted.fields_size() &&
        std::equal(
            collection.fields().begin(), collection.fields().end(),
            wanted.fields().begin(),
            [](const storage::v1::Field& a, const storage::v1::Field& b) {
              return a.number() == b.number();
            })) {
      return absl::OkStatus();
    }
  }
  return absl::AbortedError("the schema is another one by now");
}

}  // namespace

FeedFollower::FeedFollower(std::string database, FollowerOptions options,
                           const std::shared_ptr<grpc::Channel>& storage,
                           DeadlineTimer& timer, SearchMetrics& metrics)
    : database_(std::move(database)),
      options_(std::move(options)),
      feed_(storage::v1::FeedService::NewStub(storage)),
      metrics_(metrics),
      created_(absl::Now()),
      waiters_(database_, timer),
      call_(timer, options_.max_silence),
      cache_(CacheDirectory(options_, database_)),
      backoff_(options_.min_backoff, options_.max_backoff),
      last_save_(created_) {}

FeedFollower::~FeedFollower() { Stop(); }

void FeedFollower::Start() {
  thread_ = std::thread([this] { Run(); });
}

void FeedFollower::Stop() {
  if (EndThread()) Save();
}

void FeedFollower::Forget() {
  if (EndThread()) cache_.Remove();
}

bool FeedFollower::EndThread() {
  call_.Stop();
  waiters_.Stop();
  if (!thread_.joinable()) return false;
  thread_.join();
  return true;
}

void FeedFollower::Run() {
  while (!call_.stopped()) RunOnce();
}

void FeedFollower::RunOnce() {
  const absl::Status status = Follow();
  if (call_.stopped()) return;
  if (absl::IsOutOfRange(status)) {
    log::Info("a snapshot is needed",
              {{"database", database_}, {"reason", status.message()}});
    building_ = nullptr;
    needs_snapshot_ = true;
    // The first one at once; a storage that never agrees is not to be hammered.
    call_.Pause(backoff_.Next());
    return;
  }
  // An outage is logged where it begins and where it ends, not at every try.
  if (!storage_away_) {
    log::Warning("the feed was lost; trying again",
                 {{"database", database_}, {"error", status}});
  }
  storage_away_ = true;
  call_.Pause(backoff_.Next());
}

absl::Status FeedFollower::Follow() {
  LoadCache();
  if (Target() == nullptr || needs_snapshot_) RETURN_IF_ERROR(ReadSnapshot());
  while (true) {
    if (WantsAttributes()) FillAttributes();
    RETURN_IF_ERROR(WatchChanges());
    if (!WantsAttributes()) return absl::OkStatus();
  }
}

bool FeedFollower::WantsAttributes() const {
  return Target()->position().sequence >= fill_from_ &&
         !Target()->WantsAttributes().empty();
}

void FeedFollower::FillAttributes() {
  for (const auto& collection : Target()->WantsAttributes()) {
    if (call_.stopped()) return;
    const absl::Status status = FillAttributesOf(collection);
    if (status.ok()) continue;
    // Of a schema that is ahead, for one.
    fill_from_ = std::max(fill_from_, Target()->position().sequence + 1);
    log::Info("attributes are not read yet; storage answers filters on them",
              {{"database", database_},
               {"collection", collection.name()},
               {"reason", status}});
  }
}

absl::Status FeedFollower::FillAttributesOf(
    const storage::v1::Collection& collection) {
  storage::v1::StreamSnapshotRequest request;
  request.set_database(database_);
  request.set_view(storage::v1::FEED_VIEW_ATTRIBUTES);
  request.add_collections(collection.name());
  grpc::ClientContext context;
  StreamCall::Scope scope(call_, context);
  const auto reader = feed_->StreamSnapshot(&context, request);
  storage::v1::StreamSnapshotResponse response;
  std::string end_position;
  absl::Status status;
  while (status.ok() && reader->Read(&response)) {
    scope.Heard();
    if (response.has_start()) {
      status = CheckSameSchema(response.start(), collection);
    } else if (response.has_end()) {
      end_position = response.end().position();
    } else {
      Target()->ApplyAttributes(response.records());
    }
  }
  if (!status.ok()) context.TryCancel();
  const absl::Status finished = FromGrpcStatus(reader->Finish());
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(finished);
  if (end_position.empty()) {
    return absl::UnavailableError("the snapshot ended early");
  }
  ASSIGN_OR_RETURN(const Position end, Position::Parse(end_position));
  if (end.epoch != Target()->position().epoch) {
    return absl::AbortedError("the epoch is another one by now");
  }
  Target()->CompleteAttributes(collection.name(), end.sequence);
  return absl::OkStatus();
}

void FeedFollower::LoadCache() {
  if (std::exchange(cache_loaded_, true)) return;
  std::shared_ptr<DatabaseIndex> index = cache_.Load();
  if (index == nullptr) return;
  saved_ = index->position();
  log::Info("index cache loaded",
            {{"database", database_}, {"position", saved_->ToString()}});
  absl::MutexLock lock(&mutex_);
  serving_ = std::move(index);
}

absl::Status FeedFollower::ReadSnapshot() {
  storage::v1::StreamSnapshotRequest request;
  request.set_database(database_);
  grpc::ClientContext context;
  StreamCall::Scope scope(call_, context);
  const auto reader = feed_->StreamSnapshot(&context, request);
  building_ = nullptr;
  rpc::ArenaMessage<storage::v1::StreamSnapshotResponse> message;
  storage::v1::StreamSnapshotResponse* response = message.Renew();
  bool ended = false;
  absl::Status status;
  while (status.ok() && reader->Read(response)) {
    scope.Heard();
    ended = response->has_end();
    status = ReadSnapshotPart(*response);
    response = message.Renew();
  }
  if (!status.ok()) context.TryCancel();
  const absl::Status finished = FromGrpcStatus(reader->Finish());
  if (status.ok()) status = finished;
  if (status.ok() && !ended) {
    status = absl::UnavailableError("the snapshot ended early");
  }
  if (!status.ok()) {
    building_ = nullptr;
    return status;
  }
  needs_snapshot_ = false;
  metrics_.snapshots.Increment();
  return absl::OkStatus();
}

absl::Status FeedFollower::ReadSnapshotPart(
    const storage::v1::StreamSnapshotResponse& response) {
  if (response.has_start()) {
    ASSIGN_OR_RETURN(Position position,
                     Position::Parse(response.start().position()));
    building_ = std::make_shared<DatabaseIndex>(std::move(position),
                                                response.start().checksum());
    for (const auto& collection : response.start().collections()) {
      RETURN_IF_ERROR(building_->AddCollection(collection));
    }
    absl::MutexLock lock(&mutex_);
    snapshot_records_ = response.start().records();
    snapshot_records_read_ = 0;
    return absl::OkStatus();
  }
  if (building_ == nullptr) {
    return absl::DataLossError("the snapshot has no start");
  }
  if (response.has_end()) {
    ASSIGN_OR_RETURN(const Position end,
                     Position::Parse(response.end().position()));
    building_end_ = end.sequence;
    building_->CompleteAttributes("", end.sequence);
    return absl::OkStatus();
  }
  RETURN_IF_ERROR(building_->ApplySnapshot(response.records()));
  absl::MutexLock lock(&mutex_);
  snapshot_records_read_ += response.records().records_size();
  return absl::OkStatus();
}

absl::Status FeedFollower::WatchChanges() {
  storage::v1::WatchChangesRequest request;
  request.set_after_position(Target()->position().ToString());
  request.set_checksum(Target()->checksum());
  grpc::ClientContext context;
  StreamCall::Scope scope(call_, context);
  const auto reader = feed_->WatchChanges(&context, request);
  storage::v1::WatchChangesResponse response;
  absl::Status status;
  bool wants_attributes = false;
  while (status.ok() && !wants_attributes && reader->Read(&response)) {
    scope.Heard();
    status = ApplyResponse(response);
    wants_attributes = status.ok() && WantsAttributes();
  }
  if (!status.ok() || wants_attributes) context.TryCancel();
  const absl::Status finished = FromGrpcStatus(reader->Finish());
  return status.ok() && !wants_attributes ? finished : status;
}

absl::Status FeedFollower::ApplyResponse(
    const storage::v1::WatchChangesResponse& response) {
  ASSIGN_OR_RETURN(const Position newest,
                   Position::Parse(response.newest_position()));
  HearOf(newest);
  RETURN_IF_ERROR(Target()->ApplyChanges(response.changes()));
  if (std::exchange(storage_away_, false)) {
    log::Info("the feed goes on",
              {{"database", database_},
               {"position", Target()->position().ToString()}});
  }
  backoff_.Reset();
  if (building_ != nullptr && building_->position().sequence >= building_end_) {
    Publish();
  }
  TellProgress();
  SaveIfDue();
  return absl::OkStatus();
}

void FeedFollower::Publish() {
  log::Info("indexes built from a snapshot",
            {{"database", database_},
             {"position", building_->position().ToString()}});
  {
    absl::MutexLock lock(&mutex_);
    serving_ = std::move(building_);
    caught_up_ = true;
    snapshot_records_ = 0;
    snapshot_records_read_ = 0;
  }
  building_ = nullptr;
  // Tells first: who waits need not wait for the disk too.
  TellProgress();
  Save();
}

void FeedFollower::TellProgress() {
  std::shared_ptr<DatabaseIndex> serving;
  {
    absl::MutexLock lock(&mutex_);
    if (serving_ == nullptr) return;
    const Position position = serving_->position();
    if (goal_.has_value() && goal_->epoch == position.epoch &&
        position.sequence >= goal_->sequence) {
      caught_up_ = true;
    }
    if (!caught_up_) return;
    serving = serving_;
  }
  waiters_.Advance(serving->position().epoch, serving->Reached());
}

void FeedFollower::SaveIfDue() {
  const std::shared_ptr<const DatabaseIndex> serving = index();
  if (serving == nullptr) return;
  const Position position = serving->position();
  if (position == saved_ && !cache_.LacksGraphOf(*serving)) return;
  const bool due_by_changes =
      saved_.has_value() &&
      position.sequence - saved_->sequence >= options_.save_changes;
  const bool due_by_time = absl::Now() - last_save_ >= options_.save_interval;
  if (due_by_changes || due_by_time) Save();
}

void FeedFollower::Save() {
  const std::shared_ptr<const DatabaseIndex> serving = index();
  last_save_ = absl::Now();
  if (serving == nullptr || options_.cache_dir.empty()) return;
  const Position position = serving->position();
  if (position == saved_ && !cache_.LacksGraphOf(*serving)) return;
  const absl::Status status = cache_.Save(*serving);
  if (!status.ok()) {
    // The cache only spares time: the earlier save, or none, serves as well.
    metrics_.cache_save_failures.Increment();
    log::Error("index cache not saved", {{"database", database_},
                                         {"position", position.ToString()},
                                         {"error", status}});
    return;
  }
  metrics_.cache_saves.Increment();
  saved_ = position;
}

DatabaseIndex* FeedFollower::Target() const {
  if (building_ != nullptr) return building_.get();
  absl::MutexLock lock(&mutex_);
  return serving_.get();
}

std::shared_ptr<const DatabaseIndex> FeedFollower::index() const {
  absl::MutexLock lock(&mutex_);
  return serving_;
}

bool FeedFollower::HasCaughtUp() const {
  absl::MutexLock lock(&mutex_);
  return caught_up_;
}

FeedFollower::Progress FeedFollower::progress() const {
  absl::MutexLock lock(&mutex_);
  Progress progress;
  if (serving_ != nullptr) progress.position = serving_->position();
  progress.newest = newest_;
  progress.snapshot_records_read = snapshot_records_read_;
  progress.snapshot_records = snapshot_records_;
  return progress;
}

void FeedFollower::HearOf(const Position& newest) {
  absl::MutexLock lock(&mutex_);
  // The two sources, feed and WatchDatabases, may tell in either order.
  if (newest_.has_value() && newest_->epoch == newest.epoch &&
      newest_->sequence >= newest.sequence) {
    return;
  }
  if (!goal_.has_value() || goal_->epoch != newest.epoch) goal_ = newest;
  newest_ = newest;
}

bool FeedFollower::KnowsEpoch(uint64_t epoch) const {
  absl::MutexLock lock(&mutex_);
  return (newest_.has_value() && newest_->epoch == epoch) ||
         (serving_ != nullptr && serving_->position().epoch == epoch);
}

int64_t FeedFollower::LagInChanges() const {
  absl::MutexLock lock(&mutex_);
  if (!newest_.has_value()) return 0;
  if (serving_ == nullptr) return newest_->sequence;
  const Position position = serving_->position();
  if (position.epoch != newest_->epoch) return newest_->sequence;
  return std::max<int64_t>(0, newest_->sequence - position.sequence);
}

absl::Duration FeedFollower::LagInTime(absl::Time now) const {
  if (LagInChanges() == 0) return absl::ZeroDuration();
  const std::shared_ptr<const DatabaseIndex> serving = index();
  const absl::Time committed =
      serving == nullptr ? absl::InfinitePast() : serving->last_commit_time();
  // Before the first change since the start, the start is what is known.
  return std::max(
      absl::ZeroDuration(),
      now - (committed == absl::InfinitePast() ? created_ : committed));
}

}  // namespace engram::search
