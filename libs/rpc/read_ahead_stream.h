#ifndef ENGRAM_LIBS_RPC_READ_AHEAD_STREAM_H_
#define ENGRAM_LIBS_RPC_READ_AHEAD_STREAM_H_

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "libs/status/grpc_status.h"

namespace engram::rpc {

// As StreamReactor of reactors.h, for streams of much data: the next response
// is produced while the one before is on its way. A slow client makes it wait
// with one response under way and one ready, and nothing else.
//
// A subclass overrides Next, which fills a response in and answers with exactly
// one Send or one End, at once or later and from any thread.
template <typename Response>
class ReadAheadStream : public grpc::ServerWriteReactor<Response> {
 public:
  // Starts the stream. Call it once, as the handler's last act.
  void Begin() { Next(&responses_[0]); }

 protected:
  // Produces the next response; `response` is empty, and this object's.
  virtual void Next(Response* response) = 0;

  // Tells that the client has gone; stopped() is true by then. Called once at
  // most, in any thread, perhaps while Next runs.
  virtual void OnStop() {}

  // Empties a response that was sent. One that is cleared keeps its memory for
  // the next one.
  virtual void Recycle(Response* response) { response->Clear(); }

  bool stopped() const { return stopped_; }

  // Answers Next: its response is ready.
  void Send() {
    int sent = 0;
    bool is_over = false;
    {
      absl::MutexLock lock(&mutex_);
      if (is_writing_) {
        producer_ = Producer::kReady;
        return;
      }
      is_over = is_broken_;
      if (!is_over) sent = BeginWrite();
    }
    if (is_over) return FinishBroken();
    Write(sent);
  }

  // Answers Next: there is none, and the stream ends.
  void End(const absl::Status& status) {
    {
      absl::MutexLock lock(&mutex_);
      producer_ = Producer::kEnded;
      end_ = status;
      if (is_writing_) return;
    }
    this->Finish(ToGrpcStatus(status));
  }

 private:
  // Who makes the responses. While it is asked for one, nobody else finishes
  // the call, so this object stays.
  enum class Producer { kAsked, kReady, kEnded };

  // Takes the response that was filled in, and asks for another: Write must
  // follow.
  int BeginWrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const int sent = filled_;
    filled_ = 1 - filled_;
    is_writing_ = true;
    producer_ = Producer::kAsked;
    return sent;
  }

  void Write(int sent) {
    // Before the write, which encodes the response: another thread may fill in
    // the next one meanwhile.
    Next(&responses_[1 - sent]);
    this->StartWrite(&responses_[sent]);
  }

  void FinishBroken() {
    this->Finish(ToGrpcStatus(absl::CancelledError("the client has gone")));
  }

  void OnWriteDone(bool ok) override {
    int sent = 0;
    Producer producer = Producer::kAsked;
    bool is_over = false;
    {
      absl::MutexLock lock(&mutex_);
      is_writing_ = false;
      Recycle(&responses_[1 - filled_]);
      if (!ok || stopped_) is_broken_ = true;
      is_over = is_broken_;
      producer = producer_;
      if (producer == Producer::kReady && !is_over) sent = BeginWrite();
    }
    // What it answers goes on, or finishes.
    if (producer == Producer::kAsked) return;
    if (is_over) return FinishBroken();
    if (producer == Producer::kReady) return Write(sent);
    this->Finish(ToGrpcStatus(end_));
  }

  void OnCancel() override {
    stopped_ = true;
    OnStop();
  }
  void OnDone() override { delete this; }

  // One is on its way while the other is filled in.
  Response responses_[2];
  std::atomic<bool> stopped_ = false;

  absl::Mutex mutex_;
  Producer producer_ ABSL_GUARDED_BY(mutex_) = Producer::kAsked;
  // Which response is filled in, or ready.
  int filled_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  // The client takes no more.
  bool is_broken_ ABSL_GUARDED_BY(mutex_) = false;

  // Set before producer_ is kEnded.
  absl::Status end_;
};

}  // namespace engram::rpc

#endif  // ENGRAM_LIBS_RPC_READ_AHEAD_STREAM_H_
