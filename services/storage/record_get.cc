#include "services/storage/record_get.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/read_target.h"
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

// Finds the record by one statement: half of a Get's work would be to begin and
// to end a transaction, and to ask for the schema. True if it is found; else,
// also after what may be an error, ReadWithCare has the answer.
bool ReadQuickly(Database& database, const v1::RecordServiceGetRequest& request,
                 v1::Record* record) {
  const CollectionPtr collection =
      database.catalog().Find(request.collection());
  if (collection == nullptr) return false;
  const auto fields = DecodeReadMask(*collection, request.read_mask());
  if (!fields.ok()) return false;
  const auto connection = database.AcquireReader();
  if (!connection.ok()) return false;
  RecordReader reader(**connection, *collection, *fields,
                      BodyOf(request.typed()), database.now_us());
  const auto row = reader.ReadNewestById(request.id(), record);
  if (!row.ok() || !row->has_value()) return false;
  TouchOnGet(database, *collection, **row);
  return true;
}

// The same, with the collection as it is in the state that is read.
absl::Status ReadWithCare(Database& database,
                          const v1::RecordServiceGetRequest& request,
                          v1::Record* record) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(database, request.collection()));
  ASSIGN_OR_RETURN(const std::vector<int> fields,
                   DecodeReadMask(*target.collection, request.read_mask()));
  RETURN_IF_ERROR(CheckId(request.id(), "id"));
  RecordReader reader(target.connection(), *target.collection, fields,
                      BodyOf(request.typed()), database.now_us());
  ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                   reader.ReadById(request.id(), record));
  if (!row.has_value()) return RecordUnknown(database, request);
  TouchOnGet(database, *target.collection, *row);
  return absl::OkStatus();
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

absl::Status GetRecord(Database& database,
                       const v1::RecordServiceGetRequest& request,
                       v1::Record* record) {
  if (ReadQuickly(database, request, record)) return absl::OkStatus();
  record->Clear();
  return ReadWithCare(database, request, record);
}

absl::Status GetRecords(Database& database, const v1::BatchGetRequest& request,
                        v1::BatchGetResponse* response) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(database, request.collection()));
  ASSIGN_OR_RETURN(const std::vector<int> fields,
                   DecodeReadMask(*target.collection, request.read_mask()));
  RETURN_IF_ERROR(CheckIds(request));
  RecordReader reader(target.connection(), *target.collection, fields,
                      BodyOf(request.typed()), database.now_us());
  size_t bytes = 0;
  for (const std::string& id : request.ids()) {
    v1::Record* record = response->add_records();
    ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                     reader.ReadById(id, record));
    if (row.has_value()) {
      TouchOnGet(database, *target.collection, *row);
      bytes += record->ByteSizeLong();
      if (bytes <= kMaxAnswerBytes) continue;
      return absl::ResourceExhaustedError(
          absl::StrCat("the records have more than ", kMaxAnswerBytes >> 20,
                       " MiB; ask for fewer at once, or for fewer fields"));
    }
    response->mutable_records()->RemoveLast();
    response->add_missing_ids(id);
  }
  ASSIGN_OR_RETURN(*response->mutable_position(), target.ReadPosition());
  return absl::OkStatus();
}

}  // namespace engram::storage
