#include "services/storage/cache_service.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/rpc/reactors.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/cache_deleter.h"
#include "services/storage/cache_reader.h"
#include "services/storage/cache_request.h"
#include "services/storage/cache_setter.h"
#include "services/storage/cache_target.h"
#include "services/storage/request_fields.h"

namespace engram::storage {
namespace {

// Requests up to this size are decoded in gRPC's own thread; larger ones would
// hold it for more than some 200 us.
constexpr size_t kMaxInlineBytes = 64 << 10;

absl::Status CheckKey(absl::string_view key) {
  FieldViolations violations;
  CheckCacheKey(key, "key", violations);
  return violations.ToStatus();
}

CallBounds BoundsOf(grpc::CallbackServerContext* context) {
  return {.deadline = rpc::DeadlineOf(*context),
          .is_cancelled = [context] { return context->IsCancelled(); }};
}

WhereCall CallOf(grpc::CallbackServerContext* context, rpc::ThreadPool* pool) {
  return {.bounds = BoundsOf(context),
          .run = [pool](absl::AnyInvocable<void()> work) {
            return pool->Submit(std::move(work));
          }};
}

// Ends a call that deletes.
template <typename Response>
EntriesDeleted FinishDelete(grpc::ServerUnaryReactor* reactor,
                            Response* response) {
  return [=](const absl::StatusOr<int64_t>& deleted) {
    if (deleted.ok()) response->set_deleted(*deleted);
    rpc::Finish(reactor, deleted.status());
  };
}

absl::Status GetEntry(const DatabaseRegistry& registry,
                      const v1::CacheServiceGetRequest& request,
                      v1::CacheServiceGetResponse* response) {
  RETURN_IF_ERROR(CheckKey(request.key()));
  ASSIGN_OR_RETURN(
      const CacheTarget target,
      FindCache(registry, request.database(), request.collection()));
  ASSIGN_OR_RETURN(const bool found,
                   target.Read(request.key(), response->mutable_entry()));
  if (!found) response->clear_entry();
  target.CountRead(found);
  return absl::OkStatus();
}

absl::Status HasEntry(const DatabaseRegistry& registry,
                      const v1::HasRequest& request,
                      v1::HasResponse* response) {
  RETURN_IF_ERROR(CheckKey(request.key()));
  ASSIGN_OR_RETURN(
      const CacheTarget target,
      FindCache(registry, request.database(), request.collection()));
  if (target.cache() == nullptr) return absl::OkStatus();
  ASSIGN_OR_RETURN(
      const bool found,
      HasCacheEntry(*target.database, *target.cache(), request.key()));
  response->set_found(found);
  return absl::OkStatus();
}

// The next three end the call unless they return an error.

absl::Status StartDelete(const DatabaseRegistry& registry,
                         const v1::CacheServiceDeleteRequest& request,
                         absl::Time deadline, EntriesDeleted done) {
  RETURN_IF_ERROR(CheckKey(request.key()));
  ASSIGN_OR_RETURN(
      const CacheTarget target,
      FindCache(registry, request.database(), request.collection()));
  if (target.cache() == nullptr) {
    done(0);
  } else {
    DeleteCacheEntry(*target.database, *target.cache(), request.key(), deadline,
                     std::move(done));
  }
  return absl::OkStatus();
}

absl::Status StartDeleteMatching(const DatabaseRegistry& registry,
                                 const v1::DeleteMatchingRequest& request,
                                 WhereCall call, EntriesDeleted done) {
  FieldViolations violations;
  CachePattern pattern =
      CachePattern::Make(request.pattern(), "pattern", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  ASSIGN_OR_RETURN(
      const CacheTarget target,
      FindCache(registry, request.database(), request.collection()));
  if (target.cache() == nullptr) {
    done(0);
  } else {
    DeleteCacheMatching(*target.database, *target.cache(), std::move(pattern),
                        std::move(call), std::move(done));
  }
  return absl::OkStatus();
}

absl::Status StartClear(const DatabaseRegistry& registry,
                        const v1::ClearRequest& request, WhereCall call,
                        EntriesDeleted done) {
  ASSIGN_OR_RETURN(
      const CacheTarget target,
      FindCache(registry, request.database(), request.collection()));
  if (target.cache() == nullptr) {
    done(0);
    return absl::OkStatus();
  }
  if (!request.category().empty() && target.cache()->category < 0) {
    return CategoryMissing(*target.cache());
  }
  ClearCache(*target.database, *target.cache(), request.category(),
             std::move(call), std::move(done));
  return absl::OkStatus();
}

absl::Status ListKeys(const DatabaseRegistry& registry,
                      const v1::KeysRequest& request, const CallBounds& bounds,
                      v1::KeysResponse* response) {
  KeysWanted wanted;
  FieldViolations violations;
  if (request.has_pattern()) {
    wanted.pattern =
        CachePattern::Make(request.pattern(), "pattern", violations);
  }
  RETURN_IF_ERROR(violations.ToStatus());
  wanted.category = request.category();
  wanted.include_expired = request.include_expired();
  ASSIGN_OR_RETURN(wanted.limit, DecodePageSize(request.page_size()));
  ASSIGN_OR_RETURN(
      const CacheTarget target,
      FindCache(registry, request.database(), request.collection()));
  const std::string list =
      absl::StrCat("cache/", target.database->name(), "/", target.named.name);
  ASSIGN_OR_RETURN(wanted.after, DecodePageToken(list, request.page_token()));
  if (target.cache() == nullptr) return absl::OkStatus();
  if (!wanted.category.empty() && target.cache()->category < 0) {
    return CategoryMissing(*target.cache());
  }
  ASSIGN_OR_RETURN(const std::optional<std::string> last,
                   ReadCacheKeys(*target.database, *target.cache(), wanted,
                                 bounds, response->mutable_keys()));
  if (last.has_value()) {
    response->set_next_page_token(EncodePageToken(list, *last));
  }
  return absl::OkStatus();
}

absl::Status ReadStats(const DatabaseRegistry& registry,
                       const v1::CacheServiceStatsRequest& request,
                       const CallBounds& bounds,
                       v1::CacheServiceStatsResponse* response) {
  ASSIGN_OR_RETURN(
      const CacheTarget target,
      FindCache(registry, request.database(), request.collection()));
  const CacheCounters& counters = *target.named.counters;
  response->set_max_bytes(target.database->max_cache_bytes());
  response->set_hits(counters.hits);
  response->set_misses(counters.misses);
  response->set_evictions(counters.evictions);
  const CacheLeases::Counts leases =
      target.database->caches().leases().Count(target.named.name);
  response->set_leases(leases.leases);
  response->set_waiting(leases.waiting);
  if (target.cache() == nullptr) return absl::OkStatus();
  return ReadCacheStats(*target.database, *target.cache(), bounds, response);
}

void StartSet(const DatabaseRegistry& registry, const v1::SetRequest& request,
              v1::SetResponse* response, WhereCall call,
              grpc::ServerUnaryReactor* reactor) {
  const absl::StatusOr<Database*> database = registry.Find(request.database());
  if (!database.ok()) return rpc::Finish(reactor, database.status());
  SetCacheEntry(
      **database, request, response, std::move(call),
      [reactor](const absl::Status& status) { rpc::Finish(reactor, status); });
}

}  // namespace

grpc::ServerUnaryReactor* CacheService::Get(
    grpc::CallbackServerContext* context,
    const v1::CacheServiceGetRequest* request,
    v1::CacheServiceGetResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  rpc::Finish(reactor, GetEntry(*registry_, *request, response));
  return reactor;
}

grpc::ServerUnaryReactor* CacheService::Set(
    grpc::CallbackServerContext* context, const v1::SetRequest* request,
    v1::SetResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (request->ByteSizeLong() <= kMaxInlineBytes) {
    StartSet(*registry_, *request, response, CallOf(context, pool_), reactor);
    return reactor;
  }
  const absl::Status queued = pool_->Submit([=, this] {
    StartSet(*registry_, *request, response, CallOf(context, pool_), reactor);
  });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

grpc::ServerUnaryReactor* CacheService::ReleaseLease(
    grpc::CallbackServerContext* context,
    const v1::ReleaseLeaseRequest* request, v1::ReleaseLeaseResponse*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  absl::Status status = CheckKey(request->key());
  const absl::StatusOr<CacheTarget> target =
      FindCache(*registry_, request->database(), request->collection());
  status.Update(target.status());
  if (status.ok()) {
    target->database->caches().leases().Release(
        {.collection = target->named.name, .key = request->key()},
        request->lease());
  }
  rpc::Finish(reactor, status);
  return reactor;
}

grpc::ServerUnaryReactor* CacheService::Has(
    grpc::CallbackServerContext* context, const v1::HasRequest* request,
    v1::HasResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  rpc::Finish(reactor, HasEntry(*registry_, *request, response));
  return reactor;
}

grpc::ServerUnaryReactor* CacheService::Delete(
    grpc::CallbackServerContext* context,
    const v1::CacheServiceDeleteRequest* request,
    v1::CacheServiceDeleteResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status started =
      StartDelete(*registry_, *request, rpc::DeadlineOf(*context),
                  FinishDelete(reactor, response));
  if (!started.ok()) rpc::Finish(reactor, started);
  return reactor;
}

grpc::ServerUnaryReactor* CacheService::DeleteMatching(
    grpc::CallbackServerContext* context,
    const v1::DeleteMatchingRequest* request,
    v1::DeleteMatchingResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued = pool_->Submit([=, this] {
    const absl::Status started =
        StartDeleteMatching(*registry_, *request, CallOf(context, pool_),
                            FinishDelete(reactor, response));
    if (!started.ok()) rpc::Finish(reactor, started);
  });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

grpc::ServerUnaryReactor* CacheService::Keys(
    grpc::CallbackServerContext* context, const v1::KeysRequest* request,
    v1::KeysResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this] {
    return ListKeys(*registry_, *request, BoundsOf(context), response);
  });
}

grpc::ServerUnaryReactor* CacheService::Clear(
    grpc::CallbackServerContext* context, const v1::ClearRequest* request,
    v1::ClearResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const absl::Status queued = pool_->Submit([=, this] {
    const absl::Status started =
        StartClear(*registry_, *request, CallOf(context, pool_),
                   FinishDelete(reactor, response));
    if (!started.ok()) rpc::Finish(reactor, started);
  });
  if (!queued.ok()) rpc::Finish(reactor, queued);
  return reactor;
}

grpc::ServerUnaryReactor* CacheService::Stats(
    grpc::CallbackServerContext* context,
    const v1::CacheServiceStatsRequest* request,
    v1::CacheServiceStatsResponse* response) {
  return rpc::RunUnary(*pool_, context, [=, this] {
    return ReadStats(*registry_, *request, BoundsOf(context), response);
  });
}

}  // namespace engram::storage
