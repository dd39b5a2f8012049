// What the handlers of all services share: how a call ends, runs and streams.

#ifndef ENGRAM_LIBS_RPC_REACTORS_H_
#define ENGRAM_LIBS_RPC_REACTORS_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/rpc/deadline.h"
#include "libs/rpc/thread_pool.h"
#include "libs/status/grpc_status.h"

namespace engram::rpc {

// Ends a call.
inline void Finish(grpc::ServerUnaryReactor* reactor,
                   const absl::Status& status) {
  reactor->Finish(ToGrpcStatus(status));
}

// Returns when the client stops waiting, or `now + fallback` if it never does.
inline absl::Time DeadlineOf(const grpc::CallbackServerContext& context,
                             absl::Duration fallback = absl::Seconds(60)) {
  const absl::Duration left = TimeUntil(context.deadline());
  return absl::Now() + (left < absl::Hours(24 * 365) ? left : fallback);
}

// Runs `body`, which returns the call's absl::Status, on `pool`, and ends the
// call with it; a full pool ends it at once. What `body` refers to must live as
// long as the call, as request, response and context do.
template <typename Body>
grpc::ServerUnaryReactor* RunUnary(ThreadPool& pool,
                                   grpc::CallbackServerContext* context,
                                   Body body) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued =
      pool.Submit([reactor, context, body = std::move(body)]() mutable {
        Finish(reactor, context->IsCancelled()
                            ? absl::CancelledError("the client has gone")
                            : body());
      });
  if (!queued.ok()) Finish(reactor, queued);
  return reactor;
}

// Streams responses to one client. A subclass overrides Next, which is asked
// for the next response when the one before is on its way, and answers with
// exactly one Send or one End, at once or later and from any thread.
//
// Owns itself: it is deleted when the call is over, never between a Next and
// its answer. A subclass whose answer may be long in coming looks at stopped()
// and overrides OnStop, and gives up its wait with End; it needs a lock of its
// own to decide which thread answers.
template <typename Response>
class StreamReactor : public grpc::ServerWriteReactor<Response> {
 public:
  // Starts the stream. Call it once, as the handler's last act.
  void Begin() { Next(); }

 protected:
  // Produces the next response.
  virtual void Next() = 0;

  // Tells that the client has gone; stopped() is true by then. Called once at
  // most, in any thread, perhaps while Next runs.
  virtual void OnStop() {}

  bool stopped() const { return stopped_; }

  void Send(Response response) {
    response_ = std::move(response);
    this->StartWrite(&response_);
  }

  void End(const absl::Status& status) { this->Finish(ToGrpcStatus(status)); }

 private:
  void OnWriteDone(bool ok) override {
    if (ok && !stopped_) {
      Next();
    } else {
      End(absl::CancelledError("the client has gone"));
    }
  }
  void OnCancel() override {
    stopped_ = true;
    OnStop();
  }
  void OnDone() override { delete this; }

  Response response_;
  std::atomic<bool> stopped_ = false;
};

// Starts a stream; returns it, for gRPC.
template <typename Stream>
Stream* BeginStream(Stream* stream) {
  stream->Begin();
  return stream;
}

// A stream that ends before it begins.
template <typename Response>
grpc::ServerWriteReactor<Response>* FailStream(absl::Status status) {
  class FailedStream : public StreamReactor<Response> {
   public:
    explicit FailedStream(absl::Status status) : status_(std::move(status)) {}

   private:
    void Next() override { this->End(status_); }

    const absl::Status status_;
  };
  return BeginStream(new FailedStream(std::move(status)));
}

}  // namespace engram::rpc

#endif  // ENGRAM_LIBS_RPC_REACTORS_H_
