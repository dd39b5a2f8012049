// CacheService's wait for a value that another caller computes.

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "google/protobuf/util/time_util.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/cache_request.h"
#include "services/storage/cache_service.h"
#include "services/storage/cache_target.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;
using Outcome = CacheLeases::Outcome;

// Left to send the answer before the client's deadline.
constexpr absl::Duration kAnswerTime = absl::Milliseconds(100);

// One GetOrLease call: looks, and if there is nothing asks for the lease, which
// may mean to wait, without a thread, and to look again.
//
// Keeps itself alive until gRPC is done with it; what goes on with it later
// holds it too. One thread at a time goes on, and ends the call; beside it only
// OnCancel runs.
class LeaseCall : public grpc::ServerUnaryReactor,
                  public std::enable_shared_from_this<LeaseCall> {
 public:
  LeaseCall(const DatabaseRegistry* registry, rpc::ThreadPool* pool,
            const Clock* clock, grpc::CallbackServerContext* context,
            const v1::GetOrLeaseRequest* request,
            v1::GetOrLeaseResponse* response)
      : registry_(registry),
        pool_(pool),
        clock_(clock),
        context_(context),
        request_(request),
        response_(response) {}

  // Call it once, before gRPC gets the reactor.
  void Start() {
    self_ = shared_from_this();
    const absl::Status status = Prepare();
    status.ok() ? LookThenAsk() : End(status);
  }

 private:
  absl::Status Prepare() {
    ASSIGN_OR_RETURN(const LeaseTerms terms, DecodeLeaseTerms(*request_));
    ASSIGN_OR_RETURN(target_, FindCache(*registry_, request_->database(),
                                        request_->collection()));
    key_ = {.collection = target_.named.name, .key = request_->key()};
    duration_ = terms.duration;
    const absl::Duration patience =
        rpc::DeadlineOf(*context_) - absl::Now() - kAnswerTime;
    deadline_ = clock_->Now() + std::min(terms.wait, patience);
    leases_ = &target_.database->caches().leases();
    ticket_ = leases_->NewTicket();
    return absl::OkStatus();
  }

  void LookThenAsk() {
    const absl::StatusOr<bool> found = Look();
    if (!found.ok()) return End(found.status());
    if (*found) return EndWithEntry();
    leases_->Acquire(key_, duration_, deadline_, ticket_,
                     [self = shared_from_this()](Outcome outcome) {
                       self->GoOn(std::move(outcome));
                     });
    // The client may have gone before the wait began.
    if (cancelled_) StopWaiting();
  }

  // Whether there is an entry, which is in the answer then.
  absl::StatusOr<bool> Look() {
    // A schema may have come, or gone, since the call began.
    ASSIGN_OR_RETURN(target_.named,
                     target_.database->caches().Find(
                         target_.database->catalog(), key_.collection));
    ASSIGN_OR_RETURN(const bool found,
                     target_.Read(key_.key, response_->mutable_entry()));
    if (!found) response_->clear_entry();
    return found;
  }

  // What follows the request for a lease, in the thread that decided on it.
  void GoOn(Outcome outcome) {
    switch (outcome.kind) {
      case Outcome::Kind::kGranted:
        return LookThenTake(std::move(outcome));
      case Outcome::Kind::kHandedOver:
        return Take(std::move(outcome));
      case Outcome::Kind::kStored:
        return LookLater();
      case Outcome::Kind::kTimeOver:
        target_.CountRead(/*found=*/false);
        return End(absl::OkStatus());
      case Outcome::Kind::kFull:
        return End(
            WithRetryDelay(absl::ResourceExhaustedError(
                               "too many leases, or calls that wait for one"),
                           absl::Seconds(1)));
      case Outcome::Kind::kStopped:
        return End(absl::UnavailableError("the database is closing"));
    }
  }

  // Before the first look another may have had the lease and stored the value.
  void LookThenTake(Outcome outcome) {
    const absl::StatusOr<bool> found = Look();
    if (!found.ok()) {
      leases_->Release(key_, outcome.lease);
      return End(found.status());
    }
    if (!*found) return Take(std::move(outcome));
    leases_->Settle(key_, outcome.lease);
    EndWithEntry();
  }

  void Take(Outcome outcome) {
    if (cancelled_) {
      leases_->Release(key_, outcome.lease);
      return End(absl::CancelledError("the client has gone"));
    }
    response_->set_lease(std::move(outcome.lease));
    *response_->mutable_lease_expire_time() = TimeUtil::MicrosecondsToTimestamp(
        absl::ToUnixMicros(outcome.expire_time));
    target_.CountRead(/*found=*/false);
    End(absl::OkStatus());
  }

  // The thread here is the writer's.
  void LookLater() {
    const absl::Status queued =
        pool_->Submit([self = shared_from_this()] { self->LookThenAsk(); });
    if (!queued.ok()) End(queued);
  }

  void EndWithEntry() {
    target_.CountRead(/*found=*/true);
    End(absl::OkStatus());
  }

  void End(const absl::Status& status) { rpc::Finish(this, status); }

  void StopWaiting() {
    if (leases_ != nullptr && leases_->Cancel(key_, ticket_)) {
      End(absl::CancelledError("the client has gone"));
    }
  }

  void OnCancel() override {
    cancelled_ = true;
    StopWaiting();
  }

  void OnDone() override { self_.reset(); }

  const DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
  grpc::CallbackServerContext* const context_;
  const v1::GetOrLeaseRequest* const request_;
  v1::GetOrLeaseResponse* const response_;

  CacheTarget target_;
  CacheKey key_;
  absl::Duration duration_;
  absl::Time deadline_;
  // Null until the request is found good.
  CacheLeases* leases_ = nullptr;
  CacheLeases::Ticket ticket_ = 0;
  std::atomic<bool> cancelled_ = false;
  std::shared_ptr<LeaseCall> self_;
};

}  // namespace

grpc::ServerUnaryReactor* CacheService::GetOrLease(
    grpc::CallbackServerContext* context, const v1::GetOrLeaseRequest* request,
    v1::GetOrLeaseResponse* response) {
  const auto call = std::make_shared<LeaseCall>(registry_, pool_, clock_,
                                                context, request, response);
  call->Start();
  return call.get();
}

}  // namespace engram::storage
