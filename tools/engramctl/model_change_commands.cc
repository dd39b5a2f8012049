#include "tools/engramctl/model_change_commands.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "engram/embedding/v1/admin.grpc.pb.h"
#include "google/protobuf/util/time_util.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/rpc_status.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/add_command.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/schema_documents.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using embedding::v1::ComparedQuery;
using embedding::v1::CompareGenerationsRequest;
using embedding::v1::CompareGenerationsResponse;
using embedding::v1::EmbeddingAdminService;
using embedding::v1::EstimateMigrationRequest;
using embedding::v1::EstimateMigrationResponse;
using google::protobuf::util::TimeUtil;

// A provider may be slow, and so is reading 20,000 records' vectors.
constexpr absl::Duration kPatience = absl::Minutes(5);
// Of a query's nearest, how many are shown.
constexpr int kShownIds = 5;

struct ModelChangeOptions {
  std::string collection;
  std::string field;
  std::string model;
  std::vector<std::string> files;
  int64_t baseline = 0;
  int64_t candidate = 0;
  std::vector<std::string> queries;
  int sampled_queries = 0;
};

using Options = std::shared_ptr<ModelChangeOptions>;

// --- Estimate.

storage::v1::Chunking::Method EncodeMethod(chunk::Method method) {
  switch (method) {
    case chunk::Method::kNone:
      return storage::v1::Chunking::METHOD_UNSPECIFIED;
    case chunk::Method::kTokens:
      return storage::v1::Chunking::METHOD_TOKENS;
    case chunk::Method::kParagraphs:
      return storage::v1::Chunking::METHOD_PARAGRAPHS;
    case chunk::Method::kMarkdown:
      return storage::v1::Chunking::METHOD_MARKDOWN;
    case chunk::Method::kCode:
      return storage::v1::Chunking::METHOD_CODE;
  }
  return storage::v1::Chunking::METHOD_UNSPECIFIED;
}

// What the vector field of a schema's document would be made of.
EstimateMigrationRequest RequestFor(const std::string& database,
                                    const schema::CollectionSpec& collection,
                                    const schema::VectorFieldSpec& field) {
  EstimateMigrationRequest request;
  request.set_database(database);
  request.set_collection(collection.name);
  request.set_vector_field(field.name);
  request.set_model(field.model);
  request.mutable_source()->Add(field.source.begin(), field.source.end());
  request.set_template_(field.text_template);
  storage::v1::Chunking& chunking = *request.mutable_chunking();
  chunking.set_method(EncodeMethod(field.chunking.method));
  chunking.set_size(field.chunking.size);
  chunking.set_overlap(field.chunking.overlap);
  chunking.set_headings(field.chunking.headings);
  return request;
}

absl::StatusOr<std::vector<EstimateMigrationRequest>> EstimatesFor(
    Context& context, const ModelChangeOptions& options) {
  std::vector<EstimateMigrationRequest> requests;
  if (options.files.empty()) {
    if (options.collection.empty() || options.model.empty()) {
      return absl::InvalidArgumentError(
          "say what to estimate: a collection and --model, or -f with the "
          "schema that is to be applied");
    }
    EstimateMigrationRequest& request = requests.emplace_back();
    request.set_database(context.database);
    request.set_collection(options.collection);
    request.set_vector_field(options.field);
    request.set_model(options.model);
    return requests;
  }
  ASSIGN_OR_RETURN(const auto documents,
                   ReadSchemaDocuments(options.files, context.console.in));
  for (const storage::v1::SchemaDocument& document : documents) {
    ASSIGN_OR_RETURN(const schema::CollectionSpec collection,
                     schema::ParseCollection(document.name(), document.yaml()));
    if (!options.collection.empty() && collection.name != options.collection) {
      continue;
    }
    for (const schema::VectorFieldSpec& field : collection.vectors) {
      if (field.supplied) continue;
      if (!options.field.empty() && field.name != options.field) continue;
      requests.push_back(RequestFor(context.database, collection, field));
      if (!options.model.empty()) requests.back().set_model(options.model);
    }
  }
  if (requests.empty()) {
    return absl::NotFoundError(
        "no vector field of these documents is embedded");
  }
  return requests;
}

std::string TimeText(const EstimateMigrationResponse& estimate) {
  if (!estimate.has_duration()) {
    return estimate.has_error() ? "not known" : "not known; nothing was sent";
  }
  const std::string text = absl::StrCat(
      "about ", DurationText(absl::Milliseconds(
                    TimeUtil::DurationToMilliseconds(estimate.duration()))));
  switch (estimate.bottleneck()) {
    case EstimateMigrationResponse::BOTTLENECK_REQUEST_RATE:
      return text + ", by its requests a minute";
    case EstimateMigrationResponse::BOTTLENECK_TOKEN_RATE:
      return text + ", by its tokens a minute";
    default:
      return text + ", as fast as the model answered";
  }
}

void PrintEstimate(const EstimateMigrationRequest& request,
                   const EstimateMigrationResponse& estimate,
                   std::ostream& out) {
  out << "vectors    " << request.collection()
      << (request.vector_field().empty() ? "" : ".") << request.vector_field()
      << ", by " << estimate.model().name() << " ("
      << estimate.model().dimensions() << " dimensions)\n";
  if (estimate.generation() != 0) {
    out << "change     none: generation " << estimate.generation()
        << " has these vectors; the figures are of embedding all anew\n";
  }
  out << "records    " << WithCommas(estimate.records()) << ", "
      << WithCommas(estimate.sampled_records()) << " of them looked at\n";
  out << "texts      " << WithCommas(estimate.texts()) << ", in "
      << WithCommas(estimate.chunks())
      << (estimate.chunks() == 1 ? " chunk\n" : " chunks\n");
  if (estimate.too_long_chunks() > 0) {
    out << "too long   " << WithCommas(estimate.too_long_chunks())
        << " of them have more than the " << estimate.model().max_tokens()
        << " tokens that the model reads, and would be refused: declare "
           "chunking\n";
  }
  out << "tokens     " << WithCommas(estimate.tokens()) << "\n";
  out << "cost       "
      << (estimate.cost_nanousd() == 0 ? "none, or no price is configured"
                                       : CostText(estimate.cost_nanousd()))
      << "\n";
  out << "time       " << TimeText(estimate) << "\n";
  out << "disk       " << HumanBytes(estimate.vector_bytes())
      << " of vectors\n";
  if (estimate.has_error()) {
    out << "model      fails: " << OneLine(estimate.error().message()) << "\n";
  }
}

JsonObject EstimateAsJson(const EstimateMigrationRequest& request,
                          const EstimateMigrationResponse& estimate) {
  JsonObject json;
  json.Text("collection", request.collection())
      .Text("vector_field", request.vector_field())
      .Text("model", estimate.model().name())
      .Text("fingerprint", estimate.model().fingerprint())
      .Int("generation", estimate.generation())
      .Int("records", estimate.records())
      .Int("sampled_records", estimate.sampled_records())
      .Int("texts", estimate.texts())
      .Int("chunks", estimate.chunks())
      .Int("too_long_chunks", estimate.too_long_chunks())
      .Int("tokens", estimate.tokens())
      .Int("cost_nanousd", estimate.cost_nanousd())
      .Int("vector_bytes", estimate.vector_bytes());
  if (estimate.has_duration()) {
    json.Int("duration_seconds", estimate.duration().seconds());
  }
  if (estimate.has_error()) json.Text("error", estimate.error().message());
  return json;
}

absl::Status Estimate(Context& context, const ModelChangeOptions& options) {
  ASSIGN_OR_RETURN(const auto requests, EstimatesFor(context, options));
  bool first = true;
  for (const EstimateMigrationRequest& request : requests) {
    ASSIGN_OR_RETURN(
        const EstimateMigrationResponse estimate,
        context.connection().CallWithin(
            kPatience, Role::kEmbedding,
            &EmbeddingAdminService::Stub::EstimateMigration, request));
    if (context.console.json) {
      context.console.out << EstimateAsJson(request, estimate).ToString()
                          << "\n";
      continue;
    }
    if (!std::exchange(first, false)) context.console.out << "\n";
    PrintEstimate(request, estimate, context.console.out);
  }
  return absl::OkStatus();
}

// --- Compare.

std::string GenerationText(const storage::v1::Generation& generation) {
  return absl::StrCat("generation ", generation.id(), " (", generation.model(),
                      ")");
}

template <typename Ids>
std::string IdsText(const Ids& ids) {
  const auto shown = std::min<int>(ids.size(), kShownIds);
  return absl::StrJoin(ids.begin(), ids.begin() + shown, ", ");
}

void PrintComparison(const Console& console,
                     const CompareGenerationsResponse& response) {
  std::ostream& out = console.out;
  out << "baseline   " << GenerationText(response.baseline()) << "\n";
  out << "candidate  " << GenerationText(response.candidate()) << "\n";
  out << "records    " << WithCommas(response.records());
  if (response.incomplete_records() > 0) {
    out << ", beside " << WithCommas(response.incomplete_records())
        << " that lack vectors of one of them";
  }
  out << "\nqueries    " << WithCommas(response.queries()) << "\n";
  if (response.queries() == 0) return;
  out << absl::StrFormat("overlap    %.1f %% of the ten nearest are the same\n",
                         100 * response.overlap());
  out << absl::StrFormat(
      "order      %.2f, the rank correlation of what is among the ten "
      "nearest\n",
      response.rank_correlation());
  out << "\nThe queries that find the least of the same, and what is nearest "
         "to them:\n";
  Table table({{"OVERLAP", Table::Align::kRight},
               {"QUERY"},
               {"BASELINE"},
               {"CANDIDATE"}});
  for (const ComparedQuery& query : response.least_alike()) {
    table.AddRow({absl::StrFormat("%.0f %%", 100 * query.overlap()),
                  OneLine(query.query()), IdsText(query.baseline_ids()),
                  IdsText(query.candidate_ids())});
  }
  PrintTable(console, table);
}

JsonObject QueryAsJson(const ComparedQuery& query) {
  return JsonObject()
      .Text("query", query.query())
      .Number("overlap", query.overlap())
      .Number("rank_correlation", query.rank_correlation())
      .Texts("baseline_ids",
             {query.baseline_ids().begin(), query.baseline_ids().end()})
      .Texts("candidate_ids",
             {query.candidate_ids().begin(), query.candidate_ids().end()});
}

absl::Status Compare(Context& context, const ModelChangeOptions& options) {
  CompareGenerationsRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_vector_field(options.field);
  request.set_baseline_generation(options.baseline);
  request.set_candidate_generation(options.candidate);
  request.mutable_queries()->Add(options.queries.begin(),
                                 options.queries.end());
  request.set_sampled_queries(options.sampled_queries);
  ASSIGN_OR_RETURN(
      const CompareGenerationsResponse response,
      context.connection().CallWithin(
          kPatience, Role::kEmbedding,
          &EmbeddingAdminService::Stub::CompareGenerations, request));
  if (!context.console.json) {
    PrintComparison(context.console, response);
    return absl::OkStatus();
  }
  std::vector<JsonObject> queries;
  for (const ComparedQuery& query : response.least_alike()) {
    queries.push_back(QueryAsJson(query));
  }
  context.console.out << JsonObject()
                             .Int("baseline", response.baseline().id())
                             .Int("candidate", response.candidate().id())
                             .Int("records", response.records())
                             .Int("incomplete_records",
                                  response.incomplete_records())
                             .Int("queries", response.queries())
                             .Number("overlap", response.overlap())
                             .Number("rank_correlation",
                                     response.rank_correlation())
                             .List("least_alike", queries)
                             .ToString()
                      << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddModelChangeCommands(CLI::App* embed, Context& context) {
  const auto options = std::make_shared<ModelChangeOptions>();
  CLI::App* estimate = AddCommand(
      embed, context, options, "estimate",
      "Say what a change of model would take: tokens, cost, time", Estimate);
  estimate->add_option("COLLECTION", options->collection, "The collection");
  estimate->add_option("--field", options->field,
                       "The vector field, where there are several");
  estimate->add_option("--model", options->model,
                       "The model, as `model list` names it");
  estimate
      ->add_option("-f,--file", options->files,
                   "The schema that is to be applied: files, folders, or - for "
                   "the input")
      ->allow_extra_args(false);
  estimate->footer(
      R"(Looks at 1,000 records by chance, and has the model embed up to 64 of their
texts, which costs their tokens, to learn its speed and how it counts. Nothing is
changed.

Examples:
  engramctl embed estimate memories --model openai/text-embedding-3-small
  engramctl embed estimate -f memories.yaml)");
  CLI::App* compare = AddCommand(
      embed, context, options, "compare",
      "Show how far two models find the same, before one takes over", Compare);
  compare->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  compare->add_option("--field", options->field,
                      "The vector field, where there are several");
  compare
      ->add_option("--baseline", options->baseline,
                   "The generation to compare with, as `embed generations` "
                   "numbers it; without it the one that serves")
      ->check(CLI::PositiveNumber);
  compare
      ->add_option("--candidate", options->candidate,
                   "The generation to compare; without it the newest other one")
      ->check(CLI::PositiveNumber);
  compare
      ->add_option("--query", options->queries,
                   "A text to search by; may be repeated. Without any, records "
                   "are sampled, each to find others like it")
      ->allow_extra_args(false);
  compare
      ->add_option("--sampled-queries", options->sampled_queries,
                   "How many records to search by; without it 200")
      ->check(CLI::Range(1, 1000));
  compare->footer(
      R"(Exact, over the vectors of up to 20,000 records, read from storage.

Examples:
  engramctl embed compare memories
  engramctl embed compare memories --query "what does the user like for lunch")");
}

}  // namespace engram::engramctl
