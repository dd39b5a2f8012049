#ifndef ENGRAM_LIBS_RPC_STREAM_READER_H_
#define ENGRAM_LIBS_RPC_STREAM_READER_H_

#include <grpcpp/client_context.h>
#include <grpcpp/support/client_callback.h>

#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "libs/status/grpc_status.h"

namespace engram::rpc {

// Reads what a server streams, as grpc::ClientReader does, for a thread that
// may wait for long. One that waits in a grpc::ClientReader takes turns with
// gRPC's own threads at polling all sockets of the process: it receives calls
// that are for others and wakes those, so that a call takes several changes of
// threads more. One that waits here only sleeps. Not thread-safe.
template <typename Message>
class StreamReader : private grpc::ClientReadReactor<Message> {
 public:
  // Begins a call: `start(reactor)` gives the reactor to a method of a stub's
  // async(), with `context` and a request, which both must outlive this object.
  template <typename Start>
  StreamReader(grpc::ClientContext& context, Start start) : context_(context) {
    start(static_cast<grpc::ClientReadReactor<Message>*>(this));
    // A call that ends between two reads is there until Finish.
    this->AddHold();
    this->StartCall();
  }
  // Cancels the call if it is not finished.
  ~StreamReader() override {
    if (done_.HasBeenNotified()) return;
    context_.TryCancel();
    Finish().IgnoreError();
  }
  StreamReader(const StreamReader&) = delete;
  StreamReader& operator=(const StreamReader&) = delete;

  // Waits for the next message; false if no more will come.
  bool Read(Message* message) {
    {
      absl::MutexLock lock(&mutex_);
      read_.reset();
    }
    this->StartRead(message);
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](std::optional<bool>* read) { return read->has_value(); }, &read_));
    return *read_;
  }

  // Waits for the end of the call and returns how it ended. Call it once, after
  // a Read that was false or after cancelling the call.
  absl::Status Finish() {
    this->RemoveHold();
    done_.WaitForNotification();
    return status_;
  }

 private:
  void OnReadDone(bool ok) override {
    absl::MutexLock lock(&mutex_);
    read_ = ok;
  }
  void OnDone(const grpc::Status& status) override {
    status_ = FromGrpcStatus(status);
    done_.Notify();
  }

  grpc::ClientContext& context_;
  absl::Mutex mutex_;
  // How the read that was begun last ended.
  std::optional<bool> read_ ABSL_GUARDED_BY(mutex_);
  // Set before done_.
  absl::Status status_;
  absl::Notification done_;
};

}  // namespace engram::rpc

#endif  // ENGRAM_LIBS_RPC_STREAM_READER_H_
