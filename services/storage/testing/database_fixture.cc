#include "services/storage/testing/database_fixture.h"

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "google/protobuf/util/json_util.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "services/storage/change_log.h"
#include "services/storage/record_batch.h"
#include "services/storage/record_reader.h"
#include "services/storage/record_writer.h"
#include "services/storage/schema_applier.h"

namespace engram::storage::testing {
namespace {

template <typename Status>
void AbortUnlessOk(const Status& status, const std::string& about) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", about.c_str(), status.ToString().c_str());
  std::abort();
}

}  // namespace

v1::WriteRequest RequestOf(const std::string& items,
                           const std::string& options) {
  v1::WriteRequest request;
  const std::string json = absl::StrCat(
      "{\"items\": ", items, options.empty() ? "" : ", ", options, "}");
  AbortUnlessOk(google::protobuf::util::JsonStringToMessage(json, &request),
                json);
  return request;
}

TestDatabase::TestDatabase(Database::Options options,
                           const std::string& file_sql)
    : options_(options) {
  if (!file_sql.empty()) {
    const auto file = sqlite::Connection::Open(directory_.File("engram.db"),
                                               sqlite::Access::kReadWrite);
    AbortUnlessOk(file.status(), "open");
    AbortUnlessOk((*file)->Execute(file_sql), "make the file");
  }
  Open();
}

void TestDatabase::Open() {
  auto opened = Database::Open("default", directory_.File("engram.db"), 0,
                               options_, &clock_, &metrics_, [](bool) {});
  AbortUnlessOk(opened.status(), "open");
  database_ = *std::move(opened);
}

void TestDatabase::Reopen() {
  database_.reset();
  Open();
}

absl::Status TestDatabase::Apply(const std::vector<std::string>& documents) {
  google::protobuf::RepeatedPtrField<v1::SchemaDocument> sent;
  for (const std::string& document : documents) sent.Add()->set_yaml(document);
  ASSIGN_OR_RETURN(SchemaRequest request, DecodeSchema({}, sent));
  common::v1::Model model;
  model.set_name("test");
  model.set_fingerprint("test");
  model.set_dimensions(2);
  model.set_is_default(true);
  request.models = {model};
  request.allow_destructive = true;
  absl::Status result;
  absl::Notification done;
  ApplySchema(*database_, std::move(request), absl::InfiniteFuture(),
              [&](const absl::StatusOr<AppliedSchema>& applied) {
                result = applied.status();
                done.Notify();
              });
  done.WaitForNotification();
  return result;
}

absl::Status TestDatabase::Run(
    absl::AnyInvocable<absl::Status(WriteTransaction&)> work) {
  absl::Status result;
  absl::Notification done;
  database_->Submit({.run = std::move(work), .done = [&](absl::Status status) {
                       result = std::move(status);
                       done.Notify();
                     }});
  done.WaitForNotification();
  return result;
}

absl::StatusOr<v1::WriteResponse> TestDatabase::Write(
    const std::string& items, const std::string& options) {
  const v1::WriteRequest request = RequestOf(items, options);
  ASSIGN_OR_RETURN(
      RecordBatch batch,
      DecodeBatch(database_->name(), database_->catalog(), request));
  v1::WriteResponse response;
  RETURN_IF_ERROR(Run([&](WriteTransaction& transaction) {
    return WriteRequest(transaction, *database_, request, batch, &response);
  }));
  return response;
}

absl::StatusOr<v1::WriteResult> TestDatabase::WriteOne(
    const std::string& item) {
  ASSIGN_OR_RETURN(const v1::WriteResponse response,
                   Write(absl::StrCat("[", item, "]")));
  return response.results(0);
}

absl::StatusOr<v1::Record> TestDatabase::Get(const std::string& collection,
                                             const std::string& id) {
  ASSIGN_OR_RETURN(ReadView view, database_->BeginRead());
  ASSIGN_OR_RETURN(const CollectionPtr found, view.Get(collection));
  ASSIGN_OR_RETURN(const std::vector<int> fields, DecodeReadMask(*found, {}));
  v1::Record record;
  RecordReader reader(view.connection(), *found, fields,
                      RecordReader::Body::kFields, database_->now_us());
  ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                   reader.ReadById(id, &record));
  if (!row.has_value()) return absl::NotFoundError("no such record");
  return record;
}

absl::StatusOr<std::string> TestDatabase::Fields(const std::string& collection,
                                                 const std::string& id) {
  ASSIGN_OR_RETURN(const v1::Record record, Get(collection, id));
  std::string json;
  json::AppendJson(record.fields(), &json);
  return json;
}

absl::StatusOr<SweepResult> TestDatabase::SweepAll() {
  absl::StatusOr<SweepResult> result;
  absl::Notification done;
  Sweep::Start(*database_, {}, absl::InfiniteFuture(),
               [&](const absl::Status& status, const SweepResult& swept) {
                 result = status.ok() ? absl::StatusOr<SweepResult>(swept)
                                      : absl::StatusOr<SweepResult>(status);
                 done.Notify();
               });
  done.WaitForNotification();
  return result;
}

int64_t TestDatabase::QueryInt(const std::string& sql) {
  auto reader = database_->AcquireReader();
  AbortUnlessOk(reader.status(), "reader");
  const auto value = (*reader)->QueryInt(sql);
  AbortUnlessOk(value.status(), sql);
  return *value;
}

std::string TestDatabase::QueryText(const std::string& sql) {
  auto reader = database_->AcquireReader();
  AbortUnlessOk(reader.status(), "reader");
  auto select = (*reader)->Prepare(sql);
  AbortUnlessOk(select.status(), sql);
  const auto found = select->Step();
  AbortUnlessOk(found.status(), sql);
  return *found ? std::string(select->Text(0)) : "(no row)";
}

std::vector<std::string> TestDatabase::ChangesAfter(int64_t sequence) {
  auto reader = database_->AcquireReader();
  AbortUnlessOk(reader.status(), "reader");
  std::vector<std::string> changes;
  AbortUnlessOk(
      VisitChanges(**reader, sequence,
                   [&](const Change& change) -> absl::StatusOr<bool> {
                     const absl::string_view kind =
                         change.kind == ChangeKind::kRecordChanged   ? "changed"
                         : change.kind == ChangeKind::kRecordDeleted ? "deleted"
                         : change.kind == ChangeKind::kVectorsStored ? "vectors"
                         : change.kind == ChangeKind::kVectorsFailed ? "failed"
                                                                     : "other";
                     changes.push_back(absl::StrCat(kind, " ", change.id));
                     return true;
                   }),
      "changes");
  return changes;
}

}  // namespace engram::storage::testing
