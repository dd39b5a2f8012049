#include "services/search/position_gate.h"

#include <utility>

#include "libs/status/errors.h"

namespace engram::search {

PositionGate::PositionGate(DatabaseWatcher& watcher, OutgoingCalls& calls,
                           const std::shared_ptr<grpc::Channel>& storage)
    : watcher_(watcher),
      calls_(calls),
      databases_(storage::v1::DatabaseService::NewStub(storage)) {}

void PositionGate::FindDatabase(absl::string_view database, absl::Time deadline,
                                FollowerCallback callback) {
  std::shared_ptr<FeedFollower> known = watcher_.Find(database);
  if (known != nullptr) return callback(std::move(known));
  GetDatabase(database, deadline,
              [this, callback = std::move(callback)](
                  absl::StatusOr<storage::v1::Database> found) mutable {
                if (!found.ok()) return callback(found.status());
                std::shared_ptr<FeedFollower> follower =
                    watcher_.Ensure(found->name());
                if (follower == nullptr) {
                  return callback(absl::UnavailableError("search is stopping"));
                }
                callback(std::move(follower));
              });
}

void PositionGate::WaitFor(const std::shared_ptr<FeedFollower>& follower,
                           const Position& position, int64_t channel,
                           absl::Time deadline, Callback callback) {
  if (follower->KnowsEpoch(position.epoch)) {
    return follower->waiters().Wait(position.epoch, position.sequence, channel,
                                    deadline, std::move(callback));
  }
  GetDatabase(
      position.database, deadline,
      [follower, position, channel, deadline, callback = std::move(callback)](
          absl::StatusOr<storage::v1::Database> found) mutable {
        if (!found.ok()) return callback(found.status());
        const absl::StatusOr<Position> newest =
            Position::Parse(found->position());
        if (!newest.ok()) return callback(newest.status());
        if (newest->epoch != position.epoch) {
          return callback(EpochChangedError(position.database));
        }
        follower->HearOf(*newest);
        follower->waiters().Wait(position.epoch, position.sequence, channel,
                                 deadline, std::move(callback));
      });
}

void PositionGate::GetDatabase(
    absl::string_view database, absl::Time deadline,
    absl::AnyInvocable<void(absl::StatusOr<storage::v1::Database>)> callback) {
  storage::v1::DatabaseServiceGetRequest request;
  request.set_database(std::string(database));
  calls_.Run<storage::v1::DatabaseServiceGetResponse>(
      deadline, std::move(request),
      [this](auto&&... arguments) {
        databases_->async()->Get(
            std::forward<decltype(arguments)>(arguments)...);
      },
      [callback = std::move(callback)](
          absl::StatusOr<storage::v1::DatabaseServiceGetResponse>
              answer) mutable {
        if (!answer.ok()) {
          return callback(WithContext(answer.status(), "ask storage"));
        }
        callback(std::move(*answer->mutable_database()));
      });
}

}  // namespace engram::search
