// RecordService's SQL for people.

#include <memory>
#include <utility>

#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_service.h"
#include "services/storage/sql_query.h"

namespace engram::storage {
namespace {

// Each may hold a thread, a processor and its budget of memory for as long as a
// query may work.
constexpr int kMaxQueries = 2;
constexpr absl::Duration kRetryAfter = absl::Seconds(1);

// Counts the queries that run or wait for a thread, as one of them, for as long
// as it lives.
class QuerySlot {
 public:
  explicit QuerySlot(std::atomic<int>& running) : running_(running) {
    ++running_;
  }
  ~QuerySlot() { --running_; }
  QuerySlot(const QuerySlot&) = delete;
  QuerySlot& operator=(const QuerySlot&) = delete;

  absl::Status Check() const {
    if (running_ <= kMaxQueries) return absl::OkStatus();
    return WithRetryDelay(
        absl::ResourceExhaustedError(
            "other SQL queries are running, as many as may at once"),
        kRetryAfter);
  }

 private:
  std::atomic<int>& running_;
};

}  // namespace

grpc::ServerUnaryReactor* RecordService::Query(
    grpc::CallbackServerContext* context, const v1::QueryRequest* request,
    v1::QueryResponse* response) {
  // Before the pool, whose threads the queries that run may all hold.
  auto slot = std::make_unique<QuerySlot>(running_queries_);
  if (const absl::Status free = slot->Check(); !free.ok()) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    rpc::Finish(reactor, free);
    return reactor;
  }
  return rpc::RunUnary(
      *pool_, context,
      [=, this, slot = std::move(slot)]() mutable -> absl::Status {
        // Given back before the call ends: its client may ask again at once.
        const std::unique_ptr<QuerySlot> held = std::move(slot);
        ASSIGN_OR_RETURN(Database * database,
                         registry_->Find(request->database()));
        const CallBounds bounds = {
            .deadline = rpc::DeadlineOf(*context),
            .is_cancelled = [context] { return context->IsCancelled(); }};
        return RunSqlQuery(*database, *request, bounds, {}, response);
      });
}

}  // namespace engram::storage
