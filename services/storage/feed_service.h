#ifndef ENGRAM_SERVICES_STORAGE_FEED_SERVICE_H_
#define ENGRAM_SERVICES_STORAGE_FEED_SERVICE_H_

#include "engram/storage/v1/feed.grpc.pb.h"
#include "libs/clock/clock.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database_registry.h"

namespace engram::storage {

// The RPC edge for followers; the proto says what each method promises.
class FeedService
    : public v1::FeedService::WithRawCallbackMethod_StreamSnapshot<
          v1::FeedService::CallbackService> {
 public:
  // All must outlive this object.
  FeedService(DatabaseRegistry* registry, rpc::ThreadPool* pool,
              const Clock* clock)
      : registry_(registry), pool_(pool), clock_(clock) {}

  // Raw: its messages are encoded as they are read (snapshot_message.h).
  grpc::ServerWriteReactor<grpc::ByteBuffer>* StreamSnapshot(
      grpc::CallbackServerContext* context,
      const grpc::ByteBuffer* request) override;
  grpc::ServerWriteReactor<v1::WatchChangesResponse>* WatchChanges(
      grpc::CallbackServerContext* context,
      const v1::WatchChangesRequest* request) override;

  // In feed_service_followers.cc.
  grpc::ServerUnaryReactor* AcknowledgeChanges(
      grpc::CallbackServerContext* context,
      const v1::AcknowledgeChangesRequest* request,
      v1::AcknowledgeChangesResponse* response) override;
  grpc::ServerUnaryReactor* ListFollowers(
      grpc::CallbackServerContext* context,
      const v1::ListFollowersRequest* request,
      v1::ListFollowersResponse* response) override;
  grpc::ServerUnaryReactor* RemoveFollower(
      grpc::CallbackServerContext* context,
      const v1::RemoveFollowerRequest* request,
      v1::RemoveFollowerResponse* response) override;

 private:
  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_FEED_SERVICE_H_
