#include "services/storage/record_service.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/read_target.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_id.h"
#include "services/storage/record_reader.h"
#include "services/storage/record_writer.h"
#include "services/storage/request_fields.h"
#include "services/storage/sweeper.h"

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

RecordReader::Body BodyOf(bool typed) {
  return typed ? RecordReader::Body::kTyped : RecordReader::Body::kFields;
}

// Which records a read is about, and how they are answered.
struct Target {
  ReadTarget read;
  std::vector<int> fields;
  RecordReader::Body body;

  // For the time of the call; this object must stay where it is.
  RecordReader NewReader() const {
    return RecordReader(read.connection(), *read.collection, fields, body,
                        read.database->now_us());
  }
};

template <typename Request>
absl::StatusOr<Target> FindTarget(const DatabaseRegistry& registry,
                                  const Request& request) {
  ASSIGN_OR_RETURN(ReadTarget read, FindReadTarget(registry, request.database(),
                                                   request.collection()));
  ASSIGN_OR_RETURN(std::vector<int> fields,
                   DecodeReadMask(*read.collection, request.read_mask()));
  return Target{.read = std::move(read),
                .fields = std::move(fields),
                .body = BodyOf(request.typed())};
}

// Notes a touch if the collection wants it.
void TouchOnGet(const ReadTarget& target, int64_t row) {
  const auto& touch = target.collection->spec.touch;
  if (!touch.has_value() || !touch->on_get) return;
  target.database->Touch(target.collection->id, row);
}

// Queues a write and leaves the rest to the writer, which ends the call.
void StartWrite(DatabaseRegistry& registry,
                grpc::CallbackServerContext* context,
                const v1::WriteRequest& request, v1::WriteResponse* response,
                grpc::ServerUnaryReactor* reactor) {
  const absl::StatusOr<Database*> database = registry.Find(request.database());
  if (!database.ok()) return rpc::Finish(reactor, database.status());
  absl::StatusOr<RecordBatch> batch =
      DecodeBatch((*database)->name(), (*database)->catalog(), request);
  if (!batch.ok()) return rpc::Finish(reactor, batch.status());
  (*database)->Submit(
      {.run = [context, &request, response, database = *database,
               batch = *std::move(batch)](
                  WriteTransaction& transaction) mutable -> absl::Status {
         if (context->IsCancelled()) {
           return absl::CancelledError("the client has gone");
         }
         return WriteRequest(transaction, *database, request, batch, response);
       },
       .done = [reactor](absl::Status status) { rpc::Finish(reactor, status); },
       .rows = static_cast<size_t>(request.items_size()),
       .bytes = request.ByteSizeLong(),
       .deadline = rpc::DeadlineOf(*context)});
}

// Begins a sweep, which ends the call; after an error it does not.
absl::Status StartSweep(const DatabaseRegistry& registry, absl::Time deadline,
                        const v1::SweepExpiredRequest& request,
                        v1::SweepExpiredResponse* response,
                        grpc::ServerUnaryReactor* reactor) {
  ASSIGN_OR_RETURN(Database * database, registry.Find(request.database()));
  std::vector<std::string> collections;
  if (!request.collection().empty()) {
    ASSIGN_OR_RETURN(
        const CollectionPtr collection,
        database->catalog().Get(database->name(), request.collection()));
    collections.push_back(collection->name());
  }
  Sweep::Start(*database, std::move(collections), deadline,
               [=](const absl::Status& status, const SweepResult& result) {
                 response->set_expired(result.expired);
                 response->set_purged(result.purged);
                 response->set_position(
                     database->PositionAt(result.sequence).ToString());
                 rpc::Finish(reactor, status);
               });
  return absl::OkStatus();
}

absl::Status GetRecord(const DatabaseRegistry& registry,
                       const v1::RecordServiceGetRequest& request,
                       v1::RecordServiceGetResponse* response) {
  ASSIGN_OR_RETURN(const Target target, FindTarget(registry, request));
  RETURN_IF_ERROR(CheckId(request.id(), "id"));
  ASSIGN_OR_RETURN(
      const std::optional<int64_t> row,
      target.NewReader().ReadById(request.id(), response->mutable_record()));
  if (!row.has_value()) return RecordUnknown(request);
  TouchOnGet(target.read, *row);
  return absl::OkStatus();
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
  RecordReader records = target.NewReader();
  for (const std::string& id : request.ids()) {
    v1::Record* record = response->add_records();
    ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                     records.ReadById(id, record));
    if (row.has_value()) {
      TouchOnGet(target.read, *row);
      continue;
    }
    response->mutable_records()->RemoveLast();
    response->add_missing_ids(id);
  }
  ASSIGN_OR_RETURN(*response->mutable_position(), target.read.ReadPosition());
  return absl::OkStatus();
}

absl::Status ListRecords(const DatabaseRegistry& registry,
                         const v1::RecordServiceListRequest& request,
                         v1::RecordServiceListResponse* response) {
  ASSIGN_OR_RETURN(const Target target, FindTarget(registry, request));
  ASSIGN_OR_RETURN(const int limit, DecodePageSize(request.page_size()));
  const std::string list =
      absl::StrCat("records/", target.read.database->name(), "/",
                   target.read.collection->name());
  ASSIGN_OR_RETURN(const std::string token,
                   DecodePageToken(list, request.page_token()));
  int64_t row = 0;
  if (!token.empty() && !absl::SimpleAtoi(token, &row)) {
    return InvalidField("page_token", "is not a token that this list returned");
  }
  ASSIGN_OR_RETURN(const std::optional<int64_t> last,
                   target.NewReader().ReadPage(row, limit, response));
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
  if (request->items_size() <= kMaxInlineItems &&
      request->ByteSizeLong() <= kMaxInlineBytes) {
    StartWrite(*registry_, context, *request, response, reactor);
    return reactor;
  }
  const absl::Status queued = pool_->Submit([=, this] {
    StartWrite(*registry_, context, *request, response, reactor);
  });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

grpc::ServerUnaryReactor* RecordService::SweepExpired(
    grpc::CallbackServerContext* context,
    const v1::SweepExpiredRequest* request,
    v1::SweepExpiredResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status started = StartSweep(*registry_, rpc::DeadlineOf(*context),
                                          *request, response, reactor);
  if (!started.ok()) rpc::Finish(reactor, started);
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
