#ifndef ENGRAM_SERVICES_SEARCH_OUTGOING_CALLS_H_
#define ENGRAM_SERVICES_SEARCH_OUTGOING_CALLS_H_

#include <grpcpp/client_context.h>

#include <functional>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/rpc/deadline.h"
#include "libs/status/grpc_status.h"

namespace engram::search {

// The asynchronous calls to other services that are under way, so that a stop
// can end them. Thread-safe.
class OutgoingCalls {
 public:
  // Waits until no call is under way.
  ~OutgoingCalls() {
    CancelAll();
    absl::MutexLock lock(&mutex_);
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return contexts_.empty();
    };
    mutex_.Await(absl::Condition(&idle));
  }

  // Makes one call with a deadline. `start` is one of a stub's async methods
  // with its stub bound, `(context, request, response, callback)`; `done` gets
  // the answer in one of gRPC's threads.
  template <typename Response, typename Request, typename Start>
  void Run(absl::Time deadline, Request request, Start start,
           absl::AnyInvocable<void(absl::StatusOr<Response>)> done) {
    struct Call {
      grpc::ClientContext context;
      Request request;
      Response response;
      absl::AnyInvocable<void(absl::StatusOr<Response>)> done;
    };
    auto call = std::make_shared<Call>();
    call->request = std::move(request);
    call->done = std::move(done);
    call->context.set_deadline(rpc::DeadlineIn(deadline - absl::Now()));
    Add(&call->context);
    start(&call->context, &call->request, &call->response,
          [this, call](grpc::Status status) {
            if (status.ok()) {
              call->done(std::move(call->response));
            } else {
              call->done(FromGrpcStatus(status));
            }
            Remove(&call->context);
          });
  }

  // Cancels the calls under way and those that come.
  void CancelAll() {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    for (grpc::ClientContext* context : contexts_) context->TryCancel();
  }

 private:
  void Add(grpc::ClientContext* context) {
    absl::MutexLock lock(&mutex_);
    contexts_.insert(context);
    if (stopped_) context->TryCancel();
  }
  void Remove(grpc::ClientContext* context) {
    absl::MutexLock lock(&mutex_);
    contexts_.erase(context);
  }

  absl::Mutex mutex_;
  absl::flat_hash_set<grpc::ClientContext*> contexts_ ABSL_GUARDED_BY(mutex_);
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_OUTGOING_CALLS_H_
