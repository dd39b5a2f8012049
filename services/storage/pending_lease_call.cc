#include "services/storage/pending_lease_call.h"

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/rpc/reactors.h"
#include "libs/status/status_macros.h"
#include "services/storage/embedding_outbox.h"
#include "services/storage/embedding_usage.h"
#include "services/storage/random_bits.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

constexpr int kDefaultLeaseEntries = 256;
constexpr int kMaxLeaseEntries = 4096;
constexpr int64_t kMaxLeaseBytes = 2 << 20;
constexpr absl::Duration kMaxWait = absl::Seconds(60);
constexpr absl::Duration kDefaultLease = absl::Seconds(60);
constexpr absl::Duration kMaxLease = absl::Minutes(10);
constexpr int kMaxFingerprints = 1000;

// Left to send the answer before the client's deadline.
constexpr absl::Duration kAnswerTime = absl::Milliseconds(100);

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) +
         absl::Nanoseconds(duration.nanos());
}

void CheckDuration(absl::string_view path,
                   const google::protobuf::Duration& sent, absl::Duration most,
                   FieldViolations& violations) {
  const absl::Duration duration = ToDuration(sent);
  if (duration >= absl::ZeroDuration() && duration <= most) return;
  violations.Add(
      path, absl::StrCat("is ", absl::FormatDuration(duration), "; give 0 to ",
                         absl::FormatDuration(most)));
}

absl::Status CheckLeaseRequest(const v1::LeasePendingRequest& request) {
  FieldViolations violations;
  if (request.fingerprints().empty() ||
      request.fingerprints_size() > kMaxFingerprints) {
    violations.Add("fingerprints",
                   absl::StrCat("has ", request.fingerprints_size(),
                                " entries; give 1 to ", kMaxFingerprints));
  }
  if (request.max_entries() < 0) violations.Add("max_entries", "is negative");
  if (request.max_bytes() < 0) violations.Add("max_bytes", "is negative");
  CheckDuration("wait", request.wait(), kMaxWait, violations);
  DecodeLeaseDuration(request.has_lease(), request.lease(), violations);
  CheckProvider(request.provider(), violations);
  return violations.ToStatus();
}

// One LeasePending call: looks, and if there is nothing, waits for news without
// holding a thread, and looks again. Kept alive by whatever will go on with it.
class LeaseCall : public std::enable_shared_from_this<LeaseCall> {
 public:
  LeaseCall(DatabaseRegistry* registry, rpc::ThreadPool* pool,
            const Clock* clock, grpc::CallbackServerContext* context,
            const v1::LeasePendingRequest* request,
            v1::LeasePendingResponse* response)
      : registry_(registry),
        pool_(pool),
        clock_(clock),
        context_(context),
        request_(request),
        response_(response),
        reactor_(context->DefaultReactor()),
        ticket_(registry->pending().NewTicket()) {
    const absl::Duration patience =
        rpc::DeadlineOf(*context) - absl::Now() - kAnswerTime;
    deadline_ = clock_->Now() + std::min(ToDuration(request->wait()), patience);
  }

  grpc::ServerUnaryReactor* reactor() const { return reactor_; }

  void GoOn() {
    const absl::Status queued =
        pool_->Submit([self = shared_from_this()] { self->Look(); });
    if (!queued.ok()) rpc::Finish(reactor_, queued);
  }

 private:
  void Look() {
    // Entries leased to a client that has gone would wait for their lease's
    // end.
    if (context_->IsCancelled()) {
      return rpc::Finish(reactor_, absl::CancelledError("the client has gone"));
    }
    const uint64_t seen = registry_->pending().version();
    const absl::Status status = Lease();
    if (!status.ok() || !response_->entries().empty() ||
        clock_->Now() >= deadline_ || registry_->pending().stopped()) {
      return rpc::Finish(reactor_, status);
    }
    switch (registry_->pending().Add(
        ticket_, seen, deadline_,
        [self = shared_from_this()] { self->GoOn(); })) {
      case WaitList::Added::kWaiting:
        return;
      case WaitList::Added::kNews:
        return GoOn();
      case WaitList::Added::kFull:
        return rpc::Finish(reactor_, absl::ResourceExhaustedError(
                                         "too many calls wait for text"));
    }
  }

  absl::Status Lease() {
    FieldViolations none;
    const absl::Duration lease =
        DecodeLeaseDuration(request_->has_lease(), request_->lease(), none);
    LeaseRequest wanted = {.provider = request_->provider(),
                           .pauses = registry_->Pauses(),
                           .now = clock_->Now(),
                           .expire = clock_->Now() + lease};
    wanted.fingerprints.insert(request_->fingerprints().begin(),
                               request_->fingerprints().end());
    // Half of all numbers, without 0: the API's are signed.
    wanted.lease_id = static_cast<int64_t>(RandomBits() >> 1) | 1;
    response_->set_lease_id(wanted.lease_id);
    *response_->mutable_lease_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(wanted.expire));
    LeaseBudget budget = {
        .entries = request_->max_entries() == 0
                       ? kDefaultLeaseEntries
                       : std::min(request_->max_entries(), kMaxLeaseEntries),
        .bytes = request_->max_bytes() == 0
                     ? kMaxLeaseBytes
                     : std::min(request_->max_bytes(), kMaxLeaseBytes)};
    const std::vector<Database*> databases = DatabasesInTurn(wanted);
    // A batch is filled up with the backlog, so that it does not stand still
    // while texts are written all the time.
    absl::Status status;
    for (const OutboxClass outbox_class : kOutboxClasses) {
      status.Update(LeaseFrom(databases, wanted, outbox_class, budget));
    }
    // What is leased would wait for its lease's end.
    return response_->entries().empty() ? status : absl::OkStatus();
  }

  // Those that may have something. Each call begins with another one.
  std::vector<Database*> DatabasesInTurn(const LeaseRequest& wanted) const {
    std::vector<Database*> databases = registry_->List();
    std::erase_if(databases, [&](Database* database) {
      return !database->outbox().MayHavePending(wanted.fingerprints);
    });
    if (databases.empty()) return databases;
    static std::atomic<uint64_t> next = 0;
    std::rotate(databases.begin(),
                databases.begin() + next.fetch_add(1) % databases.size(),
                databases.end());
    return databases;
  }

  // First each database gets its share, so that one with much to embed does not
  // keep the others waiting, then whoever has more what is left. One that
  // cannot be read, whose error is returned, is passed over.
  absl::Status LeaseFrom(std::vector<Database*> databases,
                         const LeaseRequest& wanted, OutboxClass outbox_class,
                         LeaseBudget& budget) {
    absl::Status first_error;
    for (const bool shared : {true, false}) {
      std::vector<Database*> unfinished;
      for (size_t i = 0; i < databases.size() && !budget.empty(); ++i) {
        LeaseBudget share =
            shared ? budget.ShareOf(databases.size() - i) : budget;
        const LeaseBudget given = share;
        const absl::Status status =
            LeaseFromOne(*databases[i], wanted, outbox_class, share);
        budget.entries -= given.entries - share.entries;
        budget.bytes -= given.bytes - share.bytes;
        first_error.Update(status);
        if (!status.ok()) continue;
        if (databases[i]->outbox().MayHavePending(wanted.fingerprints)) {
          unfinished.push_back(databases[i]);
        }
      }
      databases = std::move(unfinished);
    }
    return first_error;
  }

  absl::Status LeaseFromOne(Database& database, const LeaseRequest& wanted,
                            OutboxClass outbox_class, LeaseBudget& share) {
    ASSIGN_OR_RETURN(ReadPool::Lease reader, database.AcquireReader());
    return database.outbox().Lease(*reader, wanted, outbox_class, share,
                                   *response_);
  }

  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
  grpc::CallbackServerContext* const context_;
  const v1::LeasePendingRequest* const request_;
  v1::LeasePendingResponse* const response_;
  grpc::ServerUnaryReactor* const reactor_;
  const WaitList::Ticket ticket_;
  absl::Time deadline_;
};

}  // namespace

absl::Duration DecodeLeaseDuration(bool is_set,
                                   const google::protobuf::Duration& sent,
                                   FieldViolations& violations) {
  if (!is_set) return kDefaultLease;
  CheckDuration("lease", sent, kMaxLease, violations);
  return ToDuration(sent);
}

grpc::ServerUnaryReactor* BeginPendingLeaseCall(
    DatabaseRegistry* registry, rpc::ThreadPool* pool, const Clock* clock,
    grpc::CallbackServerContext* context,
    const v1::LeasePendingRequest* request,
    v1::LeasePendingResponse* response) {
  const absl::Status valid = CheckLeaseRequest(*request);
  if (!valid.ok()) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    rpc::Finish(reactor, valid);
    return reactor;
  }
  const auto call = std::make_shared<LeaseCall>(registry, pool, clock, context,
                                                request, response);
  // Taken first: the call may be over before GoOn returns.
  grpc::ServerUnaryReactor* reactor = call->reactor();
  call->GoOn();
  return reactor;
}

}  // namespace engram::storage
