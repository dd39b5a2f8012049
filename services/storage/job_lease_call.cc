#include "services/storage/job_lease_call.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <utility>
#include <vector>

#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/job_view.h"

namespace engram::storage {
namespace {

// Left to send the answer before the client's deadline.
constexpr absl::Duration kAnswerTime = absl::Milliseconds(100);
// For clients without a deadline: the longest wait, and time to look once more.
constexpr absl::Duration kLongestCall = absl::Seconds(120);

absl::Status ClientGone() {
  return absl::CancelledError("the client has gone");
}

// Owns itself until gRPC is done with it, and is owned by every step under way.
// Of those there is one at a time; the last one ends the call.
class LeaseCall : public grpc::ServerUnaryReactor,
                  public std::enable_shared_from_this<LeaseCall> {
 public:
  LeaseCall(Database* database, rpc::ThreadPool* pool, const Clock* clock,
            grpc::CallbackServerContext* context, DecodedLease decoded,
            v1::LeaseResponse* response)
      : database_(database),
        pool_(pool),
        clock_(clock),
        wanted_(std::move(decoded.wanted)),
        response_(response),
        client_deadline_(rpc::DeadlineOf(*context, kLongestCall)),
        ticket_(database->jobs().waiters().NewTicket()) {
    const absl::Duration patience =
        client_deadline_ - absl::Now() - kAnswerTime;
    deadline_ = clock_->Now() + std::min(decoded.wait, patience);
  }

  void Begin() {
    self_ = shared_from_this();
    Look();
  }

 private:
  void Look() {
    // Read before the write looks, so that no news in between are missed.
    seen_ = database_->jobs().waiters().version();
    database_->Submit(
        {.run =
             [self = shared_from_this()](WriteTransaction& transaction) {
               // Jobs leased to a client that has gone would wait for their
               // lease's end.
               if (self->is_cancelled_) return ClientGone();
               return LeaseJobs(transaction, self->wanted_, &self->jobs_);
             },
         .done =
             [self = shared_from_this()](absl::Status status) {
               self->TakeResult(std::move(status));
             },
         .rows = static_cast<size_t>(wanted_.max_jobs),
         .deadline = client_deadline_});
  }

  // On the writer's thread, which is not to do more than it must.
  void TakeResult(absl::Status status) {
    if (status.ok() && jobs_.empty() && clock_->Now() < deadline_ &&
        !database_->jobs().waiters().stopped()) {
      return Wait();
    }
    if (!status.ok() || jobs_.empty()) return rpc::Finish(this, status);
    const absl::Status queued =
        pool_->Submit([self = shared_from_this()] { self->Answer(); });
    // The jobs are leased: better late than lost.
    if (!queued.ok()) Answer();
  }

  void Answer() {
    rpc::Finish(this, [&]() -> absl::Status {
      for (const JobView& job : jobs_) {
        RETURN_IF_ERROR(EncodeJob(job, response_->add_jobs()));
      }
      return absl::OkStatus();
    }());
  }

  void Wait() {
    JobSignals& signals = database_->jobs();
    signals.NoteWaiting(1);
    const WaitList::Added added = signals.waiters().Add(
        ticket_, seen_, deadline_, [self = shared_from_this()] {
          self->database_->jobs().NoteWaiting(-1);
          self->Look();
        });
    if (added != WaitList::Added::kWaiting) signals.NoteWaiting(-1);
    switch (added) {
      case WaitList::Added::kWaiting:
        // Had the client gone before, OnCancel would have found nothing.
        if (is_cancelled_) StopWaiting();
        return;
      case WaitList::Added::kNews:
        return Look();
      case WaitList::Added::kFull:
        return rpc::Finish(
            this, WithRetryDelay(
                      absl::ResourceExhaustedError(
                          "too many workers wait for jobs; let each ask for "
                          "more of them, or retry after the delay"),
                      absl::Seconds(1)));
    }
  }

  void StopWaiting() {
    if (!database_->jobs().waiters().Remove(ticket_)) return;
    database_->jobs().NoteWaiting(-1);
    rpc::Finish(this, ClientGone());
  }

  void OnCancel() override {
    const std::shared_ptr<LeaseCall> self = shared_from_this();
    is_cancelled_ = true;
    StopWaiting();
  }
  void OnDone() override {
    const std::shared_ptr<LeaseCall> self = std::move(self_);
  }

  Database* const database_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
  const WantedJobs wanted_;
  v1::LeaseResponse* const response_;
  const absl::Time client_deadline_;
  const WaitList::Ticket ticket_;
  absl::Time deadline_;
  std::atomic<bool> is_cancelled_ = false;

  // Used by one step after the other.
  uint64_t seen_ = 0;
  std::vector<JobView> jobs_;

  // Until OnDone.
  std::shared_ptr<LeaseCall> self_;
};

}  // namespace

grpc::ServerUnaryReactor* BeginLeaseCall(Database* database,
                                         rpc::ThreadPool* pool,
                                         const Clock* clock,
                                         grpc::CallbackServerContext* context,
                                         DecodedLease decoded,
                                         v1::LeaseResponse* response) {
  const auto call = std::make_shared<LeaseCall>(database, pool, clock, context,
                                                std::move(decoded), response);
  call->Begin();
  // Alive at least until gRPC has it and calls OnDone.
  return call.get();
}

}  // namespace engram::storage
