#include "services/storage/database_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "google/protobuf/util/time_util.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/request_fields.h"

namespace engram::storage {
namespace {

// How long a stream outlives a client that goes in the moment between looking
// and waiting, when nothing is committed.
constexpr absl::Duration kLookInterval = absl::Seconds(10);

v1::Database ToProto(const Database& database) {
  v1::Database proto;
  proto.set_name(database.name());
  proto.set_position(database.NewestPosition().ToString());
  *proto.mutable_create_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
          database.created_us());
  proto.set_size_bytes(database.SizeBytes());
  return proto;
}

absl::Status ListDatabases(const DatabaseRegistry& registry,
                           const v1::DatabaseServiceListRequest& request,
                           v1::DatabaseServiceListResponse* response) {
  constexpr absl::string_view kList = "databases";
  ASSIGN_OR_RETURN(const int limit, DecodePageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::string last,
                   DecodePageToken(kList, request.page_token()));
  for (const Database* database : registry.List()) {
    if (database->name() <= last) continue;
    if (response->databases_size() == limit) {
      response->set_next_page_token(
          EncodePageToken(kList, response->databases(limit - 1).name()));
      return absl::OkStatus();
    }
    *response->add_databases() = ToProto(*database);
  }
  return absl::OkStatus();
}

// Sends all databases, then those that moved, and waits for the next commit
// without holding a thread.
class DatabaseStream : public rpc::StreamReactor<v1::WatchDatabasesResponse> {
 public:
  DatabaseStream(DatabaseRegistry* registry, rpc::ThreadPool* pool,
                 const Clock* clock, grpc::CallbackServerContext* context)
      : registry_(registry),
        pool_(pool),
        clock_(clock),
        context_(context),
        ticket_(registry->commits().NewTicket()) {}

 private:
  void Next() override {
    const absl::Status queued = pool_->Submit([this] { SendNext(); });
    if (!queued.ok()) End(queued);
  }

  void OnStop() override {
    if (registry_->commits().Remove(ticket_)) {
      End(absl::CancelledError("the client has gone"));
    }
  }

  void SendNext() {
    if (registry_->commits().stopped()) {
      return End(absl::UnavailableError("storage is shutting down"));
    }
    if (context_->IsCancelled()) {
      return End(absl::CancelledError("the client has gone"));
    }
    const uint64_t seen = registry_->commits().version();
    const std::vector<Database*> databases = registry_->List();
    v1::WatchDatabasesResponse response;
    AddDeleted(databases, response);
    // On their own, as one of them may have been created again.
    if (!response.deleted().empty()) return Send(std::move(response));
    for (const Database* database : databases) {
      const int64_t sequence = database->NewestPosition().sequence;
      const auto [sent, is_new] = sent_.try_emplace(database, sequence);
      if (!is_new && sent->second == sequence) continue;
      sent->second = sequence;
      *response.add_databases() = ToProto(*database);
    }
    if (!response.databases().empty()) return Send(std::move(response));
    // Nothing of this object is touched after Add, unless it does not wait.
    switch (registry_->commits().Add(
        ticket_, seen, clock_->Now() + kLookInterval, [this] { Next(); })) {
      case WaitList::Added::kWaiting:
        return;
      case WaitList::Added::kNews:
        return Next();
      case WaitList::Added::kFull:
        return End(absl::ResourceExhaustedError("too many watch databases"));
    }
  }

  // Forgets those that were sent and are there no more.
  void AddDeleted(const std::vector<Database*>& databases,
                  v1::WatchDatabasesResponse& response) {
    for (auto it = sent_.begin(); it != sent_.end();) {
      const auto database = it++;
      if (std::find(databases.begin(), databases.end(), database->first) !=
          databases.end()) {
        continue;
      }
      // Deleted ones live as long as the registry.
      response.add_deleted(database->first->name());
      sent_.erase(database);
    }
  }

  DatabaseRegistry* const registry_;
  rpc::ThreadPool* const pool_;
  const Clock* const clock_;
  grpc::CallbackServerContext* const context_;
  const WaitList::Ticket ticket_;
  // The sequences that were sent; used by one step after the other.
  absl::flat_hash_map<const Database*, int64_t> sent_;
};

}  // namespace

grpc::ServerUnaryReactor* DatabaseService::Create(
    grpc::CallbackServerContext* context,
    const v1::DatabaseServiceCreateRequest* request,
    v1::DatabaseServiceCreateResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const Database* database,
                     registry_->Create(request->database()));
    *response->mutable_database() = ToProto(*database);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* DatabaseService::Get(
    grpc::CallbackServerContext* context,
    const v1::DatabaseServiceGetRequest* request,
    v1::DatabaseServiceGetResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::StatusOr<Database*> database =
      registry_->Find(request->database());
  if (database.ok()) *response->mutable_database() = ToProto(**database);
  rpc::Finish(reactor, database.status());
  return reactor;
}

grpc::ServerUnaryReactor* DatabaseService::List(
    grpc::CallbackServerContext* context,
    const v1::DatabaseServiceListRequest* request,
    v1::DatabaseServiceListResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this] {
    return ListDatabases(*registry_, *request, response);
  });
}

grpc::ServerUnaryReactor* DatabaseService::Delete(
    grpc::CallbackServerContext* context,
    const v1::DatabaseServiceDeleteRequest* request,
    v1::DatabaseServiceDeleteResponse*) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    if (request->confirm() != request->database()) {
      return InvalidField("confirm", "is not the database's name; repeat it");
    }
    return registry_->Delete(request->database());
  });
}

grpc::ServerWriteReactor<v1::WatchDatabasesResponse>*
DatabaseService::WatchDatabases(grpc::CallbackServerContext* context,
                                const v1::WatchDatabasesRequest*) {
  auto* stream = new DatabaseStream(registry_, pool_, clock_, context);
  stream->Begin();
  return stream;
}

}  // namespace engram::storage
