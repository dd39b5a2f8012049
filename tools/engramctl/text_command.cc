#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/record_write.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::RecordService;
using storage::v1::SearchTextRequest;
using storage::v1::SearchTextResponse;
using storage::v1::TextHit;

constexpr int kPageSize = 500;

// On a terminal words are bold: marked by these, which take no cell, until the
// table is laid out. The last two variation selectors stand in no real text.
constexpr absl::string_view kBeginBold = "\U000e01ee";
constexpr absl::string_view kEndBold = "\U000e01ef";

struct TextOptions {
  std::string collection;
  std::vector<std::string> words;
  std::string filter;
  ConditionFlags condition;
  int64_t limit = 10;
  std::string fields;
  std::string snippets;
  std::vector<std::string> weights;
  bool total = false;
};

absl::Status FillWeights(const TextOptions& options,
                         SearchTextRequest* request) {
  for (const std::string& text : options.weights) {
    ASSIGN_OR_RETURN(const auto assignment, SplitAssignment("--weight", text));
    double weight = 0;
    if (!absl::SimpleAtod(assignment.second, &weight)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "--weight ", assignment.first, " wants a number such as 2.5; got \"",
          assignment.second, "\""));
    }
    storage::v1::TextWeight* sent = request->add_weights();
    sent->set_field(assignment.first);
    sent->set_weight(weight);
  }
  return absl::OkStatus();
}

absl::StatusOr<SearchTextRequest> RequestOf(Context& context,
                                            const TextOptions& options) {
  SearchTextRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_query(absl::StrJoin(options.words, " "));
  request.set_filter(options.filter);
  RETURN_IF_ERROR(
      options.condition.FillParameters(request.mutable_parameters()));
  RETURN_IF_ERROR(FillWeights(options, &request));
  const std::vector<std::string> fields = SplitNames(options.fields);
  for (const std::string& field : fields) {
    request.mutable_read_mask()->add_paths(field);
  }
  // A table shows the passages; JSON is for programs, which want the record.
  if (fields.empty() && !context.console.json) {
    request.mutable_read_mask()->add_paths("id");
  }
  auto* snippets = request.mutable_snippets();
  for (const std::string& field : SplitNames(options.snippets)) {
    snippets->add_fields(field);
  }
  if (context.console.out_terminal.is_terminal && !context.console.json) {
    snippets->set_begin_mark(std::string(kBeginBold));
    snippets->set_end_mark(std::string(kEndBold));
  }
  return request;
}

// Up to `limit` hits, 0 is all, page by page; the total goes to `total`.
absl::StatusOr<std::vector<TextHit>> FetchHits(Context& context,
                                               const TextOptions& options,
                                               int64_t* total) {
  ASSIGN_OR_RETURN(SearchTextRequest request, RequestOf(context, options));
  request.set_with_total(options.total);
  std::vector<TextHit> hits;
  do {
    const int64_t left = options.limit - static_cast<int64_t>(hits.size());
    request.set_page_size(static_cast<int>(
        options.limit == 0 ? kPageSize : std::min<int64_t>(left, kPageSize)));
    ASSIGN_OR_RETURN(
        SearchTextResponse response,
        context.connection().Call(Role::kStorage,
                                  &RecordService::Stub::SearchText, request));
    for (TextHit& hit : *response.mutable_hits()) {
      hits.push_back(std::move(hit));
    }
    *total = response.total_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() &&
           (options.limit == 0 ||
            static_cast<int64_t>(hits.size()) < options.limit));
  return hits;
}

// "title: a [red] apple | body: ..."; the name is left out where there is but
// one field to look in.
std::string PassagesText(const TextHit& hit, bool names) {
  return absl::StrJoin(
      hit.snippets(), " | ",
      [names](std::string* out, const storage::v1::TextSnippet& snippet) {
        absl::StrAppend(out, names ? absl::StrCat(snippet.field(), ": ") : "",
                        snippet.text());
      });
}

// Lines of the table with escape sequences for the marks. A passage that was
// cut may have lost its last mark, so each line ends what it began.
std::string WithBold(absl::string_view lines) {
  constexpr absl::string_view kBold = "\033[1m";
  constexpr absl::string_view kPlain = "\033[0m";
  return absl::StrReplaceAll(lines, {{kBeginBold, kBold},
                                     {kEndBold, kPlain},
                                     {"\n", absl::StrCat(kPlain, "\n")}});
}

void PrintHits(const Console& console, const std::vector<TextHit>& hits,
               const std::vector<std::string>& fields, bool names) {
  std::vector<Table::Column> columns = {{"SCORE", Table::Align::kRight},
                                        {"ID"}};
  for (const std::string& field : fields) columns.push_back({field});
  columns.push_back({"PASSAGES"});
  Table table(columns);
  for (const TextHit& hit : hits) {
    std::vector<std::string> cells = {absl::StrFormat("%.3g", hit.score()),
                                      hit.record().id()};
    for (const std::string& field : fields) {
      cells.push_back(FieldText(hit.record(), field));
    }
    cells.push_back(PassagesText(hit, names));
    table.AddRow(std::move(cells));
  }
  const std::string text = table.Render(console.out_terminal.width);
  const size_t header_end = text.find('\n');
  const std::string lines = text.substr(header_end + 1);
  console.out << console.Bold(text.substr(0, header_end)) << "\n"
              << (console.out_terminal.is_terminal ? WithBold(lines) : lines);
}

void PrintJson(const Console& console, const std::vector<TextHit>& hits) {
  for (const TextHit& hit : hits) {
    JsonObject snippets;
    for (const auto& snippet : hit.snippets()) {
      snippets.Text(snippet.field(), snippet.text());
    }
    console.out << JsonObject()
                       .Text("id", hit.record().id())
                       .Number("score", hit.score())
                       .Struct("fields", hit.record().fields())
                       .Object("snippets", snippets)
                       .ToString()
                << "\n";
  }
}

absl::Status SearchText(Context& context, const TextOptions& options) {
  int64_t total = 0;
  ASSIGN_OR_RETURN(const std::vector<TextHit> hits,
                   FetchHits(context, options, &total));
  const Console& console = context.console;
  if (console.json) {
    PrintJson(console, hits);
    if (options.total) {
      console.out << JsonObject().Int("total", total).ToString() << "\n";
    }
    return absl::OkStatus();
  }
  if (hits.empty()) {
    console.err << "nothing found\n";
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const schema::CollectionSpec spec,
                   FetchSchema(context, options.collection));
  PrintHits(console, hits, SplitNames(options.fields),
            spec.full_text.has_value() && spec.full_text->columns.size() > 1);
  if (options.total) {
    console.err << WithCommas(hits.size()) << " of " << WithCommas(total)
                << " found\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddTextCommand(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("text", "Find records by words");
  auto options = std::make_shared<TextOptions>();
  command->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  command->add_option("QUERY", options->words, "The words; all must occur")
      ->required();
  command->add_option("--filter", options->filter,
                      "Only records that meet this filter");
  options->condition.DeclareParameters(command);
  command->add_option("--limit", options->limit, "The most records; 0 is all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command->add_option("--fields", options->fields,
                      "Fields to show, separated by commas (default: none, "
                      "with --json all)");
  command->add_option("--snippet", options->snippets,
                      "Fields to show passages of, separated by commas "
                      "(default: all that are searched)");
  command
      ->add_option("--weight", options->weights,
                   "FIELD=NUMBER: what a word in it is worth (default: the "
                   "schema's)")
      ->allow_extra_args(false);
  command->add_flag("--total", options->total, "Count all that are found");
  command->footer(
      R"(Best first, by BM25. In a query, "..." is a phrase, begin* a prefix, title:word
a word of a field; AND, OR, NOT (or -word) and parentheses combine them. No query
is a mistake. Put it in quotes, so that the shell leaves it as it is.

Examples:
  engramctl text packages 'photo edit*'
  engramctl text packages '"network monitor" -gnome' --limit 20 --total
  engramctl text notes 'title:tea OR coffee' --filter 'stars >= :s' --param s=3
  engramctl text notes tea --weight title=5 --snippet content --json)");
  command->callback([&context, options] {
    context.action = [&context, options] {
      return SearchText(context, *options);
    };
  });
}

}  // namespace engram::engramctl
