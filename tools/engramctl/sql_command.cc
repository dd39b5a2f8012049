#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/json/json.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/input_file.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_write.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using google::protobuf::Value;
using storage::v1::QueryRequest;
using storage::v1::QueryResponse;
using storage::v1::RecordService;

// More than storage takes, which then says how much that is.
constexpr int64_t kMaxSqlBytes = 1 << 20;

struct Options {
  std::string sql;
  ConditionFlags parameters;
  int32_t max_rows = 0;
  bool csv = false;
};

std::string CellText(const Value& value) {
  if (value.has_null_value()) return "NULL";
  if (value.has_string_value()) return value.string_value();
  std::string text;
  json::AppendJson(value, &text);
  return text;
}

void PrintAsTable(const Console& console, const QueryResponse& response) {
  std::vector<Table::Column> columns;
  for (int i = 0; i < response.columns_size(); ++i) {
    const bool is_numbers =
        std::all_of(response.rows().begin(), response.rows().end(),
                    [i](const google::protobuf::ListValue& row) {
                      return row.values(i).has_number_value() ||
                             row.values(i).has_null_value();
                    });
    columns.push_back(
        {OneLine(response.columns(i)), is_numbers && !response.rows().empty()
                                           ? Table::Align::kRight
                                           : Table::Align::kLeft});
  }
  Table table(columns);
  for (const auto& row : response.rows()) {
    std::vector<std::string> cells;
    for (const Value& value : row.values()) cells.push_back(CellText(value));
    table.AddRow(std::move(cells));
  }
  PrintTable(console, table);
}

// A key for each column, which an object can have only once: the second `id` is
// `id_2`.
std::vector<std::string> KeysOf(const QueryResponse& response) {
  std::vector<std::string> keys;
  std::set<std::string> taken;
  for (const std::string& column : response.columns()) {
    std::string key = column;
    for (int i = 2; !taken.insert(key).second; ++i) {
      key = absl::StrCat(column, "_", i);
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

// One object a line, the keys in the order of the columns.
void PrintAsJson(std::ostream& out, const QueryResponse& response) {
  const std::vector<std::string> keys = KeysOf(response);
  for (const auto& row : response.rows()) {
    std::string line = "{";
    for (int i = 0; i < row.values_size(); ++i) {
      if (i > 0) line.push_back(',');
      json::AppendQuoted(keys[i], &line);
      line.push_back(':');
      json::AppendJson(row.values(i), &line);
    }
    out << line << "}\n";
  }
}

std::string CsvCell(const std::string& text) {
  if (!text.empty() && text.find_first_of(",\"\r\n") == std::string::npos) {
    return text;
  }
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

// RFC 4180. NULL is an empty cell, an empty text has quotes.
void PrintAsCsv(std::ostream& out, const QueryResponse& response) {
  std::string line;
  for (const std::string& column : response.columns()) {
    absl::StrAppend(&line, line.empty() ? "" : ",", CsvCell(column));
  }
  out << line << "\r\n";
  for (const auto& row : response.rows()) {
    line.clear();
    for (int i = 0; i < row.values_size(); ++i) {
      const Value& value = row.values(i);
      absl::StrAppend(&line, i == 0 ? "" : ",",
                      value.has_null_value() ? "" : CsvCell(CellText(value)));
    }
    out << line << "\r\n";
  }
}

// "3 rows in 1.2ms", with what was left out.
std::string Summary(const QueryResponse& response) {
  const absl::Duration duration =
      absl::Seconds(response.duration().seconds()) +
      absl::Nanoseconds(response.duration().nanos());
  const int rows = response.rows_size();
  std::string text = absl::StrCat(
      response.truncated() ? "the first " : "", WithCommas(rows),
      rows == 1 ? " row in " : " rows in ",
      absl::FormatDuration(absl::Trunc(duration, absl::Microseconds(10))));
  if (response.truncated()) {
    absl::StrAppend(&text,
                    "; there are more (--max-rows gives up to 10000, and an "
                    "answer has 4 MiB at most)");
  }
  return text;
}

absl::Status RunSql(Context& context, const Options& options) {
  QueryRequest request;
  request.set_database(context.database);
  request.set_sql(options.sql);
  if (options.sql == "-") {
    ASSIGN_OR_RETURN(*request.mutable_sql(),
                     ReadInput("-", context.console.in, kMaxSqlBytes));
  }
  request.set_max_rows(options.max_rows);
  RETURN_IF_ERROR(
      options.parameters.FillParameters(request.mutable_parameters()));
  ASSIGN_OR_RETURN(const QueryResponse response,
                   context.connection().Call(
                       Role::kStorage, &RecordService::Stub::Query, request));
  if (context.console.json) {
    PrintAsJson(context.console.out, response);
  } else if (options.csv) {
    PrintAsCsv(context.console.out, response);
  } else {
    PrintAsTable(context.console, response);
  }
  context.console.out.flush();
  context.console.err << Summary(response) << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddSqlCommand(CLI::App& app, Context& context) {
  CLI::App* command =
      app.add_subcommand("sql", "Run an SQL statement that only reads");
  auto options = std::make_shared<Options>();
  command
      ->add_option("SQL", options->sql,
                   "One SELECT, VALUES, EXPLAIN, or PRAGMA that tells of "
                   "tables; - is stdin")
      ->required();
  options->parameters.DeclareParameters(command);
  command
      ->add_option("--max-rows", options->max_rows,
                   "The most rows; 0 is 1000, at most 10000")
      ->check(CLI::Range(0, 10'000));
  command->add_flag("--csv", options->csv, "Print comma-separated values")
      ->excludes(app.get_option("--json"));
  command->footer(
      R"(Each collection is a table of its name; its columns are id, the fields, and
Engram's own, whose names begin with _. Times are microseconds since 1970. A
table is cut to fit the terminal; --json (one object a line) and --csv are not.

Examples:
  engramctl sql 'SELECT stars, count(*) FROM notes GROUP BY stars'
  engramctl sql 'SELECT id, title FROM notes WHERE stars > :n' --param n=3
  engramctl sql 'PRAGMA table_info(notes)'
  engramctl sql - --csv < report.sql > report.csv)");
  command->callback([&context, options] {
    context.action = [&context, options] { return RunSql(context, *options); };
  });
}

}  // namespace engram::engramctl
