#include "services/storage/feed_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/rpc/reactors.h"
#include "libs/rpc/read_ahead_stream.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/status_macros.h"
#include "services/storage/feed.h"
#include "services/storage/feed_scope.h"
#include "services/storage/snapshot_reader.h"
#include "services/storage/snapshot_stream.h"
#include "services/storage/snapshot_token.h"

namespace engram::storage {
namespace {

// How long a stream of changes may be silent.
constexpr absl::Duration kSignOfLife = absl::Seconds(10);
// How many changes a stream may leave out before it tells where it is, so that
// its follower can acknowledge them.
constexpr int64_t kMostSkipped = 100'000;

// Storage shuts down, or the database is deleted.
absl::Status Closed() {
  return absl::UnavailableError("the database is closed");
}

// Where a follower begins.
struct FollowerStart {
  Database* database = nullptr;
  Position after;
  uint64_t checksum = 0;
  FeedScope scope;
};

// Sends changes as they come: reads on the pool, and when there is nothing to
// read, waits for the next commit without holding a thread.
class ChangeStream : public rpc::ReadAheadStream<v1::WatchChangesResponse> {
 public:
  ChangeStream(FollowerStart start, rpc::ThreadPool* pool, const Clock* clock)
      : database_(start.database),
        pool_(pool),
        clock_(clock),
        ticket_(start.database->commits().NewTicket()),
        scope_(std::move(start.scope)),
        checksum_(start.checksum),
        after_(std::move(start.after)),
        told_sequence_(after_.sequence) {}

 private:
  void Next(v1::WatchChangesResponse* response) override {
    const absl::Status queued =
        pool_->Submit([this, response] { Read(response); });
    if (!queued.ok()) End(queued);
  }

  void OnStop() override {
    if (database_->commits().Remove(ticket_)) {
      End(absl::CancelledError("the client has gone"));
    }
  }

  // Most of its time a stream waits for small messages, and should not hold the
  // memory of large ones.
  void Recycle(v1::WatchChangesResponse* response) override {
    *response = v1::WatchChangesResponse();
  }

  void Read(v1::WatchChangesResponse* response) {
    if (database_->commits().stopped()) return End(Closed());
    const uint64_t seen = database_->commits().version();
    const absl::StatusOr<FeedProgress> progress = ReadOn(response);
    if (!progress.ok()) return End(progress.status());
    after_.sequence = progress->sequence;
    const absl::Time now = clock_->Now();
    // The first message tells at once where the log stands.
    if (!response->changes().empty() || now >= silent_until_ ||
        after_.sequence - told_sequence_ >= kMostSkipped) {
      silent_until_ = now + kSignOfLife;
      told_sequence_ = after_.sequence;
      return Send();
    }
    if (!progress->has_caught_up) return Next(response);
    // Nothing of this object is touched after Add, unless it does not wait.
    switch (database_->commits().Add(ticket_, seen, silent_until_,
                                     [this, response] { Next(response); })) {
      case WaitList::Added::kWaiting:
        return;
      case WaitList::Added::kNews:
        return Next(response);
      case WaitList::Added::kFull:
        return End(absl::ResourceExhaustedError("too many follow changes"));
    }
  }

  absl::StatusOr<FeedProgress> ReadOn(v1::WatchChangesResponse* response) {
    if (!checked_) {
      RETURN_IF_ERROR(CheckFollower(*database_, after_, checksum_));
      checked_ = true;
    }
    return ReadFeed(*database_, after_.sequence, scope_, response);
  }

  Database* const database_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
  const WaitList::Ticket ticket_;
  const FeedScope scope_;
  const uint64_t checksum_;

  // Used by one step after the other.
  Position after_;
  // What the follower was told last.
  int64_t told_sequence_;
  bool checked_ = false;
  absl::Time silent_until_ = absl::InfinitePast();
};

absl::StatusOr<FollowerStart> DecodeStart(
    const DatabaseRegistry& registry, const v1::WatchChangesRequest& request) {
  FollowerStart start;
  start.checksum = request.checksum();
  ASSIGN_OR_RETURN(start.scope, DecodeFeedScope(request));
  if (!request.follower().empty()) {
    RETURN_IF_ERROR(CheckFollowerName(request.follower()));
  }
  if (!request.after_position().empty()) {
    absl::StatusOr<Position> after = Position::Parse(request.after_position());
    if (!after.ok()) {
      return InvalidField("after_position", after.status().message());
    }
    start.after = *std::move(after);
    if (!request.database().empty() &&
        request.database() != start.after.database) {
      return InvalidField(
          "database", absl::StrCat("is not that of after_position, \"",
                                   start.after.database, "\"; leave it empty"));
    }
    ASSIGN_OR_RETURN(start.database, registry.Find(start.after.database));
    return start;
  }
  ASSIGN_OR_RETURN(start.database, registry.Find(request.database()));
  start.after = start.database->NewestPosition();
  const std::optional<Follower> follower =
      start.database->followers().Find(request.follower());
  if (follower.has_value()) {
    start.after.epoch = follower->epoch;
    start.after.sequence = follower->sequence;
  }
  return start;
}

absl::StatusOr<SnapshotReader> DecodeSnapshot(
    Database* database, const v1::StreamSnapshotRequest& request) {
  ASSIGN_OR_RETURN(FeedScope scope, DecodeFeedScope(request));
  std::optional<SnapshotToken> token;
  if (!request.resume_token().empty()) {
    ASSIGN_OR_RETURN(token, SnapshotToken::Decode(request.resume_token()));
  }
  return SnapshotReader(database, std::move(scope), std::move(token));
}

}  // namespace

grpc::ServerWriteReactor<grpc::ByteBuffer>* FeedService::StreamSnapshot(
    grpc::CallbackServerContext*, const grpc::ByteBuffer* bytes) {
  const auto fail = rpc::FailStream<grpc::ByteBuffer>;
  grpc::ByteBuffer buffer = *bytes;
  v1::StreamSnapshotRequest request;
  const grpc::Status parsed =
      grpc::SerializationTraits<v1::StreamSnapshotRequest>::Deserialize(
          &buffer, &request);
  if (!parsed.ok()) return fail(FromGrpcStatus(parsed));
  const absl::StatusOr<Database*> database =
      registry_->Find(request.database());
  if (!database.ok()) return fail(database.status());
  absl::StatusOr<SnapshotReader> reader = DecodeSnapshot(*database, request);
  if (!reader.ok()) return fail(reader.status());
  return rpc::BeginStream(
      new SnapshotStream(*database, pool_, *std::move(reader)));
}

grpc::ServerWriteReactor<v1::WatchChangesResponse>* FeedService::WatchChanges(
    grpc::CallbackServerContext*, const v1::WatchChangesRequest* request) {
  absl::StatusOr<FollowerStart> start = DecodeStart(*registry_, *request);
  if (!start.ok()) {
    return rpc::FailStream<v1::WatchChangesResponse>(start.status());
  }
  return rpc::BeginStream(new ChangeStream(*std::move(start), pool_, clock_));
}

}  // namespace engram::storage
