#include "services/storage/vector_service.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/embedding_outbox.h"
#include "services/storage/entries_call.h"
#include "services/storage/pending_lease_call.h"
#include "services/storage/vector_writer.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

class PutCall
    : public EntriesCall<v1::PutVectorsRequest, v1::PutVectorsResponse,
                         v1::VectorPut, CheckedPut, v1::PutResult> {
 public:
  using EntriesCall::EntriesCall;

 private:
  CheckedPut Check(const Catalog& catalog, const v1::VectorPut& put,
                   absl::string_view path,
                   FieldViolations& violations) const override {
    return CheckPut(catalog, put, path, violations);
  }
  absl::Status Write(WriteTransaction& transaction, Part& part) const override {
    return WriteVectors(transaction, part.database->name(),
                        part.database->catalog(), part.entries, &part.results);
  }
  size_t Bytes(const CheckedPut& put) const override {
    size_t bytes = 0;
    for (const CheckedChunk& chunk : put.chunks) bytes += chunk.vector.size();
    return bytes;
  }
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
  const auto call =
      std::make_shared<PutCall>(request, "puts", &request->puts(), response,
                                reactor, rpc::DeadlineOf(*context), clock_);
  const absl::Status queued =
      pool_->Submit([this, call] { call->Start(*registry_); });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

}  // namespace engram::storage
