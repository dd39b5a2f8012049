#include "services/search/feed_follower.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include "absl/time/clock.h"
#include "libs/log/log.h"
#include "libs/rpc/stream_reader.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/search/snapshot_reader.h"

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
      waiters_(database_, timer),
      call_(timer, options_.max_silence),
      backoff_(options_.min_backoff, options_.max_backoff),
      cache_(CacheDirectory(options_, database_)),
      last_save_(std::chrono::steady_clock::now()),
      lag_(std::chrono::steady_clock::now()) {}

FeedFollower::~FeedFollower() { Stop(); }

void FeedFollower::Start() {
  thread_ = std::thread([this] { Run(); });
}

void FeedFollower::Stop() {
  if (!EndThread()) return;
  absl::MutexLock lock(&apply_mutex_);
  Save();
}

void FeedFollower::Forget() {
  if (!EndThread()) return;
  absl::MutexLock lock(&apply_mutex_);
  cache_.Remove();
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
  {
    absl::MutexLock lock(&mutex_);
    lag_.FallBehind(std::chrono::steady_clock::now());
  }
  if (absl::IsOutOfRange(status)) {
    log::Info("a snapshot is needed",
              {{"database", database_}, {"reason", status.message()}});
    building_ = nullptr;
    building_memory_ = nullptr;
    needs_snapshot_ = true;
    // The first one at once; a storage that never agrees is not to be hammered.
    call_.Pause(backoff_.Next());
    return;
  }
  if (building_memory_ != nullptr && building_memory_->refused()) {
    return Refuse(status);
  }
  // An outage is logged where it begins and where it ends, not at every try.
  if (!storage_away_) {
    log::Warning("the feed was lost; trying again",
                 {{"database", database_}, {"error", status}});
  }
  storage_away_ = true;
  call_.Pause(backoff_.Next());
}

void FeedFollower::Refuse(const absl::Status& status) {
  building_memory_ = nullptr;
  log::Error("the indexes do not fit into memory; those that serve go on",
             {{"database", database_}, {"error", status}});
  {
    absl::MutexLock lock(&mutex_);
    refusal_ = std::string(status.message());
  }
  call_.Pause(options_.memory_backoff);
}

absl::Status FeedFollower::Follow() {
  RETURN_IF_ERROR(LoadCache());
  if (Target() == nullptr || needs_snapshot_) RETURN_IF_ERROR(ReadSnapshot());
  while (true) {
    if (WantsAttributes()) FillAttributes();
    RETURN_IF_ERROR(WatchChanges());
    if (!WantsAttributes()) return absl::OkStatus();
  }
}

bool FeedFollower::WantsAttributes() const {
  const std::shared_ptr<DatabaseIndex> target = Target();
  return target->position().sequence >= fill_from_ &&
         !target->WantsAttributes().empty();
}

void FeedFollower::FillAttributes() {
  // All of it goes to the same indexes, whichever come to serve meanwhile.
  const std::shared_ptr<DatabaseIndex> target = Target();
  for (const auto& collection : target->WantsAttributes()) {
    if (call_.stopped()) return;
    const absl::Status status = FillAttributesOf(*target, collection);
    if (status.ok()) continue;
    // Of a schema that is ahead, for one.
    fill_from_ = std::max(fill_from_, target->position().sequence + 1);
    log::Info("attributes are not read yet; storage answers filters on them",
              {{"database", database_},
               {"collection", collection.name()},
               {"reason", status}});
  }
}

absl::Status FeedFollower::FillAttributesOf(
    DatabaseIndex& target, const storage::v1::Collection& collection) {
  storage::v1::StreamSnapshotRequest request;
  request.set_database(database_);
  request.set_view(storage::v1::FEED_VIEW_ATTRIBUTES);
  request.add_collections(collection.name());
  grpc::ClientContext context;
  StreamCall::Scope scope(call_, context);
  rpc::StreamReader<storage::v1::StreamSnapshotResponse> reader(
      context, [&](auto* reactor) {
        feed_->async()->StreamSnapshot(&context, &request, reactor);
      });
  storage::v1::StreamSnapshotResponse response;
  std::string end_position;
  absl::Status status;
  while (status.ok() && scope.Read(reader, &response)) {
    if (response.has_start()) {
      status = CheckSameSchema(response.start(), collection);
    } else if (response.has_end()) {
      end_position = response.end().position();
    } else {
      status = target.ApplyAttributes(response.records());
    }
  }
  if (!status.ok()) context.TryCancel();
  const absl::Status finished = reader.Finish();
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(finished);
  if (end_position.empty()) {
    return absl::UnavailableError("the snapshot ended early");
  }
  ASSIGN_OR_RETURN(const Position end, Position::Parse(end_position));
  if (end.epoch != target.position().epoch) {
    return absl::AbortedError("the epoch is another one by now");
  }
  target.CompleteAttributes(collection.name(), end.sequence);
  return absl::OkStatus();
}

absl::Status FeedFollower::LoadCache() {
  if (cache_loaded_) return absl::OkStatus();
  absl::MutexLock apply_lock(&apply_mutex_);
  if (serving() != nullptr) {
    // A rebuild came before it, while it did not fit.
    cache_loaded_ = true;
    return absl::OkStatus();
  }
  BeginClaim();
  ASSIGN_OR_RETURN(std::shared_ptr<DatabaseIndex> index,
                   cache_.LoadIfFits([this](int64_t bytes) {
                     return building_memory_ == nullptr
                                ? absl::OkStatus()
                                : WithContext(building_memory_->Set(bytes),
                                              "the index in the cache");
                   }));
  cache_loaded_ = true;
  if (index != nullptr) {
    saved_ = index->position();
    log::Info("index cache loaded",
              {{"database", database_}, {"position", saved_->ToString()}});
    absl::MutexLock lock(&mutex_);
    serving_ = std::move(index);
    refusal_.clear();
  }
  building_memory_ = nullptr;
  return absl::OkStatus();
}

void FeedFollower::BeginClaim() {
  building_memory_ =
      options_.memory == nullptr
          ? nullptr
          : std::make_unique<MemoryBudget::Claim>(*options_.memory);
}

absl::Status FeedFollower::ReadSnapshot() {
  building_ = nullptr;
  replaced_ = serving();
  BeginClaim();
  ASSIGN_OR_RETURN(
      ReadIndexes read,
      search::ReadSnapshot(*feed_, call_, database_, building_memory_.get(),
                           [this](int64_t records_read, int64_t records) {
                             absl::MutexLock lock(&mutex_);
                             snapshot_records_read_ = records_read;
                             snapshot_records_ = records;
                           }));
  building_ = std::move(read.indexes);
  building_end_ = read.end;
  needs_snapshot_ = false;
  {
    // Storage may be behind what it told of before: a power loss takes its
    // newest commits if it does not sync each of them.
    absl::MutexLock lock(&mutex_);
    newest_.reset();
  }
  metrics_.snapshots.Increment();
  return absl::OkStatus();
}

absl::Status FeedFollower::WatchChanges() {
  storage::v1::WatchChangesRequest request;
  {
    const std::shared_ptr<DatabaseIndex> target = Target();
    request.set_after_position(target->position().ToString());
    request.set_checksum(target->checksum());
  }
  grpc::ClientContext context;
  StreamCall::Scope scope(call_, context);
  rpc::StreamReader<storage::v1::WatchChangesResponse> reader(
      context, [&](auto* reactor) {
        feed_->async()->WatchChanges(&context, &request, reactor);
      });
  storage::v1::WatchChangesResponse response;
  absl::Status status;
  bool wants_attributes = false;
  while (status.ok() && !wants_attributes && scope.Read(reader, &response)) {
    status = ApplyResponse(response);
    wants_attributes = status.ok() && WantsAttributes();
  }
  if (!status.ok() || wants_attributes) context.TryCancel();
  const absl::Status finished = reader.Finish();
  return status.ok() && !wants_attributes ? finished : status;
}

absl::Status FeedFollower::ApplyResponse(
    const storage::v1::WatchChangesResponse& response) {
  ASSIGN_OR_RETURN(const Position newest,
                   Position::Parse(response.newest_position()));
  HearOf(newest);
  absl::MutexLock lock(&apply_mutex_);
  RETURN_IF_ERROR(Target()->ApplyChanges(response.changes()));
  if (std::exchange(storage_away_, false)) {
    log::Info("the feed goes on",
              {{"database", database_},
               {"position", Target()->position().ToString()}});
  }
  backoff_.Reset();
  if (IsBuilt()) {
    Publish(std::exchange(building_, nullptr));
    building_memory_ = nullptr;
  }
  {
    absl::MutexLock state_lock(&mutex_);
    lag_.Heard(std::chrono::steady_clock::now(), LagInChangesLocked() == 0);
  }
  TellProgress();
  SaveIfDue();
  return absl::OkStatus();
}

bool FeedFollower::IsBuilt() const {
  if (building_ == nullptr) return false;
  const Position built = building_->position();
  if (built.sequence < building_end_) return false;
  // Those that serve since the snapshot began, by a rebuild, may be newer;
  // those that served before are what it is to take the place of, wherever they
  // are.
  const std::shared_ptr<DatabaseIndex> before = serving();
  return before == nullptr || before == replaced_.lock() ||
         before->position().epoch != built.epoch ||
         before->position().sequence <= built.sequence;
}

void FeedFollower::Publish(std::shared_ptr<DatabaseIndex> indexes) {
  log::Info(
      "indexes built from a snapshot",
      {{"database", database_}, {"position", indexes->position().ToString()}});
  {
    absl::MutexLock lock(&mutex_);
    serving_ = std::move(indexes);
    caught_up_ = true;
    snapshot_records_ = 0;
    snapshot_records_read_ = 0;
    refusal_.clear();
  }
  // Tells first: who waits need not wait for the disk too.
  TellProgress();
  // What was saved may be of the same position, and yet not the same.
  saved_.reset();
  Save();
}

std::shared_ptr<void> FeedFollower::ClaimRebuild() {
  absl::MutexLock lock(&mutex_);
  if (!rebuild_.expired()) return nullptr;
  const auto claim = std::make_shared<bool>(true);
  rebuild_ = claim;
  return claim;
}

absl::Status FeedFollower::Replace(
    std::shared_ptr<DatabaseIndex> indexes,
    absl::FunctionRef<absl::Status(int64_t sequence)> follow_to) {
  absl::MutexLock lock(&apply_mutex_);
  if (call_.stopped()) return absl::UnavailableError("search is stopping");
  const std::shared_ptr<DatabaseIndex> before = serving();
  if (before != nullptr) {
    const Position present = before->position();
    if (present.epoch != indexes->position().epoch) {
      return absl::AbortedError("the database was restored meanwhile");
    }
    if (indexes->position().sequence < present.sequence) {
      RETURN_IF_ERROR(follow_to(present.sequence));
    }
  }
  Publish(std::move(indexes));
  return absl::OkStatus();
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
  const bool due_by_time =
      absl::FromChrono(std::chrono::steady_clock::now() - last_save_) >=
      options_.save_interval;
  if (due_by_changes || due_by_time) Save();
}

void FeedFollower::Save() {
  const std::shared_ptr<const DatabaseIndex> serving = index();
  last_save_ = std::chrono::steady_clock::now();
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

std::shared_ptr<DatabaseIndex> FeedFollower::Target() const {
  return building_ != nullptr ? building_ : serving();
}

std::shared_ptr<DatabaseIndex> FeedFollower::serving() const {
  absl::MutexLock lock(&mutex_);
  return serving_;
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
  progress.refusal = refusal_;
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
  if (LagInChangesLocked() > 0) {
    lag_.FallBehind(std::chrono::steady_clock::now());
  }
}

bool FeedFollower::KnowsEpoch(uint64_t epoch) const {
  absl::MutexLock lock(&mutex_);
  return (newest_.has_value() && newest_->epoch == epoch) ||
         (serving_ != nullptr && serving_->position().epoch == epoch);
}

int64_t FeedFollower::LagInChanges() const {
  absl::MutexLock lock(&mutex_);
  return LagInChangesLocked();
}

int64_t FeedFollower::LagInChangesLocked() const {
  if (!newest_.has_value()) return 0;
  if (serving_ == nullptr) return newest_->sequence;
  const Position position = serving_->position();
  if (position.epoch != newest_->epoch) return newest_->sequence;
  return std::max<int64_t>(0, newest_->sequence - position.sequence);
}

absl::Duration FeedFollower::Lag() const {
  absl::MutexLock lock(&mutex_);
  return lag_.At(std::chrono::steady_clock::now());
}

}  // namespace engram::search
