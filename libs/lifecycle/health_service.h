#ifndef ENGRAM_LIBS_LIFECYCLE_HEALTH_SERVICE_H_
#define ENGRAM_LIBS_LIFECYCLE_HEALTH_SERVICE_H_

#include <functional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace engram::lifecycle {

// `grpc.health.v1.Health` over the packaged proto: gRPC's built-in one is
// unknown to reflection, so grpcurl could not call it.
//
// Thread-safe.
class HealthService : public grpc::health::v1::Health::CallbackService {
 public:
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  // Declares a service; "" is the whole server. It is NOT_SERVING until said
  // otherwise.
  void Add(const std::string& service);

  // Sets the status of one service that was added.
  void Set(const std::string& service, Status status);

  // Makes every service NOT_SERVING and ends every Watch, for good.
  void Stop();

  grpc::ServerUnaryReactor* Check(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request,
      grpc::health::v1::HealthCheckResponse* response) override;

  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* context,
      const grpc::health::v1::HealthCheckRequest* request) override;

 private:
  class Watcher;

  Status StatusOf(const std::string& service) const;

  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, Status> statuses_ ABSL_GUARDED_BY(mutex_);
  // Watchers that wait for a status to change.
  absl::flat_hash_set<Watcher*> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::lifecycle

#endif  // ENGRAM_LIBS_LIFECYCLE_HEALTH_SERVICE_H_
