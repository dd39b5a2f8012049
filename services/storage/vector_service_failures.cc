// Texts that cannot be embedded.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/entries_call.h"
#include "services/storage/failure_list.h"
#include "services/storage/failure_writer.h"
#include "services/storage/vector_service.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

class ReportCall
    : public EntriesCall<v1::ReportFailureRequest, v1::ReportFailureResponse,
                         v1::FailureReport, CheckedReport, v1::FailureResult> {
 public:
  using EntriesCall::EntriesCall;

 private:
  CheckedReport Check(const Catalog&, const v1::FailureReport& report,
                      absl::string_view path,
                      FieldViolations& violations) const override {
    return CheckReport(report, path, violations);
  }
  absl::Status Write(WriteTransaction& transaction, Part& part) const override {
    return WriteFailures(transaction, part.database->catalog(), part.entries,
                         &part.results);
  }
  bool Postpone(EmbeddingOutbox& outbox, const CheckedReport& report,
                const v1::FailureResult& result) const override {
    if (result.outcome() != v1::FailureResult::OUTCOME_RETRY) return false;
    outbox.Postpone(report.entry,
                    absl::FromUnixMicros(TimeUtil::TimestampToMicroseconds(
                        result.retry_time())));
    return true;
  }
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
      request, "failures", &request->failures(), response, reactor,
      rpc::DeadlineOf(*context), clock_);
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
