#include "services/search/stream_call.h"

#include <chrono>

#include "absl/time/clock.h"

namespace engram::search {

using std::chrono::steady_clock;

StreamCall::StreamCall(DeadlineTimer& timer, absl::Duration max_silence)
    : timer_(timer), max_silence_(max_silence) {}

StreamCall::~StreamCall() { timer_.WaitForRunning(); }

void StreamCall::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  changed_.Signal();
  if (context_ != nullptr) context_->TryCancel();
}

bool StreamCall::stopped() const {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

void StreamCall::Pause(absl::Duration duration) {
  const SteadyCondVar::Time end = SteadyCondVar::After(duration);
  absl::MutexLock lock(&mutex_);
  while (!stopped_ && steady_clock::now() < end) {
    changed_.WaitUntil(&mutex_, end);
  }
}

StreamCall::Scope::Scope(StreamCall& call, grpc::ClientContext& context)
    : call_(call) {
  absl::MutexLock lock(&call_.mutex_);
  call_.context_ = &context;
  call_.waiting_since_ = steady_clock::now();
  if (call_.max_silence_ != absl::InfiniteDuration()) {
    call_.LookAfter(call_.max_silence_);
  }
  if (call_.stopped_) context.TryCancel();
}

StreamCall::Scope::~Scope() {
  absl::MutexLock lock(&call_.mutex_);
  ++call_.call_number_;
  if (call_.ticket_.has_value()) call_.timer_.Cancel(*call_.ticket_);
  call_.ticket_.reset();
  call_.context_ = nullptr;
}

void StreamCall::BeginWait() {
  absl::MutexLock lock(&mutex_);
  waiting_since_ = steady_clock::now();
}

void StreamCall::EndWait() {
  absl::MutexLock lock(&mutex_);
  waiting_since_.reset();
}

void StreamCall::LookAfter(absl::Duration time) {
  ticket_ = timer_.At(absl::Now() + time, [this, number = call_number_] {
    CancelIfSilent(number);
  });
}

void StreamCall::CancelIfSilent(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  if (number != call_number_ || context_ == nullptr) return;
  absl::Duration waited;
  if (waiting_since_.has_value()) {
    waited = absl::FromChrono(steady_clock::now() - *waiting_since_);
  }
  if (waited >= max_silence_) {
    context_->TryCancel();
  } else {
    LookAfter(max_silence_ - waited);
  }
}

}  // namespace engram::search
