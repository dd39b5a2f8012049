// What an operator sees of embedding, and its pauses.

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/backlog.h"
#include "services/storage/coverage.h"
#include "services/storage/embedding_usage.h"
#include "services/storage/vector_get.h"
#include "services/storage/vector_service.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

constexpr int kMaxBacklogFields = 10'000;
constexpr size_t kMaxUsageRows = 20'000;
constexpr int64_t kDefaultUsageHours = 24;
constexpr int64_t kHourSeconds = 3600;

// The one that is named, or all.
absl::StatusOr<std::vector<Database*>> FindDatabases(
    const DatabaseRegistry& registry, const std::string& name) {
  if (name.empty()) return registry.List();
  ASSIGN_OR_RETURN(Database * database, registry.Find(name));
  return std::vector<Database*>{database};
}

template <typename Response>
void EncodePauses(const DatabaseRegistry& registry, Response* response) {
  for (const EmbeddingPause& pause : registry.Pauses()) {
    v1::EmbeddingPause& out = *response->add_pauses();
    out.set_database(pause.database);
    out.set_collection(pause.collection);
    out.set_provider(pause.provider);
    *out.mutable_create_time() =
        TimeUtil::MicrosecondsToTimestamp(pause.created_us);
  }
}

absl::Status CheckPause(const DatabaseRegistry& registry,
                        const v1::SetPauseRequest& request) {
  FieldViolations violations;
  if (request.database().empty() && !request.collection().empty()) {
    violations.Add("database", "is missing; name the collection's");
  }
  CheckProvider(request.provider(), violations);
  RETURN_IF_ERROR(violations.ToStatus());
  // What is gone can be taken off the list.
  if (!request.paused() || request.database().empty()) return absl::OkStatus();
  ASSIGN_OR_RETURN(Database * database, registry.Find(request.database()));
  if (request.collection().empty()) return absl::OkStatus();
  return database->catalog()
      .Get(request.database(), request.collection())
      .status();
}

// Which hours are asked for, and how many make a row; 0 is all of them.
struct UsageWindow {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t interval = 0;
};

absl::StatusOr<UsageWindow> DecodeUsage(const v1::GetUsageRequest& request,
                                        absl::Time now) {
  FieldViolations violations;
  UsageWindow window;
  const auto& interval = request.interval();
  if (interval.seconds() < 0 || interval.seconds() % kHourSeconds != 0 ||
      interval.nanos() != 0) {
    violations.Add("interval", "is not a number of whole hours");
  }
  window.interval = interval.seconds() / kHourSeconds;
  // The hour that has begun counts.
  window.end =
      (request.has_end_time()
           ? TimeUtil::TimestampToSeconds(request.end_time()) + kHourSeconds - 1
           : absl::ToUnixSeconds(now) + kHourSeconds) /
      kHourSeconds;
  window.begin =
      request.has_start_time()
          ? TimeUtil::TimestampToSeconds(request.start_time()) / kHourSeconds
          : window.end - kDefaultUsageHours;
  if (window.begin >= window.end) {
    violations.Add("start_time", "is not before `end_time`");
  }
  RETURN_IF_ERROR(violations.ToStatus());
  return window;
}

// Adds one database's rows.
absl::Status ReadUsage(Database& database, const UsageWindow& window,
                       v1::GetUsageResponse* response) {
  // By start, provider and model.
  std::map<std::tuple<int64_t, std::string, std::string>, v1::EmbeddingUsage>
      sums;
  ASSIGN_OR_RETURN(ReadPool::Lease reader, database.AcquireReader());
  RETURN_IF_ERROR(VisitUsage(
      *reader, window.begin, window.end,
      [&](const HourUsage& hour) -> absl::Status {
        const int64_t start = window.interval == 0
                                  ? window.begin
                                  : hour.hour - hour.hour % window.interval;
        AddUsage(hour.usage, sums[{start, hour.provider, hour.model}]);
        if (sums.size() + response->rows_size() <= kMaxUsageRows) {
          return absl::OkStatus();
        }
        return absl::ResourceExhaustedError(
            absl::StrCat("the usage has more than ", kMaxUsageRows,
                         " rows; ask for less at once, or a longer interval"));
      }));
  for (const auto& [key, usage] : sums) {
    const auto& [start, provider, model] = key;
    v1::UsageRow& row = *response->add_rows();
    row.set_database(database.name());
    row.set_provider(provider);
    row.set_model(model);
    *row.mutable_start_time() =
        TimeUtil::SecondsToTimestamp(start * kHourSeconds);
    *row.mutable_usage() = usage;
  }
  return absl::OkStatus();
}

}  // namespace

grpc::ServerUnaryReactor* VectorService::GetVectors(
    grpc::CallbackServerContext* context, const v1::GetVectorsRequest* request,
    v1::GetVectorsResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    return GetRecordVectors(*database, *request, response);
  });
}

grpc::ServerUnaryReactor* VectorService::GetCoverage(
    grpc::CallbackServerContext* context, const v1::GetCoverageRequest* request,
    v1::GetCoverageResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(Database * database, registry_->Find(request->database()));
    return ReadCoverage(*database, request->collection(), response);
  });
}

grpc::ServerUnaryReactor* VectorService::GetBacklog(
    grpc::CallbackServerContext* context, const v1::GetBacklogRequest* request,
    v1::GetBacklogResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const std::vector<Database*> databases,
                     FindDatabases(*registry_, request->database()));
    const std::vector<EmbeddingPause> pauses = registry_->Pauses();
    for (Database* const database : databases) {
      RETURN_IF_ERROR(ReadBacklog(*database, pauses, clock_->Now(), response));
      if (response->fields_size() > kMaxBacklogFields) {
        return absl::ResourceExhaustedError(
            absl::StrCat("there are more than ", kMaxBacklogFields,
                         " vector fields; name a database"));
      }
    }
    EncodePauses(*registry_, response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* VectorService::SetPause(
    grpc::CallbackServerContext* context, const v1::SetPauseRequest* request,
    v1::SetPauseResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    RETURN_IF_ERROR(CheckPause(*registry_, *request));
    RETURN_IF_ERROR(
        registry_->SetPause({.database = request->database(),
                             .collection = request->collection(),
                             .provider = request->provider(),
                             .created_us = absl::ToUnixMicros(clock_->Now())},
                            request->paused()));
    EncodePauses(*registry_, response);
    return absl::OkStatus();
  });
}

grpc::ServerUnaryReactor* VectorService::GetUsage(
    grpc::CallbackServerContext* context, const v1::GetUsageRequest* request,
    v1::GetUsageResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this]() -> absl::Status {
    ASSIGN_OR_RETURN(const UsageWindow window,
                     DecodeUsage(*request, clock_->Now()));
    ASSIGN_OR_RETURN(const std::vector<Database*> databases,
                     FindDatabases(*registry_, request->database()));
    for (Database* const database : databases) {
      RETURN_IF_ERROR(ReadUsage(*database, window, response));
    }
    return absl::OkStatus();
  });
}

}  // namespace engram::storage
