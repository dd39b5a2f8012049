#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engram/search/v1/search.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/operation_wait.h"
#include "tools/engramctl/record_write.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using search::v1::DuplicateGroup;
using search::v1::FindDuplicatesRequest;
using search::v1::FindDuplicatesResult;
using search::v1::SearchService;

struct DuplicatesOptions {
  std::string collection;
  std::string vector_field;
  std::optional<float> min_score;
  int limit = 100;
  std::string filter;
  // Of the filter.
  ConditionFlags parameters;
};

void PrintJson(const Console& console, const FindDuplicatesResult& result) {
  std::vector<JsonObject> groups;
  for (const DuplicateGroup& group : result.groups()) {
    groups.push_back(
        JsonObject()
            .Int("record_count", group.record_count())
            .Float("weakest_score", group.weakest_score())
            .Texts("ids", {group.ids().begin(), group.ids().end()}));
  }
  console.out << JsonObject()
                     .Text("position", result.position())
                     .Int("group_count", result.group_count())
                     .Int("record_count", result.record_count())
                     .List("groups", groups)
                     .ToString()
              << "\n";
}

void PrintGroups(const Console& console, const FindDuplicatesResult& result) {
  console.out << WithCommas(result.record_count()) << " records in "
              << WithCommas(result.group_count()) << " groups at "
              << result.position() << "\n";
  if (result.groups().empty()) return;
  Table table({{"RECORDS", Table::Align::kRight},
               {"WEAKEST", Table::Align::kRight},
               {"IDS"}});
  for (const DuplicateGroup& group : result.groups()) {
    table.AddRow({WithCommas(group.record_count()),
                  absl::StrFormat("%.3f", group.weakest_score()),
                  absl::StrJoin(group.ids(), " ")});
  }
  PrintTable(console, table);
}

absl::Status FindDuplicates(Context& context,
                            const DuplicatesOptions& options) {
  FindDuplicatesRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_vector_field(options.vector_field);
  if (options.min_score.has_value()) request.set_min_score(*options.min_score);
  request.set_limit(options.limit);
  request.set_filter(options.filter);
  RETURN_IF_ERROR(
      options.parameters.FillParameters(request.mutable_parameters()));
  ASSIGN_OR_RETURN(
      const auto response,
      context.connection().Call(Role::kSearch,
                                &SearchService::Stub::FindDuplicates, request));
  ASSIGN_OR_RETURN(const common::v1::Operation operation,
                   AwaitOperation(context, response.operation(), "comparing"));
  ASSIGN_OR_RETURN(const auto result,
                   ResultOf<FindDuplicatesResult>(operation));
  if (context.console.json) {
    PrintJson(context.console, result);
  } else {
    PrintGroups(context.console, result);
  }
  return absl::OkStatus();
}

}  // namespace

void AddDuplicatesCommand(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "duplicates",
      "Find the records of a collection that say nearly the same");
  auto options = std::make_shared<DuplicatesOptions>();
  command->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  command->add_option(
      "--min-score", options->min_score,
      "How close two records must be, in the unit of a search's "
      "score: at least, with l2 at most (default: cosine 0.95)");
  command->add_option("--limit", options->limit, "The most groups")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command->add_option("--filter", options->filter,
                      "Only records that meet this filter, of indexed fields");
  options->parameters.DeclareParameters(command);
  command->add_option("--vector-field", options->vector_field,
                      "The vector field, if there are several");
  command->footer(
      R"(The largest groups first. Each record of a group is close to another one of it;
WEAKEST is the score of the two that are the least close of those that hold the
group together.

Examples:
  engramctl duplicates memories
  engramctl duplicates notes --min-score 0.98 --limit 20 --json
  engramctl duplicates memories --filter 'kind = :k' --param k=fact)");
  command->callback([&context, options] {
    context.action = [&context, options] {
      return FindDuplicates(context, *options);
    };
  });
}

}  // namespace engram::engramctl
