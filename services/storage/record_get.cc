#include "services/storage/record_get.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/filter/shared_parameters.h"
#include "libs/schema/record_scope.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/wire/wire.h"
#include "services/storage/node_filter.h"
#include "services/storage/read_target.h"
#include "services/storage/record_condition.h"
#include "services/storage/record_id.h"
#include "services/storage/record_reader.h"

namespace engram::storage {
namespace {

constexpr int kMaxIds = 1000;
// What one answer holds at most.
constexpr size_t kMaxAnswerBytes = 64 << 20;

absl::Status CheckId(absl::string_view id, absl::string_view path) {
  const std::optional<std::string> problem = FindRecordIdProblem(id);
  return problem.has_value() ? InvalidField(path, *problem) : absl::OkStatus();
}

absl::Status RecordUnknown(const Database& database,
                           const v1::RecordServiceGetRequest& request) {
  return MakeError(absl::StatusCode::kNotFound,
                   common::v1::ERROR_REASON_RECORD_UNKNOWN,
                   absl::StrCat("collection \"", request.collection(),
                                "\" has no record \"", request.id(), "\""),
                   {{"database", database.name()},
                    {"collection", request.collection()},
                    {"id", request.id()}});
}

// Notes a touch if the collection wants it.
void TouchOnGet(Database& database, const Collection& collection, int64_t row) {
  const auto& touch = collection.spec.touch;
  if (!touch.has_value() || !touch->on_get) return;
  database.Touch(collection.id, row);
}

// Like RecordReader::EncodeById, first by the row that the record had last.
absl::StatusOr<std::optional<int64_t>> EncodeById(const ReadTarget& target,
                                                  RowHints& hints,
                                                  RecordReader& reader,
                                                  absl::string_view id,
                                                  std::string* record) {
  const RowHints::Key key = {.database = target.database->name(),
                             .collection = target.collection->id,
                             .id = id};
  const int64_t hint = hints.Find(key);
  if (hint != 0) {
    ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                     reader.EncodeByRowAndId(hint, id, record));
    if (row.has_value()) return row;
  }
  ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                   reader.EncodeById(id, record));
  if (row.has_value()) hints.Note(key, *row);
  return row;
}

// What a BatchGetRequest asks for, checked.
struct BatchGet {
  std::vector<int> fields;
  filter::Node filter;
};

absl::StatusOr<BatchGet> DecodeBatch(const ReadTarget& target,
                                     const v1::BatchGetRequest& request) {
  const Collection& collection = *target.collection;
  FieldViolations violations;
  filter::SharedParameters parameters(request.parameters());
  BatchGet batch;
  batch.fields =
      DecodeMask(collection, request.read_mask(), "read_mask", violations);
  batch.filter =
      DecodeReadFilter(schema::RecordScope(collection.spec), request.filter(),
                       "filter", parameters, violations);
  parameters.CheckAllUsed(violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return batch;
}

// The ids of a batch whose records meet its filter; nothing if it has none.
using Wanted = std::optional<absl::flat_hash_set<std::string>>;

absl::StatusOr<Wanted> FindWanted(const ReadTarget& target,
                                  const v1::BatchGetRequest& request,
                                  const BatchGet& batch, int64_t now_us,
                                  const CallBounds& bounds) {
  if (request.filter().empty()) return std::nullopt;
  const StatementGuard guard(target.connection(), bounds);
  NodeFilter filter(target.connection(), *target.collection, batch.filter,
                    now_us, bounds);
  const std::vector<std::string> ids(request.ids().begin(),
                                     request.ids().end());
  absl::flat_hash_set<std::string> wanted;
  const absl::Status status =
      filter.Visit(ids, [&](absl::string_view id) { wanted.emplace(id); });
  if (!status.ok()) return guard.Explain(status);
  return wanted;
}

absl::Status CheckIds(const v1::BatchGetRequest& request) {
  if (request.ids_size() == 0 || request.ids_size() > kMaxIds) {
    return InvalidField("ids", absl::StrCat("has ", request.ids_size(),
                                            " entries; give 1 to ", kMaxIds));
  }
  for (int i = 0; i < request.ids_size(); ++i) {
    RETURN_IF_ERROR(CheckId(request.ids(i), absl::StrCat("ids[", i, "]")));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> GetRecord(
    Database& database, RowHints& hints,
    const v1::RecordServiceGetRequest& request) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(database, request.collection()));
  ASSIGN_OR_RETURN(const std::vector<int> fields,
                   DecodeReadMask(*target.collection, request.read_mask()));
  RETURN_IF_ERROR(CheckId(request.id(), "id"));
  RecordReader reader(target.connection(), *target.collection, fields,
                      BodyOf(request.typed()), database.now_us());
  std::string record;
  ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                   EncodeById(target, hints, reader, request.id(), &record));
  if (!row.has_value()) return RecordUnknown(database, request);
  TouchOnGet(database, *target.collection, *row);
  std::string response;
  response.reserve(wire::FieldSize(record.size()));
  wire::AppendBytes(v1::RecordServiceGetResponse::kRecordFieldNumber, record,
                    &response);
  return response;
}

absl::StatusOr<std::string> GetRecords(Database& database, RowHints& hints,
                                       const v1::BatchGetRequest& request,
                                       const CallBounds& bounds) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(database, request.collection()));
  ASSIGN_OR_RETURN(const BatchGet batch, DecodeBatch(target, request));
  RETURN_IF_ERROR(CheckIds(request));
  const int64_t now_us = database.now_us();
  ASSIGN_OR_RETURN(const Wanted wanted,
                   FindWanted(target, request, batch, now_us, bounds));
  RecordReader reader(target.connection(), *target.collection, batch.fields,
                      BodyOf(request.typed()), now_us);
  std::string records;
  std::string record;
  v1::BatchGetResponse response;
  for (const std::string& id : request.ids()) {
    if (wanted.has_value() && !wanted->contains(id)) {
      response.add_missing_ids(id);
      continue;
    }
    ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                     EncodeById(target, hints, reader, id, &record));
    if (!row.has_value()) {
      response.add_missing_ids(id);
      continue;
    }
    TouchOnGet(database, *target.collection, *row);
    wire::AppendBytes(v1::BatchGetResponse::kRecordsFieldNumber, record,
                      &records);
    if (records.size() > kMaxAnswerBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the records have more than ", kMaxAnswerBytes >> 20,
                       " MiB; ask for fewer at once, or for fewer fields"));
    }
  }
  ASSIGN_OR_RETURN(*response.mutable_position(), target.ReadPosition());
  // What follows is the rest of the same message.
  response.AppendToString(&records);
  return records;
}

}  // namespace engram::storage
