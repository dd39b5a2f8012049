#include <CLI/CLI.hpp>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engram/search/v1/search.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/record_write.h"
#include "tools/engramctl/search_answer_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using search::v1::QueryRequest;
using search::v1::QueryResponse;
using search::v1::RecommendRequest;
using search::v1::RecommendResponse;
using search::v1::SearchService;

struct SearchOptions {
  std::string collection;
  std::vector<std::string> words;
  std::string vector_field;
  int limit = 10;
  std::string fields;
  bool passages = false;
  std::string min_position;
  std::string filter;
  bool exact = false;
  float target_recall = 0;
  std::string mode = "semantic";
  std::string fusion;
  std::optional<float> semantic_weight;
  bool allow_degraded = false;
  // Of the filter.
  ConditionFlags parameters;
  int offset = 0;
  std::optional<float> min_score;
  // Records to be near to and far from, in place of words.
  std::vector<std::string> like;
  std::vector<std::string> unlike;
  std::string group_by;
  int group_size = 0;
  float diversity = 0;
  std::string facets;
  bool explain = false;
};

// What a table shows beside score and id.
struct Columns {
  std::vector<std::string> fields;
  // Of them, the one whose value is the embedded text as it is: it is shown by
  // its passage. Empty if none is.
  std::string text_field;
  // Whether passages have a column of their own.
  bool passages = false;
};

// What it shows unless it is told: the field that the embedded text begins
// with, or where words are looked for. Nothing where storage cannot be asked;
// ids and scores are something.
Columns DefaultColumns(Context& context, const SearchOptions& options) {
  const auto spec = FetchSchema(context, options.collection);
  if (!spec.ok()) return {};
  if (options.mode == "keyword" && spec->full_text.has_value()) {
    return {.fields = {spec->full_text->columns.front().field}};
  }
  if (spec->vectors.empty()) return {};
  const schema::VectorFieldSpec* vector =
      spec->FindVector(options.vector_field);
  if (vector == nullptr) vector = &spec->vectors.front();
  if (vector->source.empty()) return {};
  Columns columns = {.fields = {vector->source.front()}};
  const schema::FieldSpec* source = spec->FindField(vector->source.front());
  const bool is_cut = vector->chunking.method != chunk::Method::kNone;
  if (is_cut && options.mode != "keyword" && vector->source.size() == 1 &&
      vector->text_template.empty() && source != nullptr &&
      source->type != schema::FieldType::kStrings) {
    columns.text_field = source->name;
  }
  return columns;
}

// The passage that was found, where the text is cut.
std::string CellText(const search::v1::Hit& hit, const std::string& field,
                     const Columns& columns) {
  std::string text = FieldText(hit.record(), field);
  // The record may have another text by now.
  const bool shows_passage =
      field == columns.text_field && hit.has_passage_text();
  return shows_passage ? hit.passage_text() : text;
}

// Hybrid scores that are made of ranks differ by less than others.
std::string ScoreText(const SearchOptions& options, float score) {
  return options.mode == "hybrid" ? absl::StrFormat("%.5f", score)
                                  : absl::StrFormat("%.3f", score);
}

void PrintHits(Context& context, const QueryResponse& response,
               const SearchOptions& options, const Columns& shown) {
  std::vector<Table::Column> columns = {{"SCORE", Table::Align::kRight},
                                        {"ID"}};
  for (const std::string& field : shown.fields) columns.push_back({field});
  if (shown.passages) columns.push_back({"PASSAGE"});
  Table table(columns);
  for (const auto& hit : response.hits()) {
    std::vector<std::string> cells = {ScoreText(options, hit.score()),
                                      hit.id()};
    for (const std::string& field : shown.fields) {
      cells.push_back(CellText(hit, field, shown));
    }
    if (shown.passages) cells.push_back(hit.passage_text());
    table.AddRow(std::move(cells));
  }
  if (table.empty()) {
    context.console.err << "nothing found\n";
  } else {
    PrintTable(context.console, table);
  }
}

const std::map<std::string, QueryRequest::Mode>& Modes() {
  static const auto* const modes =
      new std::map<std::string, QueryRequest::Mode>{
          {"semantic", QueryRequest::MODE_SEMANTIC},
          {"keyword", QueryRequest::MODE_KEYWORD},
          {"hybrid", QueryRequest::MODE_HYBRID}};
  return *modes;
}

const std::map<std::string, search::v1::Fusion::Method>& Methods() {
  static const auto* const methods =
      new std::map<std::string, search::v1::Fusion::Method>{
          {"rank", search::v1::Fusion::METHOD_RECIPROCAL_RANK},
          {"weighted", search::v1::Fusion::METHOD_WEIGHTED}};
  return *methods;
}

void FillMode(const SearchOptions& options, QueryRequest& request) {
  request.set_mode(Modes().at(options.mode));
  request.set_allow_degraded(options.allow_degraded);
  if (!options.fusion.empty()) {
    request.mutable_fusion()->set_method(Methods().at(options.fusion));
  }
  if (options.semantic_weight.has_value()) {
    request.mutable_fusion()->set_semantic_weight(*options.semantic_weight);
  }
}

void DeclareMode(CLI::App* command, SearchOptions& options) {
  command
      ->add_option("--mode", options.mode,
                   "Find by meaning (semantic), by words (keyword) or by both "
                   "(hybrid)")
      ->check(CLI::IsMember(Modes()))
      ->capture_default_str();
  command
      ->add_option("--semantic-weight", options.semantic_weight,
                   "Of hybrid: the weight of meaning, words have the rest "
                   "(default: 0.5)")
      ->check(CLI::Range(0.0, 1.0));
  command
      ->add_option("--fusion", options.fusion,
                   "Of hybrid: make one list by rank or by weighted scores "
                   "(default: rank)")
      ->check(CLI::IsMember(Methods()));
  command->add_flag("--allow-degraded", options.allow_degraded,
                    "Of hybrid: answer by words alone when the text cannot be "
                    "embedded");
}

void PrintHitsAsJson(Context& context, const QueryResponse& response) {
  for (const auto& hit : response.hits()) {
    JsonObject object;
    object.Text("id", hit.id()).Float("score", hit.score());
    if (hit.has_passage()) {
      object.Int("chunk", hit.chunk())
          .Object("passage", JsonObject()
                                 .Int("begin", hit.passage().begin())
                                 .Int("end", hit.passage().end()));
    }
    if (hit.has_passage_text()) object.Text("passage_text", hit.passage_text());
    object.Struct("fields", hit.record().fields());
    context.console.out << object.ToString() << "\n";
  }
}

// What is asked about the records themselves.
void FillAnswerOptions(const SearchOptions& options, QueryRequest& request) {
  request.set_offset(options.offset);
  if (options.min_score.has_value()) request.set_min_score(*options.min_score);
  request.set_group_by(options.group_by);
  request.set_group_size(options.group_size);
  request.set_diversity(options.diversity);
  for (const std::string& field : SplitNames(options.facets)) {
    request.add_facets(field);
  }
  request.set_explain(options.explain);
}

// Asks by words, by one record, or by several.
absl::StatusOr<QueryResponse> Ask(Context& context,
                                  const SearchOptions& options,
                                  QueryRequest request) {
  if (options.like.size() < 2 && options.unlike.empty()) {
    if (options.like.empty()) {
      request.set_text(absl::StrJoin(options.words, " "));
    } else {
      request.set_id(options.like.front());
    }
    return context.connection().Call(Role::kSearch, &SearchService::Stub::Query,
                                     request);
  }
  RecommendRequest recommend;
  *recommend.mutable_query() = std::move(request);
  for (const std::string& id : options.like) recommend.add_positive_ids(id);
  for (const std::string& id : options.unlike) recommend.add_negative_ids(id);
  ASSIGN_OR_RETURN(
      RecommendResponse response,
      context.connection().Call(Role::kSearch, &SearchService::Stub::Recommend,
                                recommend));
  return std::move(*response.mutable_response());
}

absl::Status Search(Context& context, const SearchOptions& options) {
  Columns columns = {.fields = SplitNames(options.fields)};
  // Where they are asked for, passages are what there is to read.
  if (columns.fields.empty() && !options.passages) {
    columns = context.console.json ? Columns{.fields = {"*"}}
                                   : DefaultColumns(context, options);
  }
  columns.passages = options.passages;
  QueryRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_vector_field(options.vector_field);
  request.set_limit(options.limit);
  request.set_min_position(options.min_position);
  request.set_filter(options.filter);
  request.set_exact(options.exact);
  request.set_target_recall(options.target_recall);
  FillMode(options, request);
  RETURN_IF_ERROR(
      options.parameters.FillParameters(request.mutable_parameters()));
  for (const std::string& field : columns.fields) {
    request.mutable_include()->mutable_fields()->add_paths(field);
  }
  if (columns.passages || !columns.text_field.empty()) {
    request.mutable_include()->set_passage_text(true);
  }
  FillAnswerOptions(options, request);
  ASSIGN_OR_RETURN(const QueryResponse response,
                   Ask(context, options, std::move(request)));
  if (!response.degraded().empty()) {
    context.console.err << "found by words alone: " << response.degraded()
                        << "\n";
  }
  if (context.console.json) {
    PrintHitsAsJson(context, response);
  } else {
    PrintHits(context, response, options, columns);
  }
  PrintFacets(context.console, response);
  PrintExplanation(context.console, response);
  return absl::OkStatus();
}

void AddAnswerFlags(CLI::App* command, SearchOptions& options) {
  CLI::Option* group_by = command->add_option(
      "--group-by", options.group_by,
      "At most one record, or --group-size, of each value of this field");
  command
      ->add_option("--group-size", options.group_size,
                   "Records of each value, 1 to 100")
      ->check(CLI::Range(1, 100))
      ->needs(group_by);
  command
      ->add_option("--diversity", options.diversity,
                   "How much the records are to differ from each other: 0, not "
                   "at all, to 1")
      ->check(CLI::Range(0.0, 1.0));
  command->add_option("--facet", options.facets,
                      "Count the values that the records which meet the filter "
                      "have of these fields, separated by commas");
  command->add_flag("--explain", options.explain, "Show how it was found");
}

// Words, or records in their place.
void CheckWhatToFind(const SearchOptions& options) {
  if (options.words.empty() && options.like.empty()) {
    throw CLI::ValidationError("TEXT",
                               "say what to look for, or give --like ID");
  }
  if (!options.words.empty() && !options.like.empty()) {
    throw CLI::ValidationError("--like",
                               "stands in place of TEXT; give one of the two");
  }
}

}  // namespace

void AddSearchCommand(CLI::App& app, Context& context) {
  CLI::App* command =
      app.add_subcommand("search", "Find records by meaning and by words");
  auto options = std::make_shared<SearchOptions>();
  command->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  command->add_option("TEXT", options->words, "What to look for");
  CLI::Option* like =
      command
          ->add_option("--like", options->like,
                       "In place of TEXT: a record to be near to, by id; "
                       "repeat it for what several have in common")
          ->allow_extra_args(false);
  command
      ->add_option("--unlike", options->unlike,
                   "With --like: a record to be far from, by id; may be "
                   "repeated")
      ->allow_extra_args(false)
      ->needs(like);
  command->add_option("--limit", options->limit, "The most records")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command
      ->add_option("--offset", options->offset,
                   "How many of the best to leave out, for a further page")
      ->check(CLI::Range(0, 999));
  command->add_option("--min-score", options->min_score,
                      "Leave out records whose score is worse");
  command->add_option(
      "--fields", options->fields,
      "Fields to show, separated by commas; * is all (default: the "
      "first embedded one, with --json all; with --passages none)");
  command->add_flag("--passages", options->passages,
                    "Show the text that each record was found by: its nearest "
                    "chunk, or all of it where texts are not cut");
  command->add_option("--filter", options->filter,
                      "Only records that meet this filter");
  options->parameters.DeclareParameters(command);
  command->add_flag("--exact", options->exact,
                    "Compare with every vector, where a few of the nearest may "
                    "be missing otherwise");
  command
      ->add_option("--target-recall", options->target_recall,
                   "The share of the true nearest to find, 0.5 to 0.999; more "
                   "takes longer (default: 0.95)")
      ->check(CLI::Range(0.5, 0.999))
      ->excludes("--exact");
  AddAnswerFlags(command, *options);
  DeclareMode(command, *options);
  command->add_option("--vector-field", options->vector_field,
                      "The vector field to search, if there are several");
  command->add_option("--min-position", options->min_position,
                      "Wait until this write, and all before it, can be found");
  command->footer(
      R"(Best first. The score is in the unit of the vector field's metric: cosine and
dot products are better when larger, l2 distances when smaller. With --mode
keyword it is BM25, with hybrid what --fusion makes of both: larger is better.

Examples:
  engramctl search packages "program to edit photographs"
  engramctl search packages monitor network traffic --limit 20 --json
  engramctl search memories "what do they eat" --filter 'kind = :k' --param k=fact
  engramctl search manuals "how do I get rid of lime" --passages --json
  engramctl search memories --like n17 --group-by author --limit 5
  engramctl search memories tea --facet kind,author --explain
  engramctl search memories "import ends with E4012" --mode hybrid --allow-degraded
  engramctl search notes "what does Ada drink" --min-position default@4f1d….17)");
  command->callback([&context, options] {
    CheckWhatToFind(*options);
    context.action = [&context, options] { return Search(context, *options); };
  });
}

}  // namespace engram::engramctl
