#include "services/storage/testing/collections.h"

#include <cstdio>
#include <cstdlib>
#include <memory>

#include "google/rpc/error_details.pb.h"
#include "libs/json/json.h"
#include "libs/schema/collection_parser.h"

namespace engram::storage::testing {
namespace {

void CheckOk(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

}  // namespace

std::vector<CollectionPtr> MakeCollections(
    const std::vector<std::string>& documents) {
  std::vector<std::shared_ptr<Collection>> collections;
  for (const std::string& document : documents) {
    auto collection = std::make_shared<Collection>();
    absl::StatusOr<schema::CollectionSpec> spec =
        schema::ParseCollection("test", document);
    CheckOk(spec.status());
    collection->id = static_cast<int64_t>(collections.size()) + 1;
    collection->spec = *std::move(spec);
    for (size_t i = 0; i < collection->spec.fields.size(); ++i) {
      collection->typed.numbers.push_back(static_cast<int>(i) + 1);
    }
    for (const schema::VectorFieldSpec& declared : collection->spec.vectors) {
      VectorField& field = collection->vectors.emplace_back();
      field.name = declared.name;
      Generation& generation = field.generations.emplace_back();
      generation.id = 1;
      generation.dimensions = declared.dimensions;
      generation.spec = declared;
    }
    CompileCollection(*collection);
    collections.push_back(std::move(collection));
  }
  for (const auto& collection : collections) {
    const std::vector<schema::FieldSpec>& fields = collection->spec.fields;
    for (size_t place = 0; place < fields.size(); ++place) {
      for (const auto& target : collections) {
        if (target->name() != fields[place].target) continue;
        target->referrers.push_back({.collection = collection->id,
                                     .name = collection->name(),
                                     .field = static_cast<int>(place),
                                     .on_delete = fields[place].on_delete});
      }
    }
  }
  return {collections.begin(), collections.end()};
}

std::vector<std::pair<std::string, std::string>> ViolationsOf(
    const absl::Status& status) {
  std::vector<std::pair<std::string, std::string>> result;
  const auto payload =
      status.GetPayload("type.googleapis.com/google.rpc.BadRequest");
  google::rpc::BadRequest details;
  if (!payload.has_value() || !details.ParseFromString(std::string(*payload))) {
    return result;
  }
  for (const auto& violation : details.field_violations()) {
    result.emplace_back(violation.field(), violation.description());
  }
  return result;
}

google::protobuf::Struct StructOf(const std::string& json) {
  google::protobuf::Struct object;
  json::Parser parser;
  CheckOk(parser.ParseObject(json, &object));
  return object;
}

}  // namespace engram::storage::testing
