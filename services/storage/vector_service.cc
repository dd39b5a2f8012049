#include "services/storage/vector_service.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "google/protobuf/util/time_util.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/coverage.h"
#include "services/storage/embedding_outbox.h"
#include "services/storage/vector_writer.h"

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
  CheckDuration("lease", request.lease(), kMaxLease, violations);
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
    const absl::Duration lease =
        request_->has_lease() ? ToDuration(request_->lease()) : kDefaultLease;
    LeaseRequest wanted = {
        .entries = request_->max_entries() == 0
                       ? kDefaultLeaseEntries
                       : std::min(request_->max_entries(), kMaxLeaseEntries),
        .bytes = request_->max_bytes() == 0
                     ? kMaxLeaseBytes
                     : std::min(request_->max_bytes(), kMaxLeaseBytes),
        .now = clock_->Now(),
        .expire = clock_->Now() + lease};
    wanted.fingerprints.insert(request_->fingerprints().begin(),
                               request_->fingerprints().end());
    *response_->mutable_lease_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(wanted.expire));
    std::vector<Database*> databases = registry_->List();
    if (databases.empty()) return absl::OkStatus();
    // Each call begins with another database, so that one with much to embed
    // does not keep the others waiting.
    static std::atomic<uint64_t> next = 0;
    std::rotate(databases.begin(),
                databases.begin() + next.fetch_add(1) % databases.size(),
                databases.end());
    for (Database* database : databases) {
      if (wanted.entries <= 0 || wanted.bytes <= 0) break;
      if (!database->outbox().MayHavePending()) continue;
      ASSIGN_OR_RETURN(ReadPool::Lease reader, database->AcquireReader());
      RETURN_IF_ERROR(database->outbox().Lease(*reader, wanted, *response_));
    }
    return absl::OkStatus();
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

// The puts of one PutVectors call that go to one database.
struct DatabasePuts {
  Database* database = nullptr;
  std::vector<CheckedPut> puts;
  // Each put's place in the request.
  std::vector<int> places;
  std::vector<v1::PutResult> results;
};

// One PutVectors call, which ends when its last database has committed.
class PutCall : public std::enable_shared_from_this<PutCall> {
 public:
  PutCall(const v1::PutVectorsRequest* request,
          v1::PutVectorsResponse* response, grpc::ServerUnaryReactor* reactor,
          absl::Time deadline)
      : request_(request),
        response_(response),
        reactor_(reactor),
        deadline_(deadline) {}

  void Start(DatabaseRegistry& registry) {
    const absl::Status status = Decode(registry);
    if (!status.ok()) return rpc::Finish(reactor_, status);
    for (int i = 0; i < request_->puts_size(); ++i) response_->add_results();
    {
      absl::MutexLock lock(&mutex_);
      // One more than there are, so that the call cannot end within the loop.
      unfinished_ = static_cast<int>(databases_.size()) + 1;
    }
    for (auto& [database, puts] : databases_) Submit(puts);
    FinishOne(absl::OkStatus());
  }

 private:
  absl::Status Decode(const DatabaseRegistry& registry) {
    if (request_->puts_size() > kMaxPuts) {
      return InvalidField("puts",
                          absl::StrCat("has ", request_->puts_size(),
                                       " entries; give at most ", kMaxPuts));
    }
    FieldViolations violations;
    for (int i = 0; i < request_->puts_size(); ++i) {
      const v1::VectorPut& put = request_->puts(i);
      const std::string path = absl::StrCat("puts[", i, "]");
      const absl::StatusOr<Database*> database = registry.Find(put.database());
      if (!database.ok()) return WithContext(database.status(), path);
      DatabasePuts& puts = databases_[*database];
      puts.database = *database;
      puts.puts.push_back(
          CheckPut((*database)->catalog(), put, path, violations));
      puts.places.push_back(i);
    }
    return violations.ToStatus();
  }

  void Submit(DatabasePuts& puts) {
    size_t bytes = 0;
    for (const CheckedPut& put : puts.puts) {
      for (const CheckedChunk& chunk : put.chunks) bytes += chunk.vector.size();
    }
    puts.database->Submit(
        {.run =
             [&puts](WriteTransaction& transaction) {
               return WriteVectors(transaction, puts.database->name(),
                                   puts.database->catalog(), puts.puts,
                                   &puts.results);
             },
         .done =
             [self = shared_from_this(), &puts](absl::Status status) {
               if (status.ok()) self->Take(puts);
               self->FinishOne(status);
             },
         .rows = puts.puts.size(),
         .bytes = bytes,
         .deadline = deadline_});
  }

  // Copies one database's results to their places.
  void Take(DatabasePuts& puts) {
    std::vector<int64_t> entries;
    for (size_t i = 0; i < puts.places.size(); ++i) {
      // Places differ from one database to another, so this needs no lock.
      *response_->mutable_results(puts.places[i]) = std::move(puts.results[i]);
      entries.push_back(puts.puts[i].entry);
    }
    puts.database->outbox().Release(entries);
  }

  void FinishOne(const absl::Status& status) {
    absl::Status result;
    {
      absl::MutexLock lock(&mutex_);
      status_.Update(status);
      if (--unfinished_ > 0) return;
      result = status_;
    }
    rpc::Finish(reactor_, result);
  }

  const v1::PutVectorsRequest* const request_;
  v1::PutVectorsResponse* const response_;
  grpc::ServerUnaryReactor* const reactor_;
  const absl::Time deadline_;
  std::map<Database*, DatabasePuts> databases_;

  absl::Mutex mutex_;
  int unfinished_ ABSL_GUARDED_BY(mutex_) = 0;
  // The first error.
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

grpc::ServerUnaryReactor* VectorService::LeasePending(
    grpc::CallbackServerContext* context,
    const v1::LeasePendingRequest* request,
    v1::LeasePendingResponse* response) {
  const absl::Status valid = CheckLeaseRequest(*request);
  if (!valid.ok()) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    rpc::Finish(reactor, valid);
    return reactor;
  }
  const auto call = std::make_shared<LeaseCall>(registry_, pool_, clock_,
                                                context, request, response);
  // Taken first: the call may be over before GoOn returns.
  grpc::ServerUnaryReactor* reactor = call->reactor();
  call->GoOn();
  return reactor;
}

grpc::ServerUnaryReactor* VectorService::PutVectors(
    grpc::CallbackServerContext* context, const v1::PutVectorsRequest* request,
    v1::PutVectorsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto call = std::make_shared<PutCall>(request, response, reactor,
                                              rpc::DeadlineOf(*context));
  const absl::Status queued =
      pool_->Submit([this, call] { call->Start(*registry_); });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

grpc::ServerUnaryReactor* VectorService::GetCoverage(
    grpc::CallbackServerContext* context, const v1::GetCoverageRequest* request,
    v1::GetCoverageResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    return ReadCoverage(*database, request->collection(), response);
  });
}

}  // namespace engram::storage
