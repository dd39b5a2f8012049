#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/record_write.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::Record;
using storage::v1::RecordService;
using storage::v1::RecordServiceListRequest;
using storage::v1::RecordServiceListResponse;

constexpr int kPageSize = 500;
// What storage gives in one answer; a sample, and a page turned round, is one.
constexpr int64_t kMaxPageSize = 1000;
// The least a column is worth in a table of records.
constexpr int kColumnCells = 10;

struct RecordOptions {
  std::string collection;
  std::vector<std::string> ids;
  std::string fields;
  // list.
  int64_t limit = 20;
  std::string filter;
  ConditionFlags parameters;
  std::string order_by;
  bool random = false;
  bool reverse = false;
  bool total = false;
};

using Options = std::shared_ptr<RecordOptions>;

// One field a paragraph, indented beside its name.
void PrintRecord(const Console& console, const Record& record,
                 const std::vector<std::string>& fields) {
  size_t name_width = std::string("updated").size();
  for (const std::string& field : fields) {
    name_width = std::max(name_width, field.size());
  }
  const auto print = [&](const std::string& name, const std::string& text) {
    const int indent = static_cast<int>(name_width) + 2;
    std::string label = name;
    for (const std::string& line :
         Wrap(text, console.out_terminal.width - indent)) {
      const std::string padding(indent - label.size(), ' ');
      console.out << console.Bold(label) << padding << line << "\n";
      label.clear();
    }
  };
  print("id", record.id());
  for (const std::string& field : fields) {
    const std::string text = FieldText(record, field);
    if (!text.empty()) print(field, text);
  }
  print("version", absl::StrCat(record.version()));
  print("created", TimestampText(record.create_time()));
  print("updated", TimestampText(record.update_time()));
  if (record.has_expire_time()) {
    print("expires", TimestampText(record.expire_time()));
  }
}

absl::Status GetRecord(Context& context, const RecordOptions& options) {
  storage::v1::RecordServiceGetRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_id(options.ids.at(0));
  std::vector<std::string> fields = SplitNames(options.fields);
  for (const std::string& field : fields)
    request.mutable_read_mask()->add_paths(field);
  ASSIGN_OR_RETURN(const storage::v1::RecordServiceGetResponse response,
                   context.connection().Call(
                       Role::kStorage, &RecordService::Stub::Get, request));
  if (context.console.json) {
    context.console.out << RecordAsJson(response.record()).ToString() << "\n";
    return absl::OkStatus();
  }
  if (fields.empty()) {
    ASSIGN_OR_RETURN(const schema::CollectionSpec spec,
                     FetchSchema(context, options.collection));
    for (const auto& field : spec.fields) fields.push_back(field.name);
  }
  PrintRecord(context.console, response.record(), fields);
  return absl::OkStatus();
}

absl::StatusOr<RecordServiceListRequest> ListRequest(
    const Context& context, const RecordOptions& options,
    const std::vector<std::string>& fields) {
  RecordServiceListRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  for (const std::string& field : fields) {
    request.mutable_read_mask()->add_paths(field);
  }
  request.set_filter(options.filter);
  RETURN_IF_ERROR(
      options.parameters.FillParameters(request.mutable_parameters()));
  request.set_order_by(options.order_by);
  request.set_random(options.random);
  request.set_with_total(options.total);
  return request;
}

using Visitor = absl::FunctionRef<void(const Record&)>;

// Calls `visit` with up to `limit` records, 0 is all, page by page. Returns how
// many meet the filter, if that was asked for.
absl::StatusOr<int64_t> VisitPages(Context& context,
                                   const RecordOptions& options,
                                   RecordServiceListRequest request,
                                   Visitor visit) {
  int64_t left = options.limit;
  int64_t total = 0;
  const int64_t most = options.random ? kMaxPageSize : kPageSize;
  do {
    request.set_page_size(static_cast<int>(
        options.limit == 0 ? most : std::min<int64_t>(left, most)));
    ASSIGN_OR_RETURN(const RecordServiceListResponse response,
                     context.connection().Call(
                         Role::kStorage, &RecordService::Stub::List, request));
    if (request.with_total()) total = response.total_size();
    // Counting again for each page would only take time.
    request.set_with_total(false);
    for (const Record& record : response.records()) visit(record);
    left -= response.records_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && (options.limit == 0 || left > 0));
  return total;
}

// The same; with `reverse` the last one first.
absl::StatusOr<int64_t> VisitRecords(Context& context,
                                     const RecordOptions& options,
                                     const std::vector<std::string>& fields,
                                     Visitor visit) {
  const bool is_one_page = options.limit > 0 && options.limit <= kMaxPageSize;
  if (!is_one_page && (options.random || options.reverse)) {
    return InvalidField("--limit",
                        absl::StrCat("wants 1 to ", kMaxPageSize, " with ",
                                     options.random ? "--random" : "--reverse",
                                     "; got ", options.limit));
  }
  ASSIGN_OR_RETURN(RecordServiceListRequest request,
                   ListRequest(context, options, fields));
  if (!options.reverse) {
    return VisitPages(context, options, std::move(request), visit);
  }
  // Large records come in several pages, so it is not storage that turns them.
  std::vector<Record> records;
  ASSIGN_OR_RETURN(
      const int64_t total,
      VisitPages(context, options, std::move(request),
                 [&](const Record& record) { records.push_back(record); }));
  std::reverse(records.begin(), records.end());
  for (const Record& record : records) visit(record);
  return total;
}

absl::Status PrintJsonLines(Context& context, const RecordOptions& options) {
  std::ostream& out = context.console.out;
  ASSIGN_OR_RETURN(const int64_t total,
                   VisitRecords(context, options, SplitNames(options.fields),
                                [&](const Record& record) {
                                  out << RecordAsJson(record).ToString()
                                      << "\n";
                                }));
  if (options.total) {
    out << JsonObject().Int("total_size", total).ToString() << "\n";
  }
  return absl::OkStatus();
}

absl::Status ListRecords(Context& context, const RecordOptions& options) {
  if (context.console.json) return PrintJsonLines(context, options);
  std::vector<std::string> fields = SplitNames(options.fields);
  // Of all fields as many as fit; the others are not read from disk.
  std::vector<std::string> hidden;
  if (fields.empty()) {
    ASSIGN_OR_RETURN(const schema::CollectionSpec spec,
                     FetchSchema(context, options.collection));
    const size_t fit = context.console.out_terminal.width / kColumnCells - 1;
    for (const auto& field : spec.fields) {
      (fields.size() < fit ? fields : hidden).push_back(field.name);
    }
  }
  std::vector<std::string> shown = fields;
  // What the first column has already.
  shown.erase(std::remove(shown.begin(), shown.end(), "id"), shown.end());
  std::vector<Table::Column> columns = {{"ID"}};
  for (const std::string& field : shown) columns.push_back({field});
  Table table(columns);
  const auto add_row = [&](const Record& record) {
    std::vector<std::string> cells = {record.id()};
    for (const std::string& field : shown) {
      cells.push_back(FieldText(record, field));
    }
    table.AddRow(std::move(cells));
  };
  ASSIGN_OR_RETURN(const int64_t total,
                   VisitRecords(context, options, fields, add_row));
  PrintTable(context.console, table);
  if (options.total) {
    context.console.out << WithCommas(total) << " in all\n";
  }
  if (!hidden.empty()) {
    context.console.err << "not shown: " << absl::StrJoin(hidden, ", ")
                        << " (--fields chooses, --json shows all)\n";
  }
  return absl::OkStatus();
}

CLI::App* AddCommand(CLI::App& app, Context& context, const std::string& name,
                     const std::string& description, const Options& options,
                     absl::Status (*action)(Context&, const RecordOptions&)) {
  CLI::App* command = app.add_subcommand(name, description);
  command->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  command->callback([&context, options, action] {
    context.action = [&context, options, action] {
      return action(context, *options);
    };
  });
  return command;
}

void AddFields(CLI::App* command, RecordOptions& options) {
  command->add_option("--fields", options.fields,
                      "Only these fields, separated by commas; `id` alone is "
                      "none");
}

void AddGet(CLI::App& app, Context& context) {
  auto options = std::make_shared<RecordOptions>();
  CLI::App* get =
      AddCommand(app, context, "get", "Show one record", options, GetRecord);
  get->add_option("ID", options->ids, "The record's id")
      ->required()
      ->expected(1);
  AddFields(get, *options);
  get->footer(R"(Examples:
  engramctl get packages gimp
  engramctl get packages gimp --fields version,size --json)");
}

void AddListOptions(CLI::App* list, RecordOptions& options) {
  list->add_option("--limit", options.limit, "The most records; 0 is all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  list->add_option("--filter", options.filter,
                   "Only records that meet this filter");
  options.parameters.DeclareParameters(list);
  CLI::Option* order =
      list->add_option("--order-by", options.order_by,
                       "Fields, each with ` desc` for the largest first; also "
                       "id, _row, _version, _create_time, _update_time and "
                       "_expire_time");
  CLI::Option* reverse = list->add_flag("--reverse", options.reverse,
                                        "The same records, the last one first");
  list->add_flag("--random", options.random, "Records by chance")
      ->excludes(order)
      ->excludes(reverse);
  list->add_flag("--total", options.total,
                 "Count all that meet the filter, too");
}

void AddList(CLI::App& app, Context& context) {
  auto options = std::make_shared<RecordOptions>();
  CLI::App* list = AddCommand(app, context, "list",
                              "List records, oldest first unless asked",
                              options, ListRecords);
  AddListOptions(list, *options);
  AddFields(list, *options);
  list->footer(
      R"(A table is cut to fit the terminal; --json prints everything, one record a
line, in constant memory, and with --total one more line.

Examples:
  engramctl list packages --limit 5 --fields section,short_description
  engramctl list packages --filter 'size > :n' --param n=1000 --order-by 'size desc'
  engramctl list packages --order-by '_row desc' --limit 10 --reverse
  engramctl list packages --random --limit 3 --total
  engramctl list packages --limit 0 --json > packages.jsonl)");
}

}  // namespace

void AddReadCommands(CLI::App& app, Context& context) {
  AddGet(app, context);
  AddList(app, context);
}

}  // namespace engram::engramctl
