#include "services/storage/feed_service.h"

#include <optional>
#include <utility>

#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/feed.h"

namespace engram::storage {
namespace {

// How long a stream of changes may be silent.
constexpr absl::Duration kSignOfLife = absl::Seconds(10);

// Storage shuts down, or the database is deleted.
absl::Status Closed() {
  return absl::UnavailableError("the database is closed");
}

class SnapshotStream : public rpc::StreamReactor<v1::StreamSnapshotResponse> {
 public:
  SnapshotStream(Database* database, rpc::ThreadPool* pool)
      : database_(database), pool_(pool), reader_(database) {}

 private:
  void Next() override {
    const absl::Status queued = pool_->Submit([this] { SendNext(); });
    if (!queued.ok()) End(queued);
  }

  void SendNext() {
    if (database_->commits().stopped()) return End(Closed());
    absl::StatusOr<std::optional<v1::StreamSnapshotResponse>> message =
        reader_.Next();
    if (!message.ok()) return End(message.status());
    if (!message->has_value()) return End(absl::OkStatus());
    Send(**std::move(message));
  }

  Database* const database_;
  rpc::ThreadPool* const pool_;
  SnapshotReader reader_;
};

// Sends changes as they come: reads on the pool, and when there is nothing to
// read, waits for the next commit without holding a thread.
class ChangeStream : public rpc::StreamReactor<v1::WatchChangesResponse> {
 public:
  ChangeStream(Database* database, rpc::ThreadPool* pool, const Clock* clock,
               Position after, uint64_t checksum)
      : database_(database),
        pool_(pool),
        clock_(clock),
        ticket_(database->commits().NewTicket()),
        after_(std::move(after)),
        checksum_(checksum) {}

 private:
  void Next() override {
    const absl::Status queued = pool_->Submit([this] { SendNext(); });
    if (!queued.ok()) End(queued);
  }

  void OnStop() override {
    if (database_->commits().Remove(ticket_)) {
      End(absl::CancelledError("the client has gone"));
    }
  }

  void SendNext() {
    if (database_->commits().stopped()) return End(Closed());
    const uint64_t seen = database_->commits().version();
    v1::WatchChangesResponse response;
    const absl::Status status = Read(&response);
    if (!status.ok()) return End(status);
    const absl::Time now = clock_->Now();
    // The first message tells at once where the log stands.
    if (!response.changes().empty() || now >= silent_until_) {
      silent_until_ = now + kSignOfLife;
      return Send(std::move(response));
    }
    // Nothing of this object is touched after Add, unless it does not wait.
    switch (database_->commits().Add(ticket_, seen, silent_until_,
                                     [this] { Next(); })) {
      case WaitList::Added::kWaiting:
        return;
      case WaitList::Added::kNews:
        return Next();
      case WaitList::Added::kFull:
        return End(absl::ResourceExhaustedError("too many follow changes"));
    }
  }

  absl::Status Read(v1::WatchChangesResponse* response) {
    if (!checked_) {
      RETURN_IF_ERROR(CheckFollower(*database_, after_, checksum_));
      checked_ = true;
    }
    ASSIGN_OR_RETURN(after_.sequence,
                     ReadFeed(*database_, after_.sequence, response));
    return absl::OkStatus();
  }

  Database* const database_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
  const WaitList::Ticket ticket_;

  // Used by one step after the other.
  Position after_;
  const uint64_t checksum_;
  bool checked_ = false;
  absl::Time silent_until_ = absl::InfinitePast();
};

}  // namespace

grpc::ServerWriteReactor<v1::StreamSnapshotResponse>*
FeedService::StreamSnapshot(grpc::CallbackServerContext*,
                            const v1::StreamSnapshotRequest* request) {
  const absl::StatusOr<Database*> database =
      registry_->Find(request->database());
  if (!database.ok()) {
    return rpc::FailStream<v1::StreamSnapshotResponse>(database.status());
  }
  return rpc::BeginStream(new SnapshotStream(*database, pool_));
}

grpc::ServerWriteReactor<v1::WatchChangesResponse>* FeedService::WatchChanges(
    grpc::CallbackServerContext*, const v1::WatchChangesRequest* request) {
  const auto fail = rpc::FailStream<v1::WatchChangesResponse>;
  absl::StatusOr<Position> after = Position::Parse(request->after_position());
  if (!after.ok()) {
    return fail(InvalidField("after_position", after.status().message()));
  }
  const absl::StatusOr<Database*> database = registry_->Find(after->database);
  if (!database.ok()) return fail(database.status());
  return rpc::BeginStream(new ChangeStream(
      *database, pool_, clock_, *std::move(after), request->checksum()));
}

}  // namespace engram::storage
