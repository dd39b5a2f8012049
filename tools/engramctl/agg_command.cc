#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>
#include <ostream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/figure_text.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_write.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using storage::v1::AggregateRequest;
using storage::v1::AggregateResponse;
using storage::v1::RecordService;
using storage::v1::TimeBucket;

constexpr char kFooter[] =
    R"(A figure is function(expression), with a name before it where it should have
one: count(), count(email), distinct(kind), sum(cost), avg(score),
avg(score, weight), min(at), max(at). Without one, records are counted. Sum a
condition to count where it is true: done=sum(state = "done").

A key is a field, or name=expression; field:day makes groups of a time, by
minute, hour, day, week, month, quarter or year, in UTC. Of a list of strings
each element is a group. A `-` in the table is a value that is missing.

Examples:
  engramctl agg sessions --by model 'cost=sum(total_cost)' 'n=count()' \
      --filter 'model IS NOT NULL' --order-by 'cost desc'
  engramctl agg sessions --by day=created_at:day 'sum(total_tokens_in)'
  engramctl agg analytics --by model 'ms=avg(avg_response_time_ms, requests)'
  engramctl agg posts --by tag=tags --having 'count >= 3' --limit 20 --json)";

struct Options {
  std::string collection;
  std::vector<std::string> figures;
  std::vector<std::string> keys;
  ConditionFlags condition;
  std::string having;
  std::string order_by;
  int32_t limit = 0;
};

// One column of the table.
struct ShownColumn {
  std::string name;
  bool is_key = false;
  TimeBucket bucket = storage::v1::TIME_BUCKET_UNSPECIFIED;
};

absl::StatusOr<AggregateRequest> MakeRequest(const Context& context,
                                             const Options& options) {
  AggregateRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_filter(options.condition.filter);
  RETURN_IF_ERROR(
      options.condition.FillParameters(request.mutable_parameters()));
  for (const std::string& text : options.keys) {
    ASSIGN_OR_RETURN(*request.add_group_by(), ParseGroupKey(text));
  }
  for (const std::string& text : options.figures) {
    ASSIGN_OR_RETURN(*request.add_aggregations(), ParseFigure(text));
  }
  if (options.figures.empty()) {
    ASSIGN_OR_RETURN(*request.add_aggregations(), ParseFigure("count()"));
  }
  request.set_having(options.having);
  request.set_order_by(options.order_by);
  request.set_limit(options.limit);
  return request;
}

std::vector<ShownColumn> ColumnsOf(const AggregateRequest& request) {
  std::vector<ShownColumn> columns;
  for (const auto& key : request.group_by()) {
    columns.push_back({.name = key.name().empty() ? key.field() : key.name(),
                       .is_key = true,
                       .bucket = key.bucket()});
  }
  for (const auto& figure : request.aggregations()) {
    columns.push_back({.name = figure.name()});
  }
  return columns;
}

// At most four digits after the point, more only of what would be nothing.
std::string NumberText(double number) {
  const double size = std::fabs(number);
  if (size != 0 && (size < 1e-3 || size >= 1e15)) {
    return absl::StrFormat("%.4g", number);
  }
  std::string text = absl::StrFormat("%.4f", number);
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string FigureNumber(double number) {
  if (std::trunc(number) == number && std::fabs(number) < 1e15) {
    return WithCommas(static_cast<int64_t>(number));
  }
  return NumberText(number);
}

// As much of an instant as tells the interval that begins with it.
std::string InstantText(std::string text, TimeBucket bucket) {
  if (bucket == storage::v1::TIME_BUCKET_UNSPECIFIED) return text;
  absl::string_view shown = text;
  if (bucket == storage::v1::TIME_BUCKET_MINUTE ||
      bucket == storage::v1::TIME_BUCKET_HOUR) {
    return absl::StrCat(absl::StripSuffix(shown, ":00Z"), "Z");
  }
  return std::string(absl::StripSuffix(shown, "T00:00:00Z"));
}

std::string CellText(const Struct& row, const ShownColumn& column) {
  const auto found = row.fields().find(column.name);
  if (found == row.fields().end()) return "-";
  const Value& value = found->second;
  if (value.has_string_value()) {
    int64_t whole = 0;
    if (!column.is_key && absl::SimpleAtoi(value.string_value(), &whole)) {
      return WithCommas(whole);
    }
    return InstantText(value.string_value(), column.bucket);
  }
  if (value.has_number_value()) {
    return column.is_key ? NumberText(value.number_value())
                         : FigureNumber(value.number_value());
  }
  std::string text;
  json::AppendJson(value, &text);
  return text;
}

// Whether the column has numbers, or nothing else: those stand at the right.
bool IsNumeric(const AggregateResponse& response, const std::string& name) {
  bool has_number = false;
  for (const Struct& row : response.rows()) {
    const auto found = row.fields().find(name);
    if (found == row.fields().end()) continue;
    int64_t whole = 0;
    if (!found->second.has_number_value() &&
        !absl::SimpleAtoi(found->second.string_value(), &whole)) {
      return false;
    }
    has_number = true;
  }
  return has_number;
}

void PrintRows(const Console& console, const AggregateRequest& request,
               const AggregateResponse& response) {
  const std::vector<ShownColumn> columns = ColumnsOf(request);
  std::vector<Table::Column> headers;
  for (const ShownColumn& column : columns) {
    headers.push_back({column.name, IsNumeric(response, column.name)
                                        ? Table::Align::kRight
                                        : Table::Align::kLeft});
  }
  Table table(headers);
  for (const Struct& row : response.rows()) {
    std::vector<std::string> cells;
    for (const ShownColumn& column : columns) {
      cells.push_back(CellText(row, column));
    }
    table.AddRow(std::move(cells));
  }
  PrintTable(console, table);
}

absl::Status ShowFigures(Context& context, const Options& options) {
  ASSIGN_OR_RETURN(const AggregateRequest request,
                   MakeRequest(context, options));
  ASSIGN_OR_RETURN(
      const AggregateResponse response,
      context.connection().Call(Role::kStorage, &RecordService::Stub::Aggregate,
                                request));
  const Console& console = context.console;
  if (console.json) {
    for (const Struct& row : response.rows()) {
      std::string text;
      json::AppendJson(row, &text);
      console.out << text << "\n";
    }
  } else {
    PrintRows(console, request, response);
  }
  if (response.truncated()) {
    console.err << "there are more groups (--limit shows more, up to 10000; "
                   "--having fewer)\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddAggCommand(CLI::App& app, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* command =
      app.add_subcommand("agg", "Count, add up and average records, by groups");
  command->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  command->add_option("FIGURE", options->figures,
                      "What to compute, such as n=count() or sum(cost)");
  command
      ->add_option("--by", options->keys,
                   "A field to group by; repeat it for several")
      ->allow_extra_args(false);
  command->add_option("--filter", options->condition.filter,
                      "Only the records that meet this filter");
  options->condition.DeclareParameters(command);
  command->add_option("--having", options->having,
                      "Only the groups that meet this filter, over the names "
                      "of keys and figures");
  command->add_option("--order-by", options->order_by,
                      "Names of keys and figures, such as 'cost desc, model'");
  command
      ->add_option("--limit", options->limit,
                   "The most groups, up to 10000; 0 is 100")
      ->check(CLI::NonNegativeNumber);
  command->footer(kFooter);
  command->callback([&context, options] {
    context.action = [&context, options] {
      return ShowFigures(context, *options);
    };
  });
}

}  // namespace engram::engramctl
