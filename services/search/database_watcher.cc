#include "services/search/database_watcher.h"

#include <algorithm>
#include <set>
#include <utility>

#include "libs/log/log.h"
#include "libs/position/position.h"
#include "libs/rpc/stream_reader.h"

namespace engram::search {

DatabaseWatcher::DatabaseWatcher(FollowerOptions options,
                                 std::shared_ptr<grpc::Channel> storage,
                                 DeadlineTimer& timer, SearchMetrics& metrics)
    : options_(std::move(options)),
      storage_(std::move(storage)),
      databases_(storage::v1::DatabaseService::NewStub(storage_)),
      timer_(timer),
      metrics_(metrics),
      // Storage may have nothing to tell for days.
      call_(timer, absl::InfiniteDuration()),
      backoff_(options_.min_backoff, options_.max_backoff) {}

DatabaseWatcher::~DatabaseWatcher() { Stop(); }

void DatabaseWatcher::Start() {
  thread_ = std::thread([this] { Run(); });
}

void DatabaseWatcher::Stop() {
  call_.Stop();
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }
  if (thread_.joinable()) thread_.join();
  for (const auto& follower : followers()) follower->Stop();
}

void DatabaseWatcher::Run() {
  while (!call_.stopped()) RunOnce();
}

void DatabaseWatcher::RunOnce() {
  grpc::ClientContext context;
  const StreamCall::Scope scope(call_, context);
  const std::vector<std::shared_ptr<FeedFollower>> before = followers();
  const storage::v1::WatchDatabasesRequest request;
  rpc::StreamReader<storage::v1::WatchDatabasesResponse> reader(
      context, [&](auto* reactor) {
        databases_->async()->WatchDatabases(&context, &request, reactor);
      });
  storage::v1::WatchDatabasesResponse response;
  bool is_first = true;
  while (reader.Read(&response)) {
    if (std::exchange(is_first, false)) ForgetOthers(before, response);
    Hear(response);
    backoff_.Reset();
    if (std::exchange(storage_away_, false)) log::Info("storage is back");
  }
  const absl::Status status = reader.Finish();
  if (call_.stopped()) return;
  if (!std::exchange(storage_away_, true)) {
    log::Warning("the watch of databases was lost; trying again",
                 {{"error", status}});
  }
  call_.Pause(backoff_.Next());
}

void DatabaseWatcher::Hear(
    const storage::v1::WatchDatabasesResponse& response) {
  // A name in both was deleted and then created again.
  for (const std::string& name : response.deleted()) Forget(name);
  std::vector<std::shared_ptr<FeedFollower>> heard_of;
  for (const storage::v1::Database& database : response.databases()) {
    const absl::StatusOr<Position> newest =
        Position::Parse(database.position());
    if (!newest.ok()) {
      log::Error("storage told a position that is none",
                 {{"database", database.name()}, {"error", newest.status()}});
      continue;
    }
    std::shared_ptr<FeedFollower> follower = Ensure(database.name());
    if (follower == nullptr) return;
    follower->HearOf(*newest);
    heard_of.push_back(std::move(follower));
  }
  absl::MutexLock lock(&mutex_);
  if (!std::exchange(heard_, true)) first_ = std::move(heard_of);
}

void DatabaseWatcher::ForgetOthers(
    const std::vector<std::shared_ptr<FeedFollower>>& before,
    const storage::v1::WatchDatabasesResponse& first_response) {
  std::set<std::string> named;
  for (const storage::v1::Database& database : first_response.databases()) {
    named.insert(database.name());
  }
  for (const auto& follower : before) {
    if (named.count(follower->database()) == 0) Forget(follower->database());
  }
}

void DatabaseWatcher::Forget(const std::string& database) {
  std::shared_ptr<FeedFollower> follower;
  {
    absl::MutexLock lock(&mutex_);
    const auto found = followers_.find(database);
    if (found == followers_.end()) return;
    follower = std::move(found->second);
    followers_.erase(found);
    std::erase(first_, follower);
  }
  // Its calls end now; whoever still holds it gets `Unavailable` from it.
  follower->Forget();
  log::Info("database forgotten", {{"database", database}});
}

std::shared_ptr<FeedFollower> DatabaseWatcher::Find(
    absl::string_view database) const {
  absl::MutexLock lock(&mutex_);
  const auto found = followers_.find(std::string(database));
  return found == followers_.end() ? nullptr : found->second;
}

std::shared_ptr<FeedFollower> DatabaseWatcher::Ensure(
    absl::string_view database) {
  absl::MutexLock lock(&mutex_);
  if (stopped_) return nullptr;
  std::shared_ptr<FeedFollower>& follower = followers_[std::string(database)];
  if (follower == nullptr) {
    follower = std::make_shared<FeedFollower>(std::string(database), options_,
                                              storage_, timer_, metrics_);
    follower->Start();
  }
  return follower;
}

std::vector<std::shared_ptr<FeedFollower>> DatabaseWatcher::followers() const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<FeedFollower>> followers;
  for (const auto& [name, follower] : followers_) followers.push_back(follower);
  return followers;
}

bool DatabaseWatcher::HasCaughtUp() const {
  absl::MutexLock lock(&mutex_);
  if (!caught_up_ && heard_) {
    caught_up_ = std::all_of(
        first_.begin(), first_.end(),
        [](const auto& follower) { return follower->HasCaughtUp(); });
  }
  return caught_up_;
}

int64_t DatabaseWatcher::MemoryBytes() const {
  int64_t bytes = 0;
  for (const auto& follower : followers()) {
    const std::shared_ptr<const DatabaseIndex> indexes = follower->index();
    if (indexes != nullptr) bytes += indexes->memory_bytes();
  }
  return bytes;
}

void DatabaseWatcher::UpdateMetrics() const {
  int64_t vectors = 0, lag_changes = 0;
  std::vector<NamedRecall> recalls;
  absl::Duration lag_time;
  for (const auto& follower : followers()) {
    lag_changes = std::max(lag_changes, follower->LagInChanges());
    lag_time = std::max(lag_time, follower->Lag());
    const std::shared_ptr<const DatabaseIndex> indexes = follower->index();
    if (indexes == nullptr) continue;
    for (const std::shared_ptr<Index>& index : indexes->indexes()) {
      vectors += index->Stats().vectors;
      if (!indexes->Serves(index->spec().generation)) continue;
      IndexName name = indexes->NameOf(index->spec().generation);
      recalls.push_back({follower->database(), std::move(name.collection),
                         std::move(name.vector_field), index->Recall()});
    }
  }
  metrics_.vectors.Set(static_cast<double>(vectors));
  metrics_.index_bytes.Set(static_cast<double>(MemoryBytes()));
  metrics_.recall.Update(std::move(recalls));
  metrics_.feed_lag_changes.Set(static_cast<double>(lag_changes));
  metrics_.feed_lag_seconds.Set(absl::ToDoubleSeconds(lag_time));
}

}  // namespace engram::search
