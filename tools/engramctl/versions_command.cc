#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::ListVersionsRequest;
using storage::v1::ListVersionsResponse;
using storage::v1::Record;
using storage::v1::RecordService;
using storage::v1::RecordVersion;

constexpr int64_t kPageSize = 1000;

constexpr char kFooter[] =
    R"(Newest first. CHANGED names the fields that differ from the version before; the
oldest one that is kept has none to differ from. `engramctl restore COLLECTION ID
--version N` takes the fields of version N again.

Examples:
  engramctl versions pages home
  engramctl versions pages home --fields title,body --limit 3
  engramctl versions pages home --json)";

struct Options {
  std::string collection;
  std::string id;
  std::string fields;
  int64_t limit = 20;
};

// Up to `limit` versions, 0 is all.
absl::StatusOr<std::vector<RecordVersion>> FetchVersions(Context& context,
                                                         const Options& options,
                                                         int64_t limit) {
  ListVersionsRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_id(options.id);
  for (const std::string& field : SplitNames(options.fields)) {
    request.mutable_read_mask()->add_paths(field);
  }
  std::vector<RecordVersion> versions;
  do {
    const int64_t left = limit - static_cast<int64_t>(versions.size());
    request.set_page_size(
        static_cast<int>(limit == 0 ? kPageSize : std::min(left, kPageSize)));
    ASSIGN_OR_RETURN(
        ListVersionsResponse response,
        context.connection().Call(Role::kStorage,
                                  &RecordService::Stub::ListVersions, request));
    for (RecordVersion& version : *response.mutable_versions()) {
      versions.push_back(std::move(version));
    }
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() &&
           (limit == 0 || static_cast<int64_t>(versions.size()) < limit));
  return versions;
}

// The names of the fields whose values differ.
std::vector<std::string> ChangedFields(const Record& before,
                                       const Record& after) {
  std::set<std::string> names;
  for (const auto& [name, value] : before.fields().fields()) names.insert(name);
  for (const auto& [name, value] : after.fields().fields()) names.insert(name);
  std::vector<std::string> changed;
  for (const std::string& name : names) {
    if (FieldText(before, name) != FieldText(after, name)) {
      changed.push_back(name);
    }
  }
  return changed;
}

// Whether `older`, the next one of the list, is what `version` was made of.
bool Follows(const RecordVersion& version, const RecordVersion* older) {
  return older != nullptr && version.record().version() > 1 &&
         version.record().version() > older->record().version();
}

// To the second, so that two of them fit a line; --json has the rest.
std::string SecondText(google::protobuf::Timestamp time) {
  time.set_nanos(0);
  return TimestampText(time);
}

std::string HowItEnded(const RecordVersion& version) {
  if (!version.has_end_time()) return "";
  return absl::StrCat(version.deleted() ? "deleted " : "changed ",
                      SecondText(version.end_time()));
}

void PrintJson(const Console& console,
               const std::vector<RecordVersion>& versions, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    const RecordVersion& version = versions[i];
    const RecordVersion* older =
        i + 1 < versions.size() ? &versions[i + 1] : nullptr;
    JsonObject object = RecordAsJson(version.record());
    if (version.has_end_time()) {
      object.Text("end_time", TimestampText(version.end_time()))
          .Bool("deleted", version.deleted());
    }
    if (Follows(version, older)) {
      object.Texts("changed", ChangedFields(older->record(), version.record()));
    }
    console.out << object.ToString() << "\n";
  }
}

void PrintVersions(const Console& console, const Options& options,
                   const std::vector<RecordVersion>& versions, size_t count) {
  std::vector<Table::Column> columns = {
      {"VERSION", Table::Align::kRight}, {"WRITTEN"}, {"ENDED"}};
  const std::vector<std::string> fields = SplitNames(options.fields);
  for (const std::string& field : fields) columns.push_back({field});
  if (fields.empty()) columns.push_back({"CHANGED"});
  Table table(columns);
  for (size_t i = 0; i < count; ++i) {
    const RecordVersion& version = versions[i];
    const RecordVersion* older =
        i + 1 < versions.size() ? &versions[i + 1] : nullptr;
    std::vector<std::string> cells = {
        absl::StrCat(version.record().version()),
        SecondText(version.record().update_time()), HowItEnded(version)};
    for (const std::string& field : fields) {
      cells.push_back(FieldText(version.record(), field));
    }
    if (fields.empty()) {
      cells.push_back(
          Follows(version, older)
              ? absl::StrJoin(ChangedFields(older->record(), version.record()),
                              ", ")
          : version.record().version() == 1 ? "(created)"
                                            : "");
    }
    table.AddRow(std::move(cells));
  }
  PrintTable(console, table);
}

absl::Status ShowVersions(Context& context, const Options& options) {
  // One more than is shown, to compare the last one with.
  ASSIGN_OR_RETURN(const std::vector<RecordVersion> versions,
                   FetchVersions(context, options,
                                 options.limit == 0 ? 0 : options.limit + 1));
  const size_t count =
      options.limit == 0
          ? versions.size()
          : std::min(versions.size(), static_cast<size_t>(options.limit));
  if (context.console.json) {
    PrintJson(context.console, versions, count);
  } else {
    PrintVersions(context.console, options, versions, count);
  }
  if (count < versions.size()) {
    context.console.err << "there are older ones (--limit shows more)\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddVersionsCommand(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("versions", "List what a record was before");
  command->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  command->add_option("ID", options->id, "The record's id")->required();
  command->add_option("--fields", options->fields,
                      "Show these fields, separated by commas");
  command->add_option("--limit", options->limit, "The most versions; 0 is all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->footer(kFooter);
  command->callback([&context, options] {
    context.action = [&context, options] {
      return ShowVersions(context, *options);
    };
  });
}

}  // namespace engram::engramctl
