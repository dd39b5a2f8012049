#include "tools/engramctl/generation_commands.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/add_command.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using google::protobuf::util::TimeUtil;
using storage::v1::CatalogService;
using storage::v1::GenerationStatus;

struct GenerationOptions {
  std::string collection;
  std::string field;
  int64_t generation = 0;
};

using Options = std::shared_ptr<GenerationOptions>;

// "STATE_FILLING" as "filling".
std::string StateText(const GenerationStatus& status) {
  return absl::AsciiStrToLower(GenerationStatus::State_Name(status.state())
                                   .substr(absl::string_view("STATE_").size()));
}

// What happens to it by itself, or what can be done.
std::string NextText(const GenerationStatus& status) {
  if (status.state() == GenerationStatus::STATE_FILLING &&
      status.has_remaining()) {
    return absl::StrCat(
        status.awaits_cutover() ? "serves in about " : "complete in about ",
        DurationText(
            absl::Seconds(TimeUtil::DurationToSeconds(status.remaining()))));
  }
  if (status.awaits_cutover()) return "serves once it is complete";
  if (status.state() == GenerationStatus::STATE_READY) {
    return "serves when you switch";
  }
  if (status.has_drop_time()) {
    return absl::StrCat("dropped at ", TimestampText(status.drop_time()));
  }
  if (status.state() == GenerationStatus::STATE_RETIRED) {
    return "kept, as the schema declares it";
  }
  return "";
}

JsonObject StatusAsJson(const GenerationStatus& status) {
  JsonObject json;
  json.Text("collection", status.collection())
      .Text("vector_field", status.vector_field())
      .Int("generation", status.generation().id())
      .Text("model", status.generation().model())
      .Text("fingerprint", status.generation().fingerprint())
      .Int("dimensions", status.generation().dimensions())
      .Text("state", StateText(status))
      .Bool("declared", status.declared())
      .Bool("awaits_cutover", status.awaits_cutover())
      .Int("embedded", status.embedded())
      .Int("pending", status.pending())
      .Int("failed", status.failed())
      .Int("missing", status.missing())
      .Number("rate", status.rate())
      .Text("create_time", TimestampText(status.create_time()));
  if (status.has_remaining()) {
    json.Int("remaining_seconds", status.remaining().seconds());
  }
  if (status.has_retire_time()) {
    json.Text("retire_time", TimestampText(status.retire_time()));
  }
  if (status.has_drop_time()) {
    json.Text("drop_time", TimestampText(status.drop_time()));
  }
  return json;
}

// A request about the vector field that is meant.
template <typename Request>
Request RequestFor(const Context& context, const GenerationOptions& options) {
  Request request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_vector_field(options.field);
  return request;
}

absl::Status ListGenerations(Context& context,
                             const GenerationOptions& options) {
  const auto request =
      RequestFor<storage::v1::ListGenerationsRequest>(context, options);
  ASSIGN_OR_RETURN(
      const auto response,
      context.connection().Call(
          Role::kStorage, &CatalogService::Stub::ListGenerations, request));
  if (context.console.json) {
    for (const GenerationStatus& status : response.generations()) {
      context.console.out << StatusAsJson(status).ToString() << "\n";
    }
    return absl::OkStatus();
  }
  using Align = Table::Align;
  Table table({{"COLLECTION"},
               {"VECTORS"},
               {"GENERATION", Align::kRight},
               {"MODEL"},
               {"STATE"},
               {"EMBEDDED", Align::kRight},
               {"PENDING", Align::kRight},
               {"FAILED", Align::kRight},
               {"MISSING", Align::kRight},
               {"RATE", Align::kRight},
               {"NEXT"}});
  for (const GenerationStatus& status : response.generations()) {
    table.AddRow({status.collection(), status.vector_field(),
                  absl::StrCat(status.generation().id()),
                  status.generation().model(), StateText(status),
                  WithCommas(status.embedded()), WithCommas(status.pending()),
                  WithCommas(status.failed()), WithCommas(status.missing()),
                  absl::StrFormat("%.1f/s", status.rate()), NextText(status)});
  }
  PrintTable(context.console, table);
  return absl::OkStatus();
}

absl::Status SwitchGeneration(Context& context,
                              const GenerationOptions& options) {
  auto request =
      RequestFor<storage::v1::SwitchGenerationRequest>(context, options);
  request.set_generation(options.generation);
  ASSIGN_OR_RETURN(
      const auto response,
      context.connection().Call(
          Role::kStorage, &CatalogService::Stub::SwitchGeneration, request));
  const storage::v1::Generation& serving = response.generation();
  if (context.console.json) {
    context.console.out << JsonObject()
                               .Int("generation", serving.id())
                               .Text("model", serving.model())
                               .Int("previous_generation",
                                    response.previous_generation())
                               .Text("position", response.position())
                               .ToString()
                        << "\n";
    return absl::OkStatus();
  }
  context.console.out << "serves     generation " << serving.id() << " ("
                      << serving.model() << ")\n";
  if (response.previous_generation() == serving.id()) {
    context.console.out << "before     the same; nothing changed\n";
  } else {
    context.console.out << "before     generation "
                        << response.previous_generation()
                        << ", to which the same command goes back\n";
  }
  context.console.out << "position   " << response.position() << "\n";
  return absl::OkStatus();
}

absl::Status DropGeneration(Context& context,
                            const GenerationOptions& options) {
  auto request =
      RequestFor<storage::v1::DropGenerationRequest>(context, options);
  request.set_generation(options.generation);
  ASSIGN_OR_RETURN(
      const auto response,
      context.connection().Call(
          Role::kStorage, &CatalogService::Stub::DropGeneration, request));
  if (context.console.json) {
    context.console.out
        << JsonObject().Text("position", response.position()).ToString()
        << "\n";
  } else {
    context.console.out << "dropped    generation " << options.generation
                        << "\nposition   " << response.position() << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddGenerationCommands(CLI::App* embed, Context& context) {
  const auto options = std::make_shared<GenerationOptions>();
  CLI::App* list = AddCommand(
      embed, context, options, "generations",
      "Show which model's vectors serve, and how far a change of model is",
      ListGenerations);
  list->add_option("COLLECTION", options->collection,
                   "Only of this collection");
  list->add_option("--field", options->field, "Only of this vector field");
  list->footer(
      R"(A schema that names another model has its vectors made beside those that serve.
States: filling, ready (serves when you switch), serving, retired (served before;
kept as new as the one that serves, and dropped after the rollback period).
MISSING counts the records that keep a generation from being complete.

Examples:
  engramctl embed generations
  watch engramctl embed generations memories)");
  CLI::App* change = AddCommand(
      embed, context, options, "switch",
      "Have other vectors serve: the new model's, or the old one's again",
      SwitchGeneration);
  change->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  change->add_option("--field", options->field,
                     "The vector field, where there are several");
  change
      ->add_option("--generation", options->generation,
                   "The generation, as `embed generations` numbers it; without "
                   "it forward to the one that the schema declares, or back")
      ->check(CLI::PositiveNumber);
  change->footer(
      R"(Every query is answered from one generation or the other. After going back,
apply the schema that names the old model too, so that the new vectors are not
made any longer.

Examples:
  engramctl embed switch memories
  engramctl embed switch memories --generation 3)");
  CLI::App* drop = AddCommand(
      embed, context, options, "drop",
      "Give up vectors that served before; there is no going back to them",
      DropGeneration);
  drop->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  drop->add_option("GENERATION", options->generation,
                   "The generation, as `embed generations` numbers it")
      ->required()
      ->check(CLI::PositiveNumber);
  drop->add_option("--field", options->field,
                   "The vector field, where there are several");
  drop->footer(
      R"(What was retired is dropped by itself after the rollback period; this spares
embedding every text for it until then.

Example:
  engramctl embed drop memories 2)");
}

}  // namespace engram::engramctl
