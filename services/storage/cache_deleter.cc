#include "services/storage/cache_deleter.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_editor.h"
#include "services/storage/record_writer.h"

namespace engram::storage {
namespace {

// Keys that one scan looks at, and entries that one write deletes.
constexpr int kMaxScannedKeys = 10'000;
constexpr size_t kSliceEntries = 1000;

// One DeleteMatching, from step to step; the steps hold it.
class MatchingDeletes : public std::enable_shared_from_this<MatchingDeletes> {
 public:
  MatchingDeletes(Database& database, const CacheCollection& cache,
                  CachePattern pattern, WhereCall call, EntriesDeleted done)
      : database_(database),
        collection_(cache.collection->id),
        name_(cache.name()),
        pattern_(std::move(pattern)),
        call_(std::move(call)),
        done_(std::move(done)) {}

  void Start() {
    const absl::StatusOr<int64_t> newest = ReadNewestRow();
    if (!newest.ok()) return done_(newest.status());
    through_ = *newest;
    Continue();
  }

 private:
  // On the thread for long work: finds the next slice.
  void Continue() {
    absl::Status status = call_.bounds.Check();
    while (status.ok() && rows_.empty() && !scanned_all_) status = Scan();
    if (!status.ok()) return Finish(status);
    if (rows_.empty()) return Finish(absl::OkStatus());
    Submit();
  }

  absl::StatusOr<int64_t> ReadNewestRow() {
    ASSIGN_OR_RETURN(ReadPool::Lease reader, database_.AcquireReader());
    return reader->QueryInt(absl::StrCat("SELECT ifnull(max(_row), 0) FROM ",
                                         QuoteIdentifier(name_)));
  }

  // Goes on in the order of the keys, whose index has the rows too.
  absl::Status Scan() {
    ASSIGN_OR_RETURN(ReadPool::Lease reader, database_.AcquireReader());
    const StatementGuard guard(*reader, call_.bounds);
    const std::string from = after_.empty() ? pattern_.first() : after_;
    ASSIGN_OR_RETURN(
        sqlite::Statement select,
        reader->Cached(absl::StrCat(
            "SELECT id, _row FROM ", QuoteIdentifier(name_), " WHERE id ",
            after_.empty() ? ">=" : ">", " ?1 ORDER BY id LIMIT ?2")));
    select.BindText(1, from);
    select.BindInt(2, kMaxScannedKeys);
    return guard.Explain(TakeMatching(select));
  }

  absl::Status TakeMatching(sqlite::Statement& select) {
    int looked_at = 0;
    while (rows_.size() < kSliceEntries) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      const absl::string_view key = found ? select.Text(0) : "";
      if (!found || (!pattern_.last().empty() && key > pattern_.last())) {
        scanned_all_ = found || looked_at < kMaxScannedKeys;
        return absl::OkStatus();
      }
      ++looked_at;
      after_ = std::string(key);
      if (select.Int(1) <= through_ && pattern_.Matches(key)) {
        rows_.push_back(select.Int(1));
      }
    }
    return absl::OkStatus();
  }

  void Submit() {
    database_.Submit(
        {.run =
             [self = shared_from_this()](WriteTransaction& transaction) {
               return self->DeleteRows(transaction);
             },
         .done = [self = shared_from_this()](
                     const absl::Status& status) { self->GoOn(status); },
         .rows = rows_.size(),
         .deadline = call_.bounds.deadline});
  }

  // On the writer's thread.
  absl::Status DeleteRows(WriteTransaction& transaction) {
    in_slice_ = 0;
    const CollectionPtr collection = database_.catalog().FindById(collection_);
    if (collection == nullptr) return absl::OkStatus();
    RecordEditor editor(transaction, database_.catalog(),
                        {.max_cascade_rows = database_.max_cascade_rows()});
    std::vector<StoredRecord> records;
    for (const int64_t row : rows_) {
      // Deletes one that has expired, and does not return it.
      ASSIGN_OR_RETURN(std::optional<StoredRecord> record,
                       editor.FindByRow(*collection, row));
      if (!record.has_value() || record->deleted_us.has_value()) continue;
      records.push_back({.row = row, .id = std::move(record->id)});
    }
    if (!records.empty()) {
      DeleteCounts counts;
      RETURN_IF_ERROR(
          editor.Delete(*collection, records, DeleteMode::kPurge, &counts));
      in_slice_ = counts.deleted;
    }
    return editor.Finish();
  }

  void GoOn(const absl::Status& status) {
    if (!status.ok()) return Finish(status);
    deleted_ += in_slice_;
    rows_.clear();
    const absl::Status queued =
        call_.run([self = shared_from_this()] { self->Continue(); });
    if (!queued.ok()) Finish(queued);
  }

  void Finish(const absl::Status& status) {
    if (status.ok()) return done_(deleted_);
    done_(deleted_ == 0
              ? status
              : WithContext(status, absl::StrCat("after ", deleted_,
                                                 " entries were deleted")));
  }

  Database& database_;
  const int64_t collection_;
  const std::string name_;
  const CachePattern pattern_;
  const WhereCall call_;
  EntriesDeleted done_;

  // The newest row of the beginning.
  int64_t through_ = 0;
  // The last key looked at.
  std::string after_;
  bool scanned_all_ = false;
  // The next slice.
  std::vector<int64_t> rows_;
  int64_t in_slice_ = 0;
  int64_t deleted_ = 0;
};

// What one delete needs until its end.
struct OneDelete {
  v1::WriteRequest request;
  RecordBatch batch;
  v1::WriteResponse response;
};

}  // namespace

void DeleteCacheEntry(Database& database, const CacheCollection& cache,
                      absl::string_view key, absl::Time deadline,
                      EntriesDeleted done) {
  const auto call = std::make_shared<OneDelete>();
  v1::WriteItem& item = *call->request.add_items();
  item.set_collection(cache.name());
  item.mutable_delete_()->set_id(std::string(key));
  item.mutable_delete_()->set_purge(true);
  absl::StatusOr<RecordBatch> batch =
      DecodeBatch(database.name(), database.catalog(), call->request);
  if (!batch.ok()) return done(batch.status());
  call->batch = *std::move(batch);
  database.Submit(
      {.run =
           [&database, call](WriteTransaction& transaction) {
             return WriteRequest(transaction, database, call->request,
                                 call->batch, &call->response);
           },
       .done =
           [call, done = std::move(done)](const absl::Status& status) mutable {
             if (!status.ok()) return done(status);
             done(call->response.results(0).outcome() ==
                  v1::WriteResult::OUTCOME_DELETED);
           },
       .deadline = deadline});
}

void DeleteCacheMatching(Database& database, const CacheCollection& cache,
                         CachePattern pattern, WhereCall call,
                         EntriesDeleted done) {
  std::make_shared<MatchingDeletes>(database, cache, std::move(pattern),
                                    std::move(call), std::move(done))
      ->Start();
}

void ClearCache(Database& database, const CacheCollection& cache,
                absl::string_view category, WhereCall call,
                EntriesDeleted done) {
  struct Messages {
    v1::DeleteWhereRequest request;
    v1::DeleteWhereResponse response;
  };
  const auto messages = std::make_shared<Messages>();
  v1::DeleteWhereRequest& request = messages->request;
  request.set_collection(cache.name());
  request.set_purge(true);
  request.set_filter("true");
  if (!category.empty()) {
    request.set_filter("category = :category");
    (*request.mutable_parameters()->mutable_fields())["category"]
        .set_string_value(std::string(category));
  }
  DeleteWhere(
      database, request, &messages->response, std::move(call),
      [messages, done = std::move(done)](const absl::Status& status) mutable {
        if (!status.ok()) return done(status);
        done(messages->response.deleted());
      });
}

}  // namespace engram::storage
