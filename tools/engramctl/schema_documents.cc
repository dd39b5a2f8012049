#include "tools/engramctl/schema_documents.h"

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "libs/json/json.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/input_file.h"

namespace engram::engramctl {
namespace {

using google::protobuf::Struct;
using storage::v1::SchemaDocument;

// Stored. A plan of another form is refused.
constexpr absl::string_view kPlanFormat = "engram-plan/1";
constexpr int64_t kMaxPlanBytes = 64 << 20;

absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".yaml" || extension == ".yml") {
      files.push_back(entry.path().string());
    }
  }
  if (error) {
    return absl::ErrnoToStatus(error.value(), folder);
  }
  if (files.empty()) {
    return absl::NotFoundError(
        absl::StrCat(folder, ": has no .yaml and no .yml file"));
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status =
      google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) return absl::InternalError(status.ToString());
  return text;
}

// Reads what ToJson wrote of the object's `key`.
absl::Status FromJson(const Struct& object, const std::string& key,
                      google::protobuf::Message* message) {
  const auto value = object.fields().find(key);
  if (value == object.fields().end()) {
    return absl::InvalidArgumentError(absl::StrCat("has no \"", key, "\""));
  }
  std::string text;
  json::AppendJson(value->second, &text);
  const auto status =
      google::protobuf::util::JsonStringToMessage(text, message);
  if (status.ok()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(key, ": ", std::string(status.message())));
}

std::string TextOf(const Struct& object, const std::string& key) {
  const auto value = object.fields().find(key);
  return value == object.fields().end() ? "" : value->second.string_value();
}

absl::Status ParsePlan(absl::string_view text, SavedPlan& plan) {
  Struct object;
  json::Parser parser;
  RETURN_IF_ERROR(parser.ParseObject(text, &object));
  if (TextOf(object, "format") != kPlanFormat) {
    return absl::InvalidArgumentError(
        "is no plan that this engramctl wrote; plan again");
  }
  plan.database = TextOf(object, "database");
  RETURN_IF_ERROR(FromJson(object, "target", &plan.target));
  return FromJson(object, "plan", &plan.plan);
}

}  // namespace

absl::StatusOr<std::vector<SchemaDocument>> ReadSchemaDocuments(
    const std::vector<std::string>& paths, std::istream& in) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    std::error_code error;
    if (path != "-" && std::filesystem::is_directory(path, error)) {
      ASSIGN_OR_RETURN(const std::vector<std::string> found, FilesOf(path));
      files.insert(files.end(), found.begin(), found.end());
    } else {
      files.push_back(path);
    }
  }
  std::vector<SchemaDocument> documents;
  for (const std::string& file : files) {
    SchemaDocument& document = documents.emplace_back();
    document.set_name(file == "-" ? "stdin" : file);
    ASSIGN_OR_RETURN(*document.mutable_yaml(),
                     ReadInput(file, in, schema::kMaxDocumentBytes));
  }
  return documents;
}

absl::Status SavePlan(const SavedPlan& plan, const std::string& path) {
  ASSIGN_OR_RETURN(const std::string target, ToJson(plan.target));
  ASSIGN_OR_RETURN(const std::string steps, ToJson(plan.plan));
  std::string database;
  json::AppendQuoted(plan.database, &database);
  std::ofstream file(path, std::ios::binary);
  file << "{\"format\":\"" << kPlanFormat << "\",\n\"database\":" << database
       << ",\n\"target\":" << target << ",\n\"plan\":" << steps << "}\n";
  file.close();
  if (file.good()) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, ": cannot be written"));
}

absl::StatusOr<SavedPlan> LoadPlan(const std::string& path, std::istream& in) {
  ASSIGN_OR_RETURN(const std::string text, ReadInput(path, in, kMaxPlanBytes));
  SavedPlan plan;
  RETURN_IF_ERROR(WithContext(ParsePlan(text, plan), path));
  return plan;
}

}  // namespace engram::engramctl
