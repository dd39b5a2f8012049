#include "services/storage/record_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/rpc/reactors.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/change_log.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_id.h"
#include "services/storage/record_reader.h"
#include "services/storage/record_writer.h"
#include "services/storage/request_fields.h"

namespace engram::storage {
namespace {

// Requests up to this size are decoded in gRPC's own thread; larger ones would
// hold it for more than some 200 us.
constexpr int kMaxInlineItems = 16;
constexpr size_t kMaxInlineBytes = 64 << 10;

constexpr int kMaxBatchGetIds = 1000;

absl::Status CheckId(absl::string_view id, absl::string_view path) {
  const std::optional<std::string> problem = FindRecordIdProblem(id);
  return problem.has_value() ? InvalidField(path, *problem) : absl::OkStatus();
}

absl::Status RecordUnknown(const v1::RecordServiceGetRequest& request) {
  return MakeError(absl::StatusCode::kNotFound,
                   common::v1::ERROR_REASON_RECORD_UNKNOWN,
                   absl::StrCat("collection \"", request.collection(),
                                "\" has no record \"", request.id(), "\""),
                   {{"database", request.database()},
                    {"collection", request.collection()},
                    {"id", request.id()}});
}

// What every read needs first.
struct Target {
  Database* database;
  CollectionPtr collection;
  std::vector<int> fields;
};

template <typename Request>
absl::StatusOr<Target> FindTarget(const DatabaseRegistry& registry,
                                  const Request& request) {
  Target target;
  ASSIGN_OR_RETURN(target.database, registry.Find(request.database()));
  ASSIGN_OR_RETURN(target.collection,
                   target.database->catalog().Get(target.database->name(),
                                                  request.collection()));
  ASSIGN_OR_RETURN(target.fields,
                   DecodeReadMask(*target.collection, request.read_mask()));
  return target;
}

// Queues a write and leaves the rest to the writer, which ends the call.
void StartWrite(DatabaseRegistry& registry, absl::Time deadline,
                const v1::WriteRequest& request, v1::WriteResponse* response,
                grpc::ServerUnaryReactor* reactor) {
  const absl::StatusOr<Database*> database = registry.Find(request.database());
  if (!database.ok()) return rpc::Finish(reactor, database.status());
  absl::StatusOr<RecordBatch> batch =
      DecodeBatch((*database)->name(), (*database)->catalog(), request);
  if (!batch.ok()) return rpc::Finish(reactor, batch.status());
  const std::string& name = (*database)->name();
  (*database)->Submit(
      {.run =
           [&name, response,
            batch = *std::move(batch)](WriteTransaction& transaction) {
             return WriteRecords(transaction, name, batch, response);
           },
       .done = [reactor](absl::Status status) { rpc::Finish(reactor, status); },
       .rows = static_cast<size_t>(request.items_size()),
       .bytes = request.ByteSizeLong(),
       .deadline = deadline});
}

absl::Status GetRecord(const DatabaseRegistry& registry,
                       const v1::RecordServiceGetRequest& request,
                       v1::RecordServiceGetResponse* response) {
  ASSIGN_OR_RETURN(const Target target, FindTarget(registry, request));
  RETURN_IF_ERROR(CheckId(request.id(), "id"));
  ASSIGN_OR_RETURN(ReadPool::Lease reader, target.database->AcquireReader());
  ASSIGN_OR_RETURN(const bool found,
                   RecordReader(*reader, *target.collection, target.fields)
                       .ReadById(request.id(), response->mutable_record()));
  return found ? absl::OkStatus() : RecordUnknown(request);
}

absl::Status GetRecords(const DatabaseRegistry& registry,
                        const v1::BatchGetRequest& request,
                        v1::BatchGetResponse* response) {
  ASSIGN_OR_RETURN(const Target target, FindTarget(registry, request));
  if (request.ids_size() == 0 || request.ids_size() > kMaxBatchGetIds) {
    return InvalidField(
        "ids", absl::StrCat("has ", request.ids_size(), " entries; give 1 to ",
                            kMaxBatchGetIds));
  }
  for (int i = 0; i < request.ids_size(); ++i) {
    RETURN_IF_ERROR(CheckId(request.ids(i), absl::StrCat("ids[", i, "]")));
  }
  ASSIGN_OR_RETURN(ReadPool::Lease reader, target.database->AcquireReader());
  ASSIGN_OR_RETURN(
      sqlite::Transaction snapshot,
      sqlite::Transaction::Begin(*reader, sqlite::Transaction::Kind::kRead));
  RecordReader records(*reader, *target.collection, target.fields);
  for (const std::string& id : request.ids()) {
    v1::Record* record = response->add_records();
    ASSIGN_OR_RETURN(const bool found, records.ReadById(id, record));
    if (found) continue;
    response->mutable_records()->RemoveLast();
    response->add_missing_ids(id);
  }
  ASSIGN_OR_RETURN(const LogHead head,
                   ReadHead(*reader, target.database->epoch()));
  response->set_position(target.database->PositionAt(head.sequence).ToString());
  return absl::OkStatus();
}

absl::Status ListRecords(const DatabaseRegistry& registry,
                         const v1::RecordServiceListRequest& request,
                         v1::RecordServiceListResponse* response) {
  ASSIGN_OR_RETURN(const Target target, FindTarget(registry, request));
  ASSIGN_OR_RETURN(const int limit, DecodePageSize(request.page_size()));
  const std::string list = absl::StrCat("records/", target.database->name(),
                                        "/", target.collection->name());
  ASSIGN_OR_RETURN(const std::string token,
                   DecodePageToken(list, request.page_token()));
  int64_t row = 0;
  if (!token.empty() && !absl::SimpleAtoi(token, &row)) {
    return InvalidField("page_token", "is not a token that this list returned");
  }
  ASSIGN_OR_RETURN(ReadPool::Lease reader, target.database->AcquireReader());
  ASSIGN_OR_RETURN(const std::optional<int64_t> last,
                   RecordReader(*reader, *target.collection, target.fields)
                       .ReadPage(row, limit, response));
  if (last.has_value()) {
    response->set_next_page_token(EncodePageToken(list, absl::StrCat(*last)));
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* RecordService::Write(
    grpc::CallbackServerContext* context, const v1::WriteRequest* request,
    v1::WriteResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Time deadline = rpc::DeadlineOf(*context);
  if (request->items_size() <= kMaxInlineItems &&
      request->ByteSizeLong() <= kMaxInlineBytes) {
    StartWrite(*registry_, deadline, *request, response, reactor);
    return reactor;
  }
  const absl::Status queued = pool_->Submit([=, this] {
    StartWrite(*registry_, deadline, *request, response, reactor);
  });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

grpc::ServerUnaryReactor* RecordService::Get(
    grpc::CallbackServerContext* context,
    const v1::RecordServiceGetRequest* request,
    v1::RecordServiceGetResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  rpc::Finish(reactor, GetRecord(*registry_, *request, response));
  return reactor;
}

grpc::ServerUnaryReactor* RecordService::BatchGet(
    grpc::CallbackServerContext* context, const v1::BatchGetRequest* request,
    v1::BatchGetResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this] {
    return GetRecords(*registry_, *request, response);
  });
}

grpc::ServerUnaryReactor* RecordService::List(
    grpc::CallbackServerContext* context,
    const v1::RecordServiceListRequest* request,
    v1::RecordServiceListResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this] {
    return ListRecords(*registry_, *request, response);
  });
}

}  // namespace engram::storage
