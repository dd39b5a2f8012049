#include "tools/engramctl/record_view.h"

#include "absl/strings/str_split.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "libs/json/json.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/status_macros.h"

namespace engram::engramctl {

using storage::v1::CatalogService;
using storage::v1::GetCollectionRequest;
using storage::v1::GetCollectionResponse;

absl::StatusOr<storage::v1::Collection> FetchCollection(
    Context& context, const std::string& collection) {
  GetCollectionRequest request;
  request.set_database(context.database);
  request.set_collection(collection);
  ASSIGN_OR_RETURN(
      GetCollectionResponse response,
      context.connection().Call(Role::kStorage,
                                &CatalogService::Stub::GetCollection, request));
  return std::move(*response.mutable_collection());
}

absl::StatusOr<schema::CollectionSpec> FetchSchema(
    Context& context, const std::string& collection) {
  ASSIGN_OR_RETURN(const storage::v1::Collection found,
                   FetchCollection(context, collection));
  return schema::ParseCollection(collection, found.schema());
}

std::vector<std::string> SplitNames(absl::string_view names) {
  return absl::StrSplit(names, absl::ByAnyChar(", "), absl::SkipEmpty());
}

JsonObject RecordAsJson(const storage::v1::Record& record) {
  JsonObject object;
  object.Text("id", record.id()).Struct("fields", record.fields());
  if (record.version() != 0) object.Int("version", record.version());
  if (record.has_create_time()) {
    object.Text("create_time", TimestampText(record.create_time()));
  }
  if (record.has_update_time()) {
    object.Text("update_time", TimestampText(record.update_time()));
  }
  if (record.has_expire_time()) {
    object.Text("expire_time", TimestampText(record.expire_time()));
  }
  return object;
}

std::string FieldText(const storage::v1::Record& record,
                      const std::string& field) {
  const auto value = record.fields().fields().find(field);
  if (value == record.fields().fields().end() ||
      value->second.has_null_value()) {
    return "";
  }
  if (value->second.has_string_value()) return value->second.string_value();
  std::string text;
  json::AppendJson(value->second, &text);
  return text;
}

std::string TimestampText(const google::protobuf::Timestamp& timestamp) {
  return schema::FormatTimestamp(timestamp.seconds() * 1'000'000 +
                                 timestamp.nanos() / 1000);
}

}  // namespace engram::engramctl
