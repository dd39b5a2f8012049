#include "libs/lifecycle/health_service.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "libs/rpc/reactors.h"

namespace engram::lifecycle {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// Streams one service's status: now, and whenever it changes.
class HealthService::Watcher : public rpc::StreamReactor<HealthCheckResponse> {
 public:
  Watcher(HealthService& health, std::string service)
      : health_(health), service_(std::move(service)) {}

  // Sends the status if it is another than the client knows. Called by the
  // health service after it took this watcher out of its waiting ones.
  void Next() override {
    Status status;
    {
      absl::MutexLock lock(&health_.mutex_);
      const auto found = health_.statuses_.find(service_);
      status = found == health_.statuses_.end()
                   ? HealthCheckResponse::SERVICE_UNKNOWN
                   : found->second;
      if (status == sent_ && !health_.stopped_ && !stopped()) {
        health_.waiting_.insert(this);
        return;
      }
    }
    if (status == sent_) {
      End(absl::UnavailableError("the server is stopping"));
      return;
    }
    sent_ = status;
    HealthCheckResponse response;
    response.set_status(status);
    Send(std::move(response));
  }

 private:
  void OnStop() override {
    {
      absl::MutexLock lock(&health_.mutex_);
      if (health_.waiting_.erase(this) == 0) return;
    }
    End(absl::CancelledError("the client has gone"));
  }

  HealthService& health_;
  const std::string service_;
  // What the client knows; UNKNOWN is never a service's status.
  Status sent_ = HealthCheckResponse::UNKNOWN;
};

void HealthService::Add(const std::string& service) {
  absl::MutexLock lock(&mutex_);
  statuses_.try_emplace(service, HealthCheckResponse::NOT_SERVING);
}

void HealthService::Set(const std::string& service, Status status) {
  absl::flat_hash_set<Watcher*> woken;
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_ || statuses_[service] == status) return;
    statuses_[service] = status;
    woken.swap(waiting_);
  }
  for (Watcher* watcher : woken) watcher->Next();
}

void HealthService::Stop() {
  absl::flat_hash_set<Watcher*> woken;
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    for (auto& [service, status] : statuses_) {
      status = HealthCheckResponse::NOT_SERVING;
    }
    woken.swap(waiting_);
  }
  for (Watcher* watcher : woken) watcher->Next();
}

grpc::ServerUnaryReactor* HealthService::Check(
    grpc::CallbackServerContext* context, const HealthCheckRequest* request,
    HealthCheckResponse* response) {
  auto* reactor = context->DefaultReactor();
  absl::MutexLock lock(&mutex_);
  const auto found = statuses_.find(request->service());
  if (found == statuses_.end()) {
    rpc::Finish(reactor, absl::NotFoundError(
                             absl::StrCat("this server has no service \"",
                                          request->service(), "\"")));
  } else {
    response->set_status(found->second);
    rpc::Finish(reactor, absl::OkStatus());
  }
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext*, const HealthCheckRequest* request) {
  auto* watcher = new Watcher(*this, request->service());
  watcher->Begin();
  return watcher;
}

}  // namespace engram::lifecycle
