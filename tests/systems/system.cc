#include "tests/systems/system.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "libs/json/json.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/grpc_status.h"

namespace engram::systems {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;

constexpr char kModel[] = "test/model";
constexpr int kDimensions = 4;

void AbortUnlessOk(const absl::Status& status, absl::string_view what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", std::string(what).c_str(),
               status.ToString().c_str());
  std::abort();
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  AbortUnlessOk(file ? absl::OkStatus() : absl::NotFoundError("unreadable"),
                path.string());
  return text.str();
}

Struct ParseObject(const std::string& json) {
  json::Parser parser;
  Struct object;
  AbortUnlessOk(parser.ParseObject(json, &object), json);
  return object;
}

Row ReadRow(const Struct& source) {
  Row row;
  row.id = source.fields().at("id").string_value();
  row.fields = source.fields().at("fields").struct_value();
  const auto checks = source.fields().find("broken_checks");
  if (checks != source.fields().end()) {
    for (const Value& change : checks->second.list_value().values()) {
      row.broken_checks.push_back(change.struct_value());
    }
  }
  return row;
}

v1::WriteItem NewItem(const std::string& collection) {
  v1::WriteItem item;
  item.set_collection(collection);
  return item;
}

void Fill(const std::string& id, const Struct& fields, v1::Record& record) {
  record.set_id(id);
  *record.mutable_fields() = fields;
}

// The detail of this type that `status` carries; an empty one if it has none.
template <typename Message>
Message Detail(const absl::Status& status) {
  Message detail;
  const auto payload = status.GetPayload(
      absl::StrCat("type.googleapis.com/", Message::descriptor()->full_name()));
  if (payload.has_value()) {
    EXPECT_TRUE(detail.ParseFromString(std::string(*payload)));
  }
  return detail;
}

}  // namespace

System::System(const std::string& name) : storage_(clock_) {
  const std::filesystem::path root(ENGRAM_SOURCE_DIR);
  std::vector<std::filesystem::path> files;
  for (const auto& entry :
       std::filesystem::directory_iterator(root / "deploy/schemas" / name)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const std::filesystem::path& file : files) {
    documents_.push_back(ReadFile(file));
    auto spec =
        schema::ParseCollection(file.filename().string(), documents_.back());
    AbortUnlessOk(spec.status(), file.string());
    collections_[spec->name] = *spec;
  }
  const Struct rows =
      ParseObject(ReadFile(root / "tests/systems/rows" / (name + ".json")));
  for (const auto& [collection, list] : rows.fields()) {
    for (const Value& row : list.list_value().values()) {
      rows_[collection].push_back(ReadRow(row.struct_value()));
    }
  }
  AbortUnlessOk(storage_.RegisterModel(kModel, kFingerprint, kDimensions),
                kModel);
}

bool System::IsRolledUp(const std::string& collection,
                        const std::string& field) const {
  for (const auto& [name, spec] : collections_) {
    for (const schema::RollupSpec& rollup : spec.rollups) {
      if (spec.FindField(rollup.parent)->target != collection) continue;
      for (const schema::RollupSpec::Set& set : rollup.set) {
        if (set.field == field) return true;
      }
    }
  }
  return false;
}

absl::StatusOr<v1::ApplySchemaResponse> System::Apply() {
  return storage_.ApplySchema(documents_);
}

absl::Status System::WriteRows() {
  v1::WriteRequest request;
  for (const auto& [collection, rows] : rows_) {
    for (const Row& row : rows) {
      v1::WriteItem item = NewItem(collection);
      Fill(row.id, row.fields, *item.mutable_create());
      *request.add_items() = std::move(item);
    }
  }
  return storage_.Write(request).status();
}

absl::StatusOr<v1::WriteResult> System::Write(const v1::WriteItem& item) {
  v1::WriteRequest request;
  *request.add_items() = item;
  absl::StatusOr<v1::WriteResponse> response = storage_.Write(request);
  if (!response.ok()) return response.status();
  return response->results(0);
}

absl::StatusOr<v1::WriteResult> System::Create(const std::string& collection,
                                               const std::string& id,
                                               const Struct& fields) {
  v1::WriteItem item = NewItem(collection);
  Fill(id, fields, *item.mutable_create());
  return Write(item);
}

absl::StatusOr<v1::WriteResult> System::Create(const std::string& collection,
                                               const std::string& id,
                                               const std::string& json) {
  return Create(collection, id, ParseObject(json));
}

absl::StatusOr<v1::WriteResult> System::Upsert(const std::string& collection,
                                               const std::string& id,
                                               const std::string& json) {
  v1::WriteItem item = NewItem(collection);
  Fill(id, ParseObject(json), *item.mutable_upsert());
  return Write(item);
}

absl::StatusOr<v1::WriteResult> System::Replace(const std::string& collection,
                                                const std::string& id,
                                                const std::string& json) {
  v1::WriteItem item = NewItem(collection);
  Fill(id, ParseObject(json), *item.mutable_replace());
  return Write(item);
}

absl::StatusOr<v1::WriteResult> System::Update(const std::string& collection,
                                               const std::string& id,
                                               const Struct& fields) {
  v1::WriteItem item = NewItem(collection);
  Fill(id, fields, *item.mutable_update());
  return Write(item);
}

absl::StatusOr<v1::WriteResult> System::Update(const std::string& collection,
                                               const std::string& id,
                                               const std::string& json) {
  return Write(UpdateItem(collection, id, json));
}

absl::StatusOr<v1::WriteResult> System::Delete(const std::string& collection,
                                               const std::string& id) {
  v1::WriteItem item = NewItem(collection);
  item.mutable_delete_()->set_id(id);
  return Write(item);
}

absl::StatusOr<v1::DeleteWhereResponse> System::DeleteWhere(
    const v1::DeleteWhereRequest& request) {
  grpc::ClientContext context;
  v1::DeleteWhereResponse response;
  const grpc::Status status =
      storage_.records().DeleteWhere(&context, request, &response);
  if (!status.ok()) return FromGrpcStatus(status);
  return response;
}

absl::StatusOr<v1::DeleteWhereResponse> System::DeleteWhere(
    const std::string& collection, const std::string& filter) {
  v1::DeleteWhereRequest request;
  request.set_collection(collection);
  request.set_filter(filter);
  return DeleteWhere(request);
}

absl::StatusOr<v1::UpdateWhereResponse> System::UpdateWhere(
    const v1::UpdateWhereRequest& request) {
  grpc::ClientContext context;
  v1::UpdateWhereResponse response;
  const grpc::Status status =
      storage_.records().UpdateWhere(&context, request, &response);
  if (!status.ok()) return FromGrpcStatus(status);
  return response;
}

absl::StatusOr<v1::Record> System::Get(const std::string& collection,
                                       const std::string& id) {
  return storage_.Get(collection, id);
}

std::string System::Field(const std::string& collection, const std::string& id,
                          const std::string& field) {
  for (const v1::Record& record : List(collection)) {
    if (record.id() != id) continue;
    const auto value = record.fields().fields().find(field);
    if (value == record.fields().fields().end()) return "null";
    std::string text;
    json::AppendJson(value->second, &text);
    return text;
  }
  ADD_FAILURE() << "no record \"" << id << "\" in " << collection;
  return "null";
}

double System::Number(const std::string& collection, const std::string& id,
                      const std::string& field) {
  double number = 0;
  const std::string text = Field(collection, id, field);
  EXPECT_TRUE(absl::SimpleAtod(text, &number)) << field << " is " << text;
  return number;
}

std::vector<v1::Record> System::List(const std::string& collection) {
  v1::RecordServiceListRequest request;
  request.set_collection(collection);
  request.set_page_size(1000);
  grpc::ClientContext context;
  v1::RecordServiceListResponse response;
  const grpc::Status status =
      storage_.records().List(&context, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return {response.records().begin(), response.records().end()};
}

std::vector<std::string> System::Ids(const std::string& collection) {
  std::vector<std::string> ids;
  for (const v1::Record& record : List(collection)) ids.push_back(record.id());
  return ids;
}

bool System::Exists(const std::string& collection, const std::string& id) {
  const std::vector<std::string> ids = Ids(collection);
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

v1::WriteItem UpdateItem(const std::string& collection, const std::string& id,
                         const std::string& json) {
  v1::WriteItem item = NewItem(collection);
  Fill(id, ParseObject(json), *item.mutable_update());
  return item;
}

std::vector<std::string> ViolatedPaths(const absl::Status& status) {
  const auto request = Detail<google::rpc::BadRequest>(status);
  std::vector<std::string> paths;
  for (const auto& violation : request.field_violations()) {
    paths.push_back(violation.field());
  }
  return paths;
}

std::string FieldAtFault(const absl::Status& status) {
  const auto info = Detail<google::rpc::ErrorInfo>(status);
  const auto field = info.metadata().find("field");
  return field == info.metadata().end() ? "" : field->second;
}

}  // namespace engram::systems
