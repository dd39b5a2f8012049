#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::Record;
using storage::v1::RecordService;

constexpr int kPageSize = 500;
// The least a column is worth in a table of records.
constexpr int kColumnCells = 10;

struct RecordOptions {
  std::string collection;
  std::vector<std::string> ids;
  std::string fields;
  int64_t limit = 20;
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

// Calls `visit` with up to `limit` records, 0 is all, page by page.
absl::Status VisitRecords(Context& context, const RecordOptions& options,
                          const std::vector<std::string>& fields,
                          absl::FunctionRef<void(const Record&)> visit) {
  storage::v1::RecordServiceListRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  for (const std::string& field : fields)
    request.mutable_read_mask()->add_paths(field);
  int64_t left = options.limit;
  do {
    request.set_page_size(
        options.limit == 0
            ? kPageSize
            : static_cast<int>(std::min<int64_t>(left, kPageSize)));
    ASSIGN_OR_RETURN(const storage::v1::RecordServiceListResponse response,
                     context.connection().Call(
                         Role::kStorage, &RecordService::Stub::List, request));
    for (const Record& record : response.records()) visit(record);
    left -= response.records_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && (options.limit == 0 || left > 0));
  return absl::OkStatus();
}

absl::Status ListRecords(Context& context, const RecordOptions& options) {
  std::vector<std::string> fields = SplitNames(options.fields);
  if (context.console.json) {
    return VisitRecords(context, options, fields, [&](const Record& record) {
      context.console.out << RecordAsJson(record).ToString() << "\n";
    });
  }
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
  std::vector<Table::Column> columns = {{"ID"}};
  for (const std::string& field : fields) columns.push_back({field});
  Table table(columns);
  RETURN_IF_ERROR(
      VisitRecords(context, options, fields, [&](const Record& record) {
        std::vector<std::string> cells = {record.id()};
        for (const std::string& field : fields)
          cells.push_back(FieldText(record, field));
        table.AddRow(std::move(cells));
      }));
  PrintTable(context.console, table);
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

}  // namespace

void AddReadCommands(CLI::App& app, Context& context) {
  auto options = std::make_shared<RecordOptions>();
  const auto add_fields = [&](CLI::App* command) {
    command->add_option("--fields", options->fields,
                        "Only these fields, separated by commas");
  };
  CLI::App* get =
      AddCommand(app, context, "get", "Show one record", options, GetRecord);
  get->add_option("ID", options->ids, "The record's id")
      ->required()
      ->expected(1);
  add_fields(get);
  get->footer(R"(Examples:
  engramctl get packages gimp
  engramctl get packages gimp --fields version,size --json)");

  CLI::App* list = AddCommand(
      app, context, "list", "List records, oldest first", options, ListRecords);
  list->add_option("--limit", options->limit, "The most records; 0 is all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  add_fields(list);
  list->footer(
      R"(A table is cut to fit the terminal; --json prints everything, one record a
line, in constant memory.

Examples:
  engramctl list packages --limit 5 --fields section,short_description
  engramctl list packages --limit 0 --json > packages.jsonl)");
}

}  // namespace engram::engramctl
