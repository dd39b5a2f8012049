// The methods of FeedService about known followers.

#include <memory>
#include <utility>

#include "google/protobuf/util/time_util.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/change_log.h"
#include "services/storage/feed_service.h"
#include "services/storage/follower_table.h"

namespace engram::storage {
namespace {

struct Acknowledgement {
  Database* database = nullptr;
  Position position;
};

absl::StatusOr<Acknowledgement> Decode(
    const DatabaseRegistry& registry,
    const v1::AcknowledgeChangesRequest& request) {
  RETURN_IF_ERROR(CheckFollowerName(request.follower()));
  Acknowledgement decoded;
  absl::StatusOr<Position> position = Position::Parse(request.position());
  if (!position.ok()) {
    return InvalidField("position", position.status().message());
  }
  decoded.position = *std::move(position);
  ASSIGN_OR_RETURN(decoded.database, registry.Find(decoded.position.database));
  if (decoded.position.epoch != decoded.database->epoch()) {
    return InvalidField("position",
                        "is of an epoch that has ended; take a snapshot and "
                        "acknowledge what it states");
  }
  return decoded;
}

v1::Follower ToProto(const Database& database, const Follower& follower,
                     int64_t oldest) {
  v1::Follower proto;
  proto.set_name(follower.name);
  const Position newest = database.NewestPosition();
  Position position = newest;
  position.epoch = follower.epoch;
  position.sequence = follower.sequence;
  proto.set_position(position.ToString());
  *proto.mutable_acknowledge_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
          follower.acknowledged_us);
  const bool is_of_this_epoch = follower.epoch == newest.epoch;
  proto.set_lag(is_of_this_epoch ? newest.sequence - follower.sequence
                                 : newest.sequence);
  proto.set_pruned(!is_of_this_epoch ||
                   follower.sequence < OldestPosition(oldest));
  return proto;
}

absl::Status List(Database& database, v1::ListFollowersResponse* response) {
  int64_t oldest = 0;
  {
    ASSIGN_OR_RETURN(ReadPool::Lease reader, database.AcquireReader());
    ASSIGN_OR_RETURN(oldest, ReadOldestSequence(*reader));
  }
  for (const Follower& follower : database.followers().List()) {
    *response->add_followers() = ToProto(database, follower, oldest);
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* FeedService::AcknowledgeChanges(
    grpc::CallbackServerContext* context,
    const v1::AcknowledgeChangesRequest* request,
    v1::AcknowledgeChangesResponse*) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  absl::StatusOr<Acknowledgement> decoded = Decode(*registry_, *request);
  if (!decoded.ok()) {
    rpc::Finish(reactor, decoded.status());
    return reactor;
  }
  Database* const database = decoded->database;
  const auto follower = std::make_shared<Follower>();
  database->Submit({.run =
                        [=, sequence = decoded->position.sequence](
                            WriteTransaction& transaction) {
                          return FollowerTable::Acknowledge(
                              transaction, request->follower(), sequence,
                              follower.get());
                        },
                    .done =
                        [=](const absl::Status& status) {
                          if (status.ok())
                            database->followers().Publish(*follower);
                          rpc::Finish(reactor, status);
                        },
                    .deadline = rpc::DeadlineOf(*context)});
  return reactor;
}

grpc::ServerUnaryReactor* FeedService::ListFollowers(
    grpc::CallbackServerContext* context,
    const v1::ListFollowersRequest* request,
    v1::ListFollowersResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database* const database,
                     registry_->Find(request->database()));
    return List(*database, response);
  });
}

grpc::ServerUnaryReactor* FeedService::RemoveFollower(
    grpc::CallbackServerContext* context,
    const v1::RemoveFollowerRequest* request, v1::RemoveFollowerResponse*) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const absl::StatusOr<Database*> found = registry_->Find(request->database());
  if (!found.ok()) {
    rpc::Finish(reactor, found.status());
    return reactor;
  }
  Database* const database = *found;
  database->Submit({.run =
                        [=](WriteTransaction& transaction) {
                          return FollowerTable::Remove(transaction,
                                                       request->follower());
                        },
                    .done =
                        [=](const absl::Status& status) {
                          if (status.ok())
                            database->followers().Forget(request->follower());
                          rpc::Finish(reactor, status);
                        },
                    .deadline = rpc::DeadlineOf(*context)});
  return reactor;
}

}  // namespace engram::storage
