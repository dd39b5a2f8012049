// Texts that cannot be embedded.

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
#include "services/storage/embedding_usage.h"
#include "services/storage/failure_list.h"
#include "services/storage/failure_writer.h"
#include "services/storage/vector_service.h"
#include "services/storage/vector_writer.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

// The reports of one ReportFailure call that go to one database.
struct DatabaseReports {
  Database* database = nullptr;
  std::vector<CheckedReport> reports;
  // Each report's place in the request, what it used, and whether that counts
  // even if it is dropped.
  std::vector<int> places;
  std::vector<v1::EmbeddingUsage> usages;
  std::vector<bool> are_leased;
  std::vector<v1::FailureResult> results;
};

absl::Status WriteReports(WriteTransaction& transaction,
                          DatabaseReports& reports,
                          const std::string& provider) {
  const Catalog& catalog = reports.database->catalog();
  RETURN_IF_ERROR(
      WriteFailures(transaction, catalog, reports.reports, &reports.results));
  UsageSum sum;
  for (size_t i = 0; i < reports.reports.size(); ++i) {
    if (reports.are_leased[i] ||
        reports.results[i].outcome() != v1::FailureResult::OUTCOME_DROPPED) {
      sum.Add(catalog, reports.reports[i].generation, reports.usages[i]);
    }
  }
  return sum.Store(transaction, provider);
}

// One ReportFailure call, which ends when its last database has committed.
class ReportCall : public std::enable_shared_from_this<ReportCall> {
 public:
  ReportCall(const v1::ReportFailureRequest* request,
             v1::ReportFailureResponse* response,
             grpc::ServerUnaryReactor* reactor, absl::Time deadline,
             const Clock* clock)
      : request_(request),
        response_(response),
        deadline_(deadline),
        clock_(clock),
        join_(reactor) {}

  void Start(DatabaseRegistry& registry) {
    const absl::Status status = Decode(registry);
    if (!status.ok()) return join_.End(status);
    for (int i = 0; i < request_->failures_size(); ++i) {
      response_->add_results();
    }
    for (auto& [database, reports] : databases_) Submit(reports);
    join_.End(absl::OkStatus());
  }

 private:
  absl::Status Decode(const DatabaseRegistry& registry) {
    if (request_->failures_size() > kMaxPuts) {
      return InvalidField("failures",
                          absl::StrCat("has ", request_->failures_size(),
                                       " entries; give at most ", kMaxPuts));
    }
    FieldViolations violations;
    CheckProvider(request_->provider(), violations);
    for (int i = 0; i < request_->failures_size(); ++i) {
      const v1::FailureReport& report = request_->failures(i);
      const std::string path = absl::StrCat("failures[", i, "]");
      const absl::StatusOr<Database*> database =
          registry.Find(report.database());
      if (!database.ok()) return WithContext(database.status(), path);
      DatabaseReports& reports = databases_[*database];
      reports.database = *database;
      reports.reports.push_back(CheckReport(report, path, violations));
      CheckUsage(report.usage(), absl::StrCat(path, ".usage"), violations);
      reports.places.push_back(i);
      reports.usages.push_back(report.usage());
      reports.are_leased.push_back(
          (*database)->outbox().Holds(request_->lease_id(), report.entry()));
    }
    return violations.ToStatus();
  }

  void Submit(DatabaseReports& reports) {
    join_.Add();
    reports.database->Submit(
        {.run =
             [this, &reports](WriteTransaction& transaction) {
               return WriteReports(transaction, reports, request_->provider());
             },
         .done =
             [self = shared_from_this(), &reports](absl::Status status) {
               if (status.ok()) self->Take(reports);
               self->join_.End(status);
             },
         .rows = reports.reports.size(),
         .deadline = deadline_});
  }

  // Copies one database's results to their places.
  void Take(DatabaseReports& reports) {
    EmbeddingOutbox& outbox = reports.database->outbox();
    std::vector<AnsweredEntry> answered;
    for (size_t i = 0; i < reports.places.size(); ++i) {
      const CheckedReport& report = reports.reports[i];
      v1::FailureResult& result = reports.results[i];
      if (result.outcome() == v1::FailureResult::OUTCOME_RETRY) {
        outbox.Postpone(report.entry,
                        absl::FromUnixMicros(TimeUtil::TimestampToMicroseconds(
                            result.retry_time())));
      } else {
        const bool has_failed =
            result.outcome() == v1::FailureResult::OUTCOME_FAILED;
        answered.push_back({.entry = report.entry,
                            .generation = has_failed ? report.generation : 0});
      }
      *response_->mutable_results(reports.places[i]) = std::move(result);
    }
    outbox.Release(answered, clock_->Now());
  }

  const v1::ReportFailureRequest* const request_;
  v1::ReportFailureResponse* const response_;
  const absl::Time deadline_;
  const Clock* const clock_;
  std::map<Database*, DatabaseReports> databases_;
  CallJoin join_;
};

// Retries one part after the other, each a write of its own.
void RetrySome(Database* database, absl::Time deadline,
               const std::shared_ptr<const FailureQuery>& query,
               FailureRetry retry, v1::RetryFailuresResponse* response,
               grpc::ServerUnaryReactor* reactor) {
  const auto next = std::make_shared<FailureRetry>();
  database->Submit({.run = [=](WriteTransaction& transaction) -> absl::Status {
                      ASSIGN_OR_RETURN(
                          *next,
                          RetryEmbeddingFailures(
                              transaction, database->catalog(), *query, retry));
                      return absl::OkStatus();
                    },
                    .done =
                        [=](absl::Status status) {
                          if (status.ok() && !next->has_ended) {
                            return RetrySome(database, deadline, query, *next,
                                             response, reactor);
                          }
                          response->set_retried(next->retried);
                          rpc::Finish(reactor, status);
                        },
                    .rows = kMaxFailuresRetried,
                    .deadline = deadline});
}

}  // namespace

grpc::ServerUnaryReactor* VectorService::ReportFailure(
    grpc::CallbackServerContext* context,
    const v1::ReportFailureRequest* request,
    v1::ReportFailureResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const auto call = std::make_shared<ReportCall>(
      request, response, reactor, rpc::DeadlineOf(*context), clock_);
  const absl::Status queued =
      pool_->Submit([this, call] { call->Start(*registry_); });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

grpc::ServerUnaryReactor* VectorService::ListFailures(
    grpc::CallbackServerContext* context,
    const v1::ListFailuresRequest* request,
    v1::ListFailuresResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    return ListEmbeddingFailures(*database, *request, response);
  });
}

grpc::ServerUnaryReactor* VectorService::RetryFailures(
    grpc::CallbackServerContext* context,
    const v1::RetryFailuresRequest* request,
    v1::RetryFailuresResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<Database*> database =
      registry_->Find(request->database());
  absl::StatusOr<FailureQuery> query = DecodeFilter(request->filter());
  absl::Status status = database.status();
  status.Update(query.status());
  if (!status.ok()) {
    rpc::Finish(reactor, status);
    return reactor;
  }
  RetrySome(*database, rpc::DeadlineOf(*context),
            std::make_shared<const FailureQuery>(*std::move(query)), {},
            response, reactor);
  return reactor;
}

}  // namespace engram::storage
