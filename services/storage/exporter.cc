#include "services/storage/exporter.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "libs/filter/shared_parameters.h"
#include "libs/position/position.h"
#include "libs/schema/record_scope.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/change_log.h"
#include "services/storage/collection_table.h"
#include "services/storage/read_target.h"
#include "services/storage/record_reader.h"
#include "services/storage/writable_collection.h"

namespace engram::storage {
namespace {

// A filter may be true of few records: so many rows are looked at in one
// statement, and in one transaction, whatever is found.
constexpr int64_t kRangeRows = 10'000;
constexpr int kRangesAPiece = 20;

// The fields that the file has. Unless it names them, a file for an import has
// none that requests cannot send.
absl::StatusOr<std::vector<int>> DecodeFields(
    const CollectionPtr& collection, const Catalog& catalog,
    const v1::ExportRequest& request) {
  ASSIGN_OR_RETURN(std::vector<int> fields,
                   DecodeReadMask(*collection, request.read_mask()));
  if (!request.read_mask().paths().empty() ||
      request.format() == v1::ExportRequest::FORMAT_SQL) {
    return fields;
  }
  const WritableCollection writable(collection, catalog);
  fields.erase(std::remove_if(fields.begin(), fields.end(),
                              [&](int place) {
                                return !writable.CheckWritable(place).ok();
                              }),
               fields.end());
  return fields;
}

// The sequence to export after; 0 is everything.
absl::StatusOr<int64_t> DecodeSince(const Database& database,
                                    const LogHead& head,
                                    const std::string& text) {
  if (text.empty()) return 0;
  const absl::StatusOr<Position> since = Position::Parse(text);
  if (!since.ok()) return InvalidField("since", since.status().message());
  if (since->database != database.name()) {
    return InvalidField(
        "since", absl::StrCat("is a position of database \"",
                              CutText(since->database, 80), "\"; this one is ",
                              "\"", database.name(), "\""));
  }
  if (since->epoch == database.epoch() && since->sequence <= head.sequence) {
    return since->sequence;
  }
  return MakeError(absl::StatusCode::kOutOfRange,
                   common::v1::ERROR_REASON_EPOCH_CHANGED,
                   absl::StrCat("the database's change log has no position ",
                                text, "; export everything again"),
                   {{"position", text}});
}

absl::StatusOr<RecordCondition> DecodeCondition(
    const Collection& collection, const v1::ExportRequest& request,
    int64_t since, int64_t now_us) {
  FieldViolations violations;
  filter::SharedParameters parameters(request.parameters());
  const schema::RecordScope scope(collection.spec);
  const filter::Node filter = DecodeReadFilter(
      scope, request.filter(), "filter", parameters, violations);
  parameters.CheckAllUsed(violations);
  RETURN_IF_ERROR(violations.ToStatus());
  RecordCondition condition =
      CompileCondition(collection, filter, Deleted::kHidden, now_us);
  if (since > 0) {
    absl::StrAppend(&condition.sql, " AND _sequence > ?");
    condition.parameters.emplace_back(since);
  }
  return condition;
}

// Parameters: those of the condition, then the rows to begin after and to end
// with.
std::string SelectSql(const Collection& collection,
                      const std::vector<int>& fields,
                      const RecordCondition& condition) {
  std::string sql = "SELECT _row, id";
  for (const int place : fields) {
    absl::StrAppend(&sql, ", ",
                    QuoteIdentifier(collection.spec.fields[place].name));
  }
  return absl::StrCat(sql, " FROM ", QuoteIdentifier(collection.name()),
                      " WHERE ", condition.sql,
                      " AND _row > ? AND _row <= ? ORDER BY _row");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Exporter>> Exporter::Create(
    Database& database, const v1::ExportRequest& request) {
  auto exporter = absl::WrapUnique(new Exporter(&database));
  RETURN_IF_ERROR(exporter->ReadStart(request));
  return exporter;
}

absl::Status Exporter::ReadStart(const v1::ExportRequest& request) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(*database_, request.collection()));
  collection_ = target.collection;
  schema_version_ = target.view.schema_version();
  ASSIGN_OR_RETURN(std::vector<int> fields,
                   DecodeFields(collection_, database_->catalog(), request));
  ASSIGN_OR_RETURN(const LogHead head,
                   ReadHead(target.connection(), database_->epoch()));
  ASSIGN_OR_RETURN(const int64_t since,
                   DecodeSince(*database_, head, request.since()));
  ASSIGN_OR_RETURN(condition_, DecodeCondition(*collection_, request, since,
                                               database_->now_us()));
  select_ = SelectSql(*collection_, fields, condition_);
  position_ = database_->PositionAt(head.sequence).ToString();
  ASSIGN_OR_RETURN(last_row_, target.connection().QueryInt(absl::StrCat(
                                  "SELECT coalesce(max(_row), 0) FROM ",
                                  QuoteIdentifier(collection_->name()))));
  ASSIGN_OR_RETURN(format_, NewExportFormat(request.format(), collection_->spec,
                                            std::move(fields)));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::ExportResponse>> Exporter::Next(
    const CallBounds& bounds) {
  if (ended_ && text_.empty() && begun_) return std::nullopt;
  if (text_.size() < kPieceBytes && !ended_) {
    RETURN_IF_ERROR(ReadRecords(bounds));
  }
  v1::ExportResponse piece;
  piece.set_position(position_);
  piece.set_data(text_.substr(0, kPieceBytes));
  text_.erase(0, kPieceBytes);
  // Only the last record can be in two pieces.
  piece.set_records(text_.empty() ? records_
                                  : std::max<int64_t>(records_ - 1, 0));
  return piece;
}

absl::Status Exporter::ReadRecords(const CallBounds& bounds) {
  RETURN_IF_ERROR(bounds.Check());
  ASSIGN_OR_RETURN(const ReadView view, database_->BeginRead());
  if (view.schema_version() != schema_version_) {
    // The table may be another now.
    return MakeError(absl::StatusCode::kAborted,
                     common::v1::ERROR_REASON_SCHEMA_CHANGED,
                     "the schema changed while the collection was exported; "
                     "begin again",
                     {{"database", database_->name()}});
  }
  const StatementGuard guard(view.connection(), bounds);
  if (!std::exchange(begun_, true)) format_->Begin(&text_);
  for (int i = 0; i < kRangesAPiece && row_ < last_row_; ++i) {
    const absl::StatusOr<bool> full =
        ReadRange(view.connection(), std::min(row_ + kRangeRows, last_row_));
    RETURN_IF_ERROR(guard.Explain(full.status()));
    if (*full) return absl::OkStatus();
    RETURN_IF_ERROR(guard.Explain(SkipGap(view.connection())));
  }
  ended_ = row_ >= last_row_;
  if (ended_) format_->End(&text_);
  return absl::OkStatus();
}

absl::StatusOr<bool> Exporter::ReadRange(sqlite::Connection& reader,
                                         int64_t last) {
  ASSIGN_OR_RETURN(sqlite::Statement select, reader.Cached(select_));
  const int next = BindAll(select, 1, condition_.parameters);
  select.BindInt(next, row_);
  select.BindInt(next + 1, last);
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) break;
    format_->Write(select, &text_);
    ++records_;
    row_ = select.Int(0);
    if (text_.size() >= kPieceBytes) return true;
  }
  row_ = last;
  return false;
}

absl::Status Exporter::SkipGap(sqlite::Connection& reader) {
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      reader.Cached(absl::StrCat("SELECT min(_row) FROM ",
                                 QuoteIdentifier(collection_->name()),
                                 " WHERE _row > ?")));
  select.BindInt(1, row_);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  row_ = found && !select.IsNull(0) ? std::min(select.Int(0) - 1, last_row_)
                                    : last_row_;
  return absl::OkStatus();
}

}  // namespace engram::storage
