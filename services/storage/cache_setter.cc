#include "services/storage/cache_setter.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/cache_eviction.h"
#include "services/storage/cache_request.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_writer.h"
#include "services/storage/schema_applier.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

// How often the schema may change while the default cache is made.
constexpr int kMaxApplies = 5;

// The share of its bytes that a cache keeps when it was full.
int64_t KeptBytes(int64_t max_bytes) { return max_bytes / 10 * 9; }

std::string TimeText(int64_t us) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E6SZ", absl::FromUnixMicros(us),
                          absl::UTCTimeZone());
}

// Violations of the record, told by the fields of the request.
absl::Status AsOfRequest(const absl::Status& status) {
  const auto payload =
      status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  google::rpc::BadRequest details;
  if (!payload.has_value() || !details.ParseFromString(std::string(*payload))) {
    return status;
  }
  FieldViolations violations;
  for (const auto& violation : details.field_violations()) {
    absl::string_view path = violation.field();
    const bool is_field =
        absl::ConsumePrefix(&path, "items[0].replace.fields.");
    if (!is_field) absl::ConsumePrefix(&path, "items[0].replace.");
    violations.Add(path == "id" ? "entry.key" : absl::StrCat("entry.", path),
                   violation.description());
  }
  return violations.ToStatus();
}

// One Set, from step to step; the steps hold it.
class CacheSetter : public std::enable_shared_from_this<CacheSetter> {
 public:
  CacheSetter(Database& database, const v1::SetRequest& request,
              v1::SetResponse* response, WhereCall call,
              absl::AnyInvocable<void(absl::Status)> done)
      : database_(database),
        request_(request),
        response_(response),
        call_(std::move(call)),
        done_(std::move(done)),
        collection_(request.collection().empty() ? std::string(kDefaultCache)
                                                 : request.collection()),
        setting_(&database.caches().leases(),
                 {.collection = collection_, .key = request.entry().key()},
                 request.lease()) {}

  void Start() {
    const absl::Status valid = CheckSetRequest(request_);
    valid.ok() ? GoOn() : done_(valid);
  }

 private:
  // Does what is next before the write.
  void GoOn() {
    const absl::Status status = TryGoOn();
    if (!status.ok()) done_(status);
  }

  absl::Status TryGoOn() {
    RETURN_IF_ERROR(FindCache());
    if (cache_ == nullptr) return RunLater(&CacheSetter::MakeCache);
    if (!SizeIsKnown(cache_->collection->schema_version)) {
      return RunLater(&CacheSetter::CountBytes);
    }
    RETURN_IF_ERROR(Decode());
    Submit();
    return absl::OkStatus();
  }

  absl::Status RunLater(void (CacheSetter::*step)()) {
    return call_.run([self = shared_from_this(), step] { ((*self).*step)(); });
  }

  absl::Status FindCache() {
    ASSIGN_OR_RETURN(NamedCache found,
                     database_.caches().Find(database_.catalog(), collection_));
    cache_ = std::move(found.cache);
    counters_ = found.counters;
    if (cache_ == nullptr && collection_ != kDefaultCache) {
      return CollectionUnknown(database_.name(), collection_);
    }
    if (cache_ != nullptr && cache_->category < 0 &&
        !request_.entry().category().empty()) {
      return CategoryMissing(*cache_);
    }
    return absl::OkStatus();
  }

  bool SizeIsKnown(int64_t schema_version) const {
    return database_.caches()
        .sizes()
        .Find(cache_->collection->id, schema_version)
        .has_value();
  }

  // Applies the default cache's document if there is no such collection still:
  // the hash of the plan that makes it fits no plan that would change one which
  // another has declared meanwhile.
  void MakeCache() {
    const absl::Status status = StartApply();
    if (!status.ok()) done_(status);
  }

  absl::Status StartApply() {
    if (++applies_ > kMaxApplies) {
      return WithRetryDelay(
          absl::UnavailableError("the schema is changing; retry after the "
                                 "delay"),
          absl::Milliseconds(100));
    }
    SchemaRequest request;
    ASSIGN_OR_RETURN(
        schema::CollectionSpec spec,
        schema::ParseCollection("cache.yaml", kDefaultCacheDocument));
    request.goal.declared.push_back(
        {.path = "cache.yaml",
         .spec = std::move(spec),
         .yaml = std::string(kDefaultCacheDocument)});
    ASSIGN_OR_RETURN(const SchemaPlan plan, PlanOf(database_, request));
    // Another Set was quicker.
    if (database_.catalog().Find(kDefaultCache) != nullptr) return TryGoOn();
    request.plan_hash = plan.hash;
    ApplySchema(database_, std::move(request), call_.bounds.deadline,
                [self = shared_from_this()](
                    const absl::StatusOr<AppliedSchema>& applied) {
                  self->EndApply(applied.status());
                });
    return absl::OkStatus();
  }

  void EndApply(absl::Status status) {
    if (ReasonOf(status) == common::v1::ERROR_REASON_SCHEMA_CHANGED) {
      status = absl::OkStatus();
    }
    if (status.ok()) status = RunLater(&CacheSetter::GoOn);
    if (!status.ok()) done_(status);
  }

  void CountBytes() {
    CacheSizes& sizes = database_.caches().sizes();
    const int64_t id = cache_->collection->id;
    sizes.BeginCount(id);
    const absl::Status status = Count(sizes);
    sizes.EndCount(id);
    status.ok() ? GoOn() : done_(status);
  }

  absl::Status Count(CacheSizes& sizes) {
    ASSIGN_OR_RETURN(ReadView view, database_.BeginRead());
    ASSIGN_OR_RETURN(CollectionPtr collection, view.Get(collection_));
    ASSIGN_OR_RETURN(const CacheCollectionPtr cache,
                     MakeCacheCollection(std::move(collection)));
    return sizes.Count(view, *cache, database_.epoch(), call_.bounds);
  }

  // What the entry is as a record, its times those of now.
  v1::WriteRequest MakeWrite(int64_t now_us) const {
    const v1::CacheEntry& entry = request_.entry();
    v1::WriteRequest write;
    v1::WriteItem& item = *write.add_items();
    item.set_collection(collection_);
    v1::Record& record = *item.mutable_replace();
    record.set_id(entry.key());
    auto& fields = *record.mutable_fields()->mutable_fields();
    const auto field = [&](int place) -> google::protobuf::Value& {
      return fields[cache_->collection->spec.fields[place].name];
    };
    field(cache_->value) = entry.value();
    google::protobuf::Value& expires_at = field(cache_->expires_at);
    const std::optional<absl::Duration> ttl = TimeToLive(request_);
    if (ttl.has_value()) {
      expires_at.set_string_value(
          TimeText(now_us + absl::ToInt64Microseconds(*ttl)));
    } else {
      expires_at.set_null_value(google::protobuf::NULL_VALUE);
    }
    if (!entry.category().empty()) {
      field(cache_->category).set_string_value(entry.category());
    }
    if (cache_->hits >= 0) field(cache_->hits).set_number_value(0);
    for (const int place : {cache_->created_at, cache_->used_at}) {
      if (place >= 0) field(place).set_string_value(TimeText(now_us));
    }
    return write;
  }

  absl::Status Decode() {
    absl::StatusOr<RecordBatch> batch = DecodeBatch(
        database_.name(), database_.catalog(), MakeWrite(database_.now_us()));
    if (!batch.ok()) return AsOfRequest(batch.status());
    batch_ = *std::move(batch);
    return absl::OkStatus();
  }

  void Submit() {
    database_.Submit(
        {.run =
             [self = shared_from_this()](WriteTransaction& transaction) {
               return self->Write(transaction);
             },
         .done = [self = shared_from_this()](
                     const absl::Status& status) { self->End(status); },
         .bytes = request_.ByteSizeLong(),
         .deadline = call_.bounds.deadline});
  }

  // --- On the writer's thread.

  absl::Status Write(WriteTransaction& transaction) {
    if (call_.bounds.is_cancelled()) {
      return absl::CancelledError("the client has gone");
    }
    RETURN_IF_ERROR(setting_.Begin());
    if (batch_.schema_version != transaction.schema_version()) {
      RETURN_IF_ERROR(FindCache());
      if (cache_ == nullptr) {
        return CollectionUnknown(database_.name(), collection_);
      }
      RETURN_IF_ERROR(Decode());
    }
    SetTimes(transaction.now_us());
    v1::WriteResponse written;
    const absl::Status status =
        WriteRecords(transaction, database_, batch_, &written);
    if (!status.ok()) return AsOfRequest(status);
    RETURN_IF_ERROR(MakeRoom(transaction));
    response_->set_position(
        database_.PositionAt(transaction.log().head().sequence).ToString());
    return absl::OkStatus();
  }

  // The entry lives from now on, not from when the request came: the queue may
  // be longer than its life.
  void SetTimes(int64_t now_us) {
    const std::optional<absl::Duration> ttl = TimeToLive(request_);
    for (Assignment& sent : batch_.items.at(0).sent) {
      if (sent.field == cache_->created_at || sent.field == cache_->used_at) {
        sent.value = now_us;
      } else if (sent.field == cache_->expires_at && ttl.has_value()) {
        const int64_t expires_us = now_us + absl::ToInt64Microseconds(*ttl);
        sent.value = expires_us;
        *response_->mutable_expire_time() =
            TimeUtil::MicrosecondsToTimestamp(expires_us);
      }
    }
  }

  absl::Status MakeRoom(WriteTransaction& transaction) {
    evicted_ = 0;
    const int64_t id = cache_->collection->id;
    const std::optional<int64_t> committed =
        database_.caches().sizes().Find(id, transaction.schema_version());
    // The schema has just changed; the next Set counts.
    if (!committed.has_value()) return absl::OkStatus();
    int64_t& grown =
        database_.caches().GrowthSince(database_.NewestPosition().sequence, id);
    const int64_t bytes =
        *committed + grown + transaction.effects().cache_bytes[id];
    if (bytes > database_.max_cache_bytes()) {
      ASSIGN_OR_RETURN(
          evicted_,
          EvictEntries(transaction, database_, *cache_, request_.entry().key(),
                       bytes - KeptBytes(database_.max_cache_bytes())));
    }
    grown += transaction.effects().cache_bytes[id];
    return absl::OkStatus();
  }

  void End(const absl::Status& status) {
    setting_.End(/*stored=*/status.ok());
    if (status.ok()) {
      counters_->evictions += evicted_;
      database_.metrics().cache_evictions.Increment(
          static_cast<double>(evicted_));
    }
    done_(status);
  }

  Database& database_;
  const v1::SetRequest& request_;
  v1::SetResponse* const response_;
  const WhereCall call_;
  absl::AnyInvocable<void(absl::Status)> done_;
  const std::string collection_;
  CacheLeases::Setting setting_;
  CacheCollectionPtr cache_;
  CacheCounters* counters_ = nullptr;
  RecordBatch batch_;
  int applies_ = 0;
  int64_t evicted_ = 0;
};

}  // namespace

void SetCacheEntry(Database& database, const v1::SetRequest& request,
                   v1::SetResponse* response, WhereCall call,
                   absl::AnyInvocable<void(absl::Status)> done) {
  std::make_shared<CacheSetter>(database, request, response, std::move(call),
                                std::move(done))
      ->Start();
}

}  // namespace engram::storage
