#include "services/storage/record_where.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/filter/evaluate.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/record_editor.h"
#include "services/storage/request_fields.h"
#include "services/storage/request_log.h"
#include "services/storage/where_change.h"
#include "services/storage/where_delete.h"
#include "services/storage/where_progress.h"
#include "services/storage/where_update.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kUpdateMethod =
    "engram.storage.v1.RecordService/UpdateWhere";
constexpr absl::string_view kDeleteMethod =
    "engram.storage.v1.RecordService/DeleteWhere";

// Rows that one scan finds: many slices', as a scan by an index of the filter
// has to sort all that is left before it knows the first.
constexpr int kMaxScannedRows = 100'000;

// How often a schema may change while a scan begins.
constexpr int kMaxPrepares = 3;

// How a request can be recognised when it is repeated.
struct RequestKey {
  absl::string_view method;
  std::string id;
  std::string hash;

  bool repeatable() const { return !id.empty(); }
};

size_t BytesOf(const StoredRecord& record) {
  size_t bytes = sizeof(StoredRecord);
  for (const ColumnValue& value : record.values) {
    bytes += sizeof(ColumnValue);
    if (const auto* text = std::get_if<std::string>(&value)) {
      bytes += text->size();
    } else if (const auto* blob = std::get_if<Blob>(&value)) {
      bytes += blob->bytes.size();
    }
  }
  return bytes;
}

// One call, from step to step; the steps hold it. Each is on a thread of its
// own choice, one after the other.
class WhereRun : public std::enable_shared_from_this<WhereRun> {
 public:
  // Gets the progress at the end, and what came of the call.
  using Done = absl::AnyInvocable<void(absl::Status, const WhereProgress&)>;

  WhereRun(Database& database, std::unique_ptr<WhereChange> change,
           RequestKey key, WhereCall call, Done done)
      : database_(database),
        change_(std::move(change)),
        key_(std::move(key)),
        call_(std::move(call)),
        done_(std::move(done)) {}

  // Counts what the change would be about.
  void DryRun();
  // Makes it.
  void Start();

 private:
  // On the thread for long work: finds rows and queues the next slice.
  void Continue();
  // On the writer's thread, each within a write.
  absl::Status Begin(WriteTransaction& transaction);
  absl::Status WriteSlice(WriteTransaction& transaction);
  // On either, after a step.
  void GoOn();
  void Finish(const absl::Status& status);

  void Submit(absl::Status (WhereRun::*step)(WriteTransaction&), size_t rows);
  // A state of the file whose schema the change is prepared for, as SQL has to
  // fit the tables.
  absl::StatusOr<ReadView> BeginRead();
  absl::Status Scan();
  absl::StatusOr<std::vector<StoredRecord>> ReadSlice(RecordEditor& editor,
                                                      WhereProgress& progress);
  absl::StatusOr<std::optional<WhereProgress>> FindProgress(
      WriteTransaction& transaction) const;
  absl::Status KeepProgress(WriteTransaction& transaction,
                            const WhereProgress& progress) const;
  bool Meets(const StoredRecord& record) const;

  Database& database_;
  const std::unique_ptr<WhereChange> change_;
  const RequestKey key_;
  const WhereCall call_;
  Done done_;

  // As of the last commit, and what the write under way will make of it.
  WhereProgress progress_;
  WhereProgress next_;
  // Rows found, in order, and the first that is not dealt with.
  std::vector<int64_t> rows_;
  size_t cursor_ = 0;
  // Whether there are none after them.
  bool scanned_all_ = false;
};

void WhereRun::DryRun() {
  const auto count = [this]() -> absl::StatusOr<int64_t> {
    RETURN_IF_ERROR(change_->Prepare(database_.name(), database_.catalog()));
    ASSIGN_OR_RETURN(const ReadView view, BeginRead());
    return WhereScan(*change_->collection(), change_->filter(),
                     change_->deleted(), database_.now_us())
        .Count(view.connection(), call_.bounds);
  };
  const absl::StatusOr<int64_t> matched = count();
  if (matched.ok()) progress_.matched = *matched;
  Finish(matched.status());
}

void WhereRun::Start() {
  absl::Status status = CheckRequestId(key_.id);
  if (status.ok()) {
    status = change_->Prepare(database_.name(), database_.catalog());
  }
  if (!status.ok()) return Finish(status);
  Submit(&WhereRun::Begin, 1);
}

absl::Status WhereRun::Begin(WriteTransaction& transaction) {
  ASSIGN_OR_RETURN(const std::optional<WhereProgress> kept,
                   FindProgress(transaction));
  if (kept.has_value()) {
    next_ = *kept;
    return absl::OkStatus();
  }
  next_ = WhereProgress();
  next_.now_us = transaction.now_us();
  ASSIGN_OR_RETURN(next_.through,
                   transaction.connection().QueryInt(absl::StrCat(
                       "SELECT coalesce(max(_row), 0) FROM ",
                       QuoteIdentifier(change_->collection()->name()))));
  return absl::OkStatus();
}

void WhereRun::Continue() {
  absl::Status status = call_.bounds.Check();
  if (status.ok() && cursor_ == rows_.size() && !scanned_all_) status = Scan();
  if (!status.ok()) return Finish(status);
  if (rows_.empty() && !key_.repeatable()) {
    progress_.position = database_.NewestPosition().ToString();
    return Finish(absl::OkStatus());
  }
  Submit(&WhereRun::WriteSlice,
         std::min<size_t>(rows_.size() - cursor_, kMaxSliceRecords));
}

absl::StatusOr<ReadView> WhereRun::BeginRead() {
  for (int i = 0; i < kMaxPrepares; ++i) {
    ASSIGN_OR_RETURN(ReadView view, database_.BeginRead());
    if (view.schema_version() == change_->schema_version()) return view;
    RETURN_IF_ERROR(change_->Prepare(database_.name(), database_.catalog()));
  }
  return WithRetryDelay(
      absl::UnavailableError("the schema is changing; retry after the delay"),
      absl::Milliseconds(100));
}

absl::Status WhereRun::Scan() {
  ASSIGN_OR_RETURN(const ReadView view, BeginRead());
  ASSIGN_OR_RETURN(
      rows_, WhereScan(*change_->collection(), change_->filter(),
                       change_->deleted(), progress_.now_us)
                 .Rows(view.connection(), progress_.after, progress_.through,
                       kMaxScannedRows, call_.bounds));
  cursor_ = 0;
  scanned_all_ = rows_.size() < kMaxScannedRows;
  return absl::OkStatus();
}

absl::Status WhereRun::WriteSlice(WriteTransaction& transaction) {
  if (change_->schema_version() != transaction.schema_version()) {
    RETURN_IF_ERROR(change_->Prepare(database_.name(), database_.catalog()));
  }
  next_ = progress_;
  // The same request may run twice at once; neither repeats what the other did.
  ASSIGN_OR_RETURN(const std::optional<WhereProgress> kept,
                   FindProgress(transaction));
  if (kept.has_value()) next_ = *kept;
  if (next_.finished) return absl::OkStatus();
  RecordEditor editor(transaction, database_.catalog(),
                      {.max_cascade_rows = database_.max_cascade_rows()});
  ASSIGN_OR_RETURN(const std::vector<StoredRecord> records,
                   ReadSlice(editor, next_));
  RETURN_IF_ERROR(change_->Apply(editor, records, next_));
  RETURN_IF_ERROR(editor.Finish());
  next_.finished =
      scanned_all_ && (rows_.empty() || next_.after >= rows_.back());
  next_.position =
      database_.PositionAt(transaction.log().head().sequence).ToString();
  return KeepProgress(transaction, next_);
}

absl::StatusOr<std::vector<StoredRecord>> WhereRun::ReadSlice(
    RecordEditor& editor, WhereProgress& progress) {
  std::vector<StoredRecord> records;
  bool some_went = false;
  const size_t end = std::min(rows_.size(), cursor_ + kMaxSliceRecords);
  size_t bytes = 0;
  for (size_t i = cursor_; i < end && bytes < kMaxSliceBytes; ++i) {
    if (rows_[i] <= progress.after) continue;
    progress.after = rows_[i];
    ASSIGN_OR_RETURN(std::optional<StoredRecord> record,
                     editor.FindByRow(*change_->collection(), rows_[i]));
    some_went |= !record.has_value();
    if (!record.has_value() || !Meets(*record)) continue;
    bytes += BytesOf(*record);
    records.push_back(*std::move(record));
  }
  if (!some_went) return records;
  // One that had expired was deleted just now, and may have taken others along
  // or have changed them.
  std::vector<StoredRecord> left;
  for (const StoredRecord& read : records) {
    ASSIGN_OR_RETURN(std::optional<StoredRecord> record,
                     editor.FindByRow(*change_->collection(), read.row));
    if (!record.has_value() || !Meets(*record)) continue;
    left.push_back(*std::move(record));
  }
  return left;
}

bool WhereRun::Meets(const StoredRecord& record) const {
  if (record.deleted_us.has_value() && change_->deleted() == Deleted::kHidden) {
    return false;
  }
  return filter::Matches(
      change_->filter(),
      [&](int place) -> const ColumnValue& { return ValueAt(record, place); },
      progress_.now_us);
}

void WhereRun::GoOn() {
  progress_ = next_;
  while (cursor_ < rows_.size() && rows_[cursor_] <= progress_.after) ++cursor_;
  if (progress_.finished) return Finish(absl::OkStatus());
  const absl::Status status =
      call_.run([self = shared_from_this()] { self->Continue(); });
  if (!status.ok()) Finish(status);
}

void WhereRun::Submit(absl::Status (WhereRun::*step)(WriteTransaction&),
                      size_t rows) {
  database_.Submit(
      {.run =
           [self = shared_from_this(), step](WriteTransaction& transaction) {
             return ((*self).*step)(transaction);
           },
       .done =
           [self = shared_from_this()](const absl::Status& status) {
             status.ok() ? self->GoOn() : self->Finish(status);
           },
       .rows = std::max<size_t>(rows, 1),
       .deadline = call_.bounds.deadline});
}

absl::StatusOr<std::optional<WhereProgress>> WhereRun::FindProgress(
    WriteTransaction& transaction) const {
  if (!key_.repeatable()) return std::nullopt;
  ASSIGN_OR_RETURN(const std::optional<std::string> kept,
                   FindResponse(transaction, key_.method, key_.id, key_.hash));
  if (!kept.has_value()) return std::nullopt;
  return WhereProgress::Parse(*kept);
}

absl::Status WhereRun::KeepProgress(WriteTransaction& transaction,
                                    const WhereProgress& progress) const {
  if (!key_.repeatable()) return absl::OkStatus();
  return KeepResponse(transaction, key_.method, key_.id, key_.hash,
                      progress.Serialize());
}

void WhereRun::Finish(const absl::Status& status) {
  if (status.ok() || progress_.matched == 0) {
    return done_(status, progress_);
  }
  done_(WithContext(status,
                    absl::StrCat("after ", progress_.changed, " of ",
                                 progress_.matched, " records",
                                 key_.repeatable()
                                     ? ", where a repeat of the request goes on"
                                     : "")),
        progress_);
}

}  // namespace

void UpdateWhere(Database& database, const v1::UpdateWhereRequest& request,
                 v1::UpdateWhereResponse* response, WhereCall call,
                 absl::AnyInvocable<void(absl::Status)> done) {
  const auto run = std::make_shared<WhereRun>(
      database, std::make_unique<WhereUpdate>(request),
      RequestKey{kUpdateMethod, request.request_id(), HashRequest(request)},
      std::move(call),
      [response, done = std::move(done)](
          const absl::Status& status, const WhereProgress& progress) mutable {
        response->set_matched(progress.matched);
        response->set_updated(progress.changed);
        response->set_position(progress.position);
        done(status);
      });
  request.dry_run() ? run->DryRun() : run->Start();
}

void DeleteWhere(Database& database, const v1::DeleteWhereRequest& request,
                 v1::DeleteWhereResponse* response, WhereCall call,
                 absl::AnyInvocable<void(absl::Status)> done) {
  const auto run = std::make_shared<WhereRun>(
      database, std::make_unique<WhereDelete>(request),
      RequestKey{kDeleteMethod, request.request_id(), HashRequest(request)},
      std::move(call),
      [response, done = std::move(done)](
          const absl::Status& status, const WhereProgress& progress) mutable {
        response->set_matched(progress.matched);
        response->set_deleted(progress.changed);
        response->set_cascaded(progress.cascaded);
        response->set_skipped(progress.skipped);
        response->set_position(progress.position);
        done(status);
      });
  request.dry_run() ? run->DryRun() : run->Start();
}

}  // namespace engram::storage
