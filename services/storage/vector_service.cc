#include "services/storage/vector_service.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/call_join.h"
#include "services/storage/embedding_outbox.h"
#include "services/storage/embedding_usage.h"
#include "services/storage/pending_lease_call.h"
#include "services/storage/vector_writer.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

// The puts of one PutVectors call that go to one database.
struct DatabasePuts {
  Database* database = nullptr;
  std::vector<CheckedPut> puts;
  // Each put's place in the request, what it used, and whether that counts even
  // if it is dropped.
  std::vector<int> places;
  std::vector<v1::EmbeddingUsage> usages;
  std::vector<bool> are_leased;
  std::vector<v1::PutResult> results;
};

absl::Status WritePuts(WriteTransaction& transaction, DatabasePuts& puts,
                       const std::string& provider) {
  const Catalog& catalog = puts.database->catalog();
  RETURN_IF_ERROR(WriteVectors(transaction, puts.database->name(), catalog,
                               puts.puts, &puts.results));
  UsageSum sum;
  for (size_t i = 0; i < puts.puts.size(); ++i) {
    if (puts.are_leased[i] ||
        puts.results[i].outcome() == v1::PutResult::OUTCOME_STORED) {
      sum.Add(catalog, puts.puts[i].generation, puts.usages[i]);
    }
  }
  return sum.Store(transaction, provider);
}

// One PutVectors call, which ends when its last database has committed.
class PutCall : public std::enable_shared_from_this<PutCall> {
 public:
  PutCall(const v1::PutVectorsRequest* request,
          v1::PutVectorsResponse* response, grpc::ServerUnaryReactor* reactor,
          absl::Time deadline, const Clock* clock)
      : request_(request),
        response_(response),
        deadline_(deadline),
        clock_(clock),
        join_(reactor) {}

  void Start(DatabaseRegistry& registry) {
    const absl::Status status = Decode(registry);
    if (!status.ok()) return join_.End(status);
    for (int i = 0; i < request_->puts_size(); ++i) response_->add_results();
    for (auto& [database, puts] : databases_) Submit(puts);
    join_.End(absl::OkStatus());
  }

 private:
  absl::Status Decode(const DatabaseRegistry& registry) {
    if (request_->puts_size() > kMaxPuts) {
      return InvalidField("puts",
                          absl::StrCat("has ", request_->puts_size(),
                                       " entries; give at most ", kMaxPuts));
    }
    FieldViolations violations;
    CheckProvider(request_->provider(), violations);
    for (int i = 0; i < request_->puts_size(); ++i) {
      const v1::VectorPut& put = request_->puts(i);
      const std::string path = absl::StrCat("puts[", i, "]");
      const absl::StatusOr<Database*> database = registry.Find(put.database());
      if (!database.ok()) return WithContext(database.status(), path);
      DatabasePuts& puts = databases_[*database];
      puts.database = *database;
      puts.puts.push_back(
          CheckPut((*database)->catalog(), put, path, violations));
      CheckUsage(put.usage(), absl::StrCat(path, ".usage"), violations);
      puts.places.push_back(i);
      puts.usages.push_back(put.usage());
      puts.are_leased.push_back(
          (*database)->outbox().Holds(request_->lease_id(), put.entry()));
    }
    return violations.ToStatus();
  }

  void Submit(DatabasePuts& puts) {
    size_t bytes = 0;
    for (const CheckedPut& put : puts.puts) {
      for (const CheckedChunk& chunk : put.chunks) bytes += chunk.vector.size();
    }
    join_.Add();
    puts.database->Submit(
        {.run =
             [this, &puts](WriteTransaction& transaction) {
               return WritePuts(transaction, puts, request_->provider());
             },
         .done =
             [self = shared_from_this(), &puts](absl::Status status) {
               if (status.ok()) self->Take(puts);
               self->join_.End(status);
             },
         .rows = puts.puts.size(),
         .bytes = bytes,
         .deadline = deadline_});
  }

  // Copies one database's results to their places.
  void Take(DatabasePuts& puts) {
    std::vector<AnsweredEntry> answered;
    for (size_t i = 0; i < puts.places.size(); ++i) {
      const bool is_stored =
          puts.results[i].outcome() == v1::PutResult::OUTCOME_STORED;
      answered.push_back(
          {.entry = puts.puts[i].entry,
           .generation = is_stored ? puts.puts[i].generation : 0});
      // Places differ from one database to another, so this needs no lock.
      *response_->mutable_results(puts.places[i]) = std::move(puts.results[i]);
    }
    puts.database->outbox().Release(answered, clock_->Now());
  }

  const v1::PutVectorsRequest* const request_;
  v1::PutVectorsResponse* const response_;
  const absl::Time deadline_;
  const Clock* const clock_;
  std::map<Database*, DatabasePuts> databases_;
  CallJoin join_;
};

absl::Status ExtendLeases(DatabaseRegistry& registry, absl::Time now,
                          const v1::ExtendLeaseRequest& request,
                          v1::ExtendLeaseResponse* response) {
  FieldViolations violations;
  if (request.lease_id() == 0) {
    violations.Add("lease_id", "is missing; give that of LeasePending");
  }
  if (request.entries_size() > kMaxPuts) {
    violations.Add("entries", absl::StrCat("has ", request.entries_size(),
                                           "; give at most ", kMaxPuts));
  }
  const absl::Duration lease =
      DecodeLeaseDuration(request.has_lease(), request.lease(), violations);
  RETURN_IF_ERROR(violations.ToStatus());
  std::map<std::string, std::vector<int64_t>> by_database;
  for (const v1::LeasedEntry& entry : request.entries()) {
    by_database[entry.database()].push_back(entry.entry());
  }
  for (const auto& [name, entries] : by_database) {
    const absl::StatusOr<Database*> database = registry.Find(name);
    // Deleted meanwhile, and its texts with it.
    if (absl::IsNotFound(database.status())) continue;
    RETURN_IF_ERROR(database.status());
    for (const int64_t entry : (*database)->outbox().Extend(
             request.lease_id(), entries, now, now + lease)) {
      v1::LeasedEntry& lost = *response->add_lost();
      lost.set_database(name);
      lost.set_entry(entry);
    }
  }
  *response->mutable_lease_expire_time() =
      TimeUtil::MicrosecondsToTimestamp(absl::ToUnixMicros(now + lease));
  // What was given back may be what others wait for.
  if (lease == absl::ZeroDuration()) registry.pending().Notify();
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* VectorService::LeasePending(
    grpc::CallbackServerContext* context,
    const v1::LeasePendingRequest* request,
    v1::LeasePendingResponse* response) {
  return BeginPendingLeaseCall(registry_, pool_, clock_, context, request,
                               response);
}

grpc::ServerUnaryReactor* VectorService::ExtendLease(
    grpc::CallbackServerContext* context, const v1::ExtendLeaseRequest* request,
    v1::ExtendLeaseResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    return ExtendLeases(*registry_, clock_->Now(), *request, response);
  });
}

grpc::ServerUnaryReactor* VectorService::PutVectors(
    grpc::CallbackServerContext* context, const v1::PutVectorsRequest* request,
    v1::PutVectorsResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto call = std::make_shared<PutCall>(
      request, response, reactor, rpc::DeadlineOf(*context), clock_);
  const absl::Status queued =
      pool_->Submit([this, call] { call->Start(*registry_); });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

}  // namespace engram::storage
