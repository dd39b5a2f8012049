#include "services/search/stream_call.h"

#include "absl/time/clock.h"

namespace engram::search {
namespace {

// Arming again for every message of a fast stream would cost more than it
// tells.
constexpr absl::Duration kArmingInterval = absl::Seconds(1);

}  // namespace

StreamCall::StreamCall(DeadlineTimer& timer, absl::Duration max_silence)
    : timer_(timer), max_silence_(max_silence) {}

StreamCall::~StreamCall() {
  {
    absl::MutexLock lock(&mutex_);
    Disarm();
  }
  timer_.WaitForRunning();
}

void StreamCall::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

bool StreamCall::stopped() const {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

void StreamCall::Pause(absl::Duration duration) {
  absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(&stopped_), duration);
}

StreamCall::Scope::Scope(StreamCall& call, grpc::ClientContext& context)
    : call_(call) {
  absl::MutexLock lock(&call_.mutex_);
  call_.context_ = &context;
  call_.Arm();
  if (call_.stopped_) context.TryCancel();
}

StreamCall::Scope::~Scope() {
  absl::MutexLock lock(&call_.mutex_);
  call_.Disarm();
  call_.context_ = nullptr;
}

void StreamCall::Scope::Heard() {
  absl::MutexLock lock(&call_.mutex_);
  if (absl::Now() - call_.armed_time_ < kArmingInterval) return;
  call_.Disarm();
  call_.Arm();
}

void StreamCall::Arm() {
  if (max_silence_ == absl::InfiniteDuration()) return;
  armed_time_ = absl::Now();
  const uint64_t number = ++armed_number_;
  ticket_ = timer_.At(armed_time_ + max_silence_,
                      [this, number] { CancelSilentCall(number); });
}

void StreamCall::Disarm() {
  ++armed_number_;
  if (ticket_.has_value()) timer_.Cancel(*ticket_);
  ticket_.reset();
}

void StreamCall::CancelSilentCall(uint64_t number) {
  absl::MutexLock lock(&mutex_);
  if (number == armed_number_ && context_ != nullptr) context_->TryCancel();
}

}  // namespace engram::search
