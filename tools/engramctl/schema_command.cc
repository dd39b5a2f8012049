#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <ostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/schema_documents.h"
#include "tools/engramctl/schema_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::ApplySchemaRequest;
using storage::v1::ApplySchemaResponse;
using storage::v1::CatalogService;
using storage::v1::Collection;
using storage::v1::GetDescriptorsRequest;
using storage::v1::GetDescriptorsResponse;
using storage::v1::ListMigrationsRequest;
using storage::v1::ListMigrationsResponse;
using storage::v1::PlanSchemaRequest;
using storage::v1::PlanSchemaResponse;
using storage::v1::SchemaDocument;
using storage::v1::SchemaTarget;

constexpr absl::Duration kModelPoll = absl::Milliseconds(100);
constexpr int kPageSize = 100;

struct Options {
  // Files and folders, as arguments or after -f.
  std::vector<std::string> files;
  bool prune = false;
  int64_t version = 0;
  // plan: where to save it; apply: the saved plan.
  std::string plan;
  bool check = false;
  bool allow_destructive = false;
  int64_t limit = 20;
  std::vector<std::string> collections;
  std::string out_dir;
};

// Whether no embedding service has told storage its models yet, which it does
// within moments of its start.
bool NoModelsYet(const absl::Status& status) {
  if (ReasonOf(status) != common::v1::ERROR_REASON_MODEL_UNKNOWN) return false;
  google::rpc::ErrorInfo info;
  info.ParseFromString(std::string(
      *status.GetPayload("type.googleapis.com/google.rpc.ErrorInfo")));
  const auto registered = info.metadata().find("registered");
  return registered != info.metadata().end() && registered->second.empty();
}

// Calls until storage knows models, or for as long as a call may take.
template <typename Request, typename Response>
absl::StatusOr<Response> CallWithModels(
    Context& context,
    grpc::Status (CatalogService::Stub::*method)(grpc::ClientContext*,
                                                 const Request&, Response*),
    const Request& request) {
  Connection& connection = context.connection();
  const absl::Time give_up = absl::Now() + connection.call_timeout();
  while (true) {
    auto response = connection.Call(Role::kStorage, method, request);
    if (response.ok() || !NoModelsYet(response.status()) ||
        absl::Now() > give_up) {
      return response;
    }
    absl::SleepFor(kModelPoll);
  }
}

absl::StatusOr<SchemaTarget> ReadTarget(Context& context,
                                        const Options& options) {
  SchemaTarget target;
  target.set_prune(options.prune);
  target.set_version(options.version);
  ASSIGN_OR_RETURN(const std::vector<SchemaDocument> documents,
                   ReadSchemaDocuments(options.files, context.console.in));
  target.mutable_documents()->Add(documents.begin(), documents.end());
  return target;
}

absl::Status Plan(Context& context, const Options& options) {
  PlanSchemaRequest request;
  request.set_database(context.database);
  ASSIGN_OR_RETURN(*request.mutable_target(), ReadTarget(context, options));
  ASSIGN_OR_RETURN(
      const PlanSchemaResponse plan,
      CallWithModels(context, &CatalogService::Stub::PlanSchema, request));
  if (!options.plan.empty()) {
    RETURN_IF_ERROR(SavePlan({.database = context.database,
                              .target = request.target(),
                              .plan = plan},
                             options.plan));
  }
  if (options.check && !plan.steps().empty()) context.exit_code = kExitFindings;
  if (context.console.json) {
    context.console.out << PlanAsJson(plan).ToString() << "\n";
    return absl::OkStatus();
  }
  PrintPlan(context.console, plan);
  if (!options.plan.empty()) {
    context.console.out << "saved to " << options.plan << "\n";
  }
  return absl::OkStatus();
}

absl::Status Apply(Context& context, const Options& options) {
  ApplySchemaRequest request;
  request.set_database(context.database);
  request.set_allow_destructive(options.allow_destructive);
  if (options.plan.empty()) {
    ASSIGN_OR_RETURN(*request.mutable_target(), ReadTarget(context, options));
  } else {
    ASSIGN_OR_RETURN(SavedPlan saved,
                     LoadPlan(options.plan, context.console.in));
    if (!context.database.empty() && context.database != saved.database) {
      return absl::InvalidArgumentError(absl::StrCat(
          options.plan, ": is a plan for the database \"",
          saved.database.empty() ? "default" : saved.database, "\""));
    }
    request.set_database(saved.database);
    request.mutable_target()->Swap(&saved.target);
    request.set_plan_hash(saved.plan.plan_hash());
  }
  ASSIGN_OR_RETURN(
      const ApplySchemaResponse applied,
      CallWithModels(context, &CatalogService::Stub::ApplySchema, request));
  if (context.console.json) {
    context.console.out << AppliedAsJson(applied).ToString() << "\n";
  } else {
    PrintApplied(context.console, applied);
  }
  return absl::OkStatus();
}

absl::Status ShowHistory(Context& context, const Options& options) {
  ListMigrationsRequest request;
  request.set_database(context.database);
  int64_t left = options.limit;
  do {
    request.set_page_size(static_cast<int>(
        options.limit == 0 ? kPageSize : std::min<int64_t>(left, kPageSize)));
    ASSIGN_OR_RETURN(
        const ListMigrationsResponse response,
        context.connection().Call(
            Role::kStorage, &CatalogService::Stub::ListMigrations, request));
    for (const auto& migration : response.migrations()) {
      if (context.console.json) {
        context.console.out << MigrationAsJson(migration).ToString() << "\n";
      } else {
        PrintMigration(context.console, migration);
      }
    }
    left -= response.migrations_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty() && (options.limit == 0 || left > 0));
  return absl::OkStatus();
}

absl::Status ListSchemas(Context& context) {
  ASSIGN_OR_RETURN(const std::vector<Collection> collections,
                   FetchCollections(context.connection(), context.database));
  Table table({{"COLLECTION"},
               {"FIELDS", Table::Align::kRight},
               {"VECTORS"},
               {"CREATED"}});
  for (const Collection& collection : collections) {
    if (context.console.json) {
      context.console.out << CollectionAsJson(collection).ToString() << "\n";
      continue;
    }
    std::vector<std::string> vectors;
    for (const auto& vector : collection.vector_fields()) {
      vectors.push_back(vector.name());
    }
    table.AddRow({collection.name(), absl::StrCat(collection.fields_size()),
                  absl::StrJoin(vectors, ", "),
                  TimestampText(collection.create_time())});
  }
  if (!context.console.json) PrintTable(context.console, table);
  return absl::OkStatus();
}

absl::Status ShowSchema(Context& context, const Options& options) {
  if (options.collections.empty()) return ListSchemas(context);
  ASSIGN_OR_RETURN(const Collection collection,
                   FetchCollection(context, options.collections.front()));
  if (context.console.json) {
    context.console.out << CollectionAsJson(collection).ToString() << "\n";
    return absl::OkStatus();
  }
  context.console.out << collection.schema();
  if (!absl::EndsWith(collection.schema(), "\n")) context.console.out << "\n";
  return absl::OkStatus();
}

// Writes `text` as the file that storage calls `name`, below `folder`.
absl::Status WriteBelow(const std::string& folder, const std::string& name,
                        const std::string& text) {
  const std::filesystem::path path(name);
  if (path.is_absolute() ||
      std::find(path.begin(), path.end(), "..") != path.end()) {
    return absl::InternalError(
        absl::StrCat("storage names a file \"", name, "\""));
  }
  const std::filesystem::path target = std::filesystem::path(folder) / path;
  std::error_code error;
  std::filesystem::create_directories(target.parent_path(), error);
  if (error) {
    return absl::ErrnoToStatus(error.value(), target.parent_path().string());
  }
  std::ofstream file(target, std::ios::binary);
  file << text;
  file.close();
  if (file.good()) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat(target.string(), ": cannot be written"));
}

absl::Status WriteProtos(Context& context, const Options& options) {
  GetDescriptorsRequest request;
  request.set_database(context.database);
  for (const std::string& collection : options.collections) {
    request.add_collections(collection);
  }
  ASSIGN_OR_RETURN(
      const GetDescriptorsResponse response,
      context.connection().Call(
          Role::kStorage, &CatalogService::Stub::GetDescriptors, request));
  const std::map<std::string, std::string> sources(response.sources().begin(),
                                                   response.sources().end());
  bool first = true;
  for (const auto& [name, text] : sources) {
    if (!options.out_dir.empty()) {
      RETURN_IF_ERROR(WriteBelow(options.out_dir, name, text));
      context.console.out << "wrote      " << options.out_dir << "/" << name
                          << "\n";
      continue;
    }
    // Each is a file of its own; one alone can be piped into it.
    if (sources.size() > 1) {
      context.console.out << (first ? "" : "\n") << "// " << name << "\n";
    }
    first = false;
    context.console.out << text;
  }
  return absl::OkStatus();
}

CLI::App* AddCommand(CLI::App& schema, Context& context,
                     const std::string& name, const std::string& description,
                     const std::shared_ptr<Options>& options,
                     absl::Status (*run)(Context&, const Options&)) {
  CLI::App* command = schema.add_subcommand(name, description);
  command->callback([&context, options, run] {
    context.action = [&context, options, run] {
      return run(context, *options);
    };
  });
  return command;
}

// The files, --prune and --version, of which plan and apply need one.
CLI::Option_group* AddTarget(CLI::App* command, Options& options) {
  CLI::Option_group* target = command->add_option_group("Schema");
  target->add_option("-f,--file,FILE", options.files,
                     "YAML documents, one collection each, and folders of "
                     "them; - is stdin");
  target
      ->add_option("--version", options.version,
                   "The schema as it was after this migration; see history")
      ->check(CLI::PositiveNumber);
  command->add_flag("--prune", options.prune,
                    "Drop the collections that no document declares");
  return target;
}

void AddPlan(CLI::App& schema, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* plan =
      AddCommand(schema, context, "plan", "Say what applying a schema would do",
                 options, Plan);
  AddTarget(plan, *options)->require_option(1);
  plan->add_option("--out", options->plan,
                   "Save the plan, for review and for apply --plan");
  plan->add_flag("--check", options->check,
                 "End with code 3 if there is something to do");
  plan->footer(
      R"(Prints every step with its SQL and the records it touches; a step that
destroys data is marked with an exclamation mark. Nothing is done.

Examples:
  engramctl schema plan -f schemas/
  engramctl schema plan -f schemas/ --prune --out plan.json
  engramctl schema plan --version 3)");
}

void AddApply(CLI::App& schema, Context& context) {
  auto options = std::make_shared<Options>();
  CLI::App* apply = AddCommand(
      schema, context, "apply",
      "Make the collections what YAML documents declare", options, Apply);
  CLI::Option_group* target = AddTarget(apply, *options);
  target->add_option("--plan", options->plan,
                     "A plan that `schema plan --out` saved: it is done as it "
                     "was reviewed, or not at all");
  target->require_option(1);
  apply->add_flag("--allow-destructive", options->allow_destructive,
                  "Allow steps that destroy data");
  apply->footer(
      R"(All of it is done, or nothing. What is as declared already is left alone, so
a repeat is safe. Documents may refer to each other in any order.

Examples:
  engramctl schema apply memories.yaml documents.yaml
  engramctl schema apply -f schemas/ --prune --allow-destructive
  engramctl schema apply --plan plan.json
  engramctl schema apply - --database tenant-7 < memories.yaml)");
}

}  // namespace

void AddSchemaCommand(CLI::App& app, Context& context) {
  CLI::App* schema =
      app.add_subcommand("schema", "Declare collections, and change them");
  schema->require_subcommand(1);
  AddPlan(*schema, context);
  AddApply(*schema, context);

  auto history_options = std::make_shared<Options>();
  CLI::App* history =
      AddCommand(*schema, context, "history",
                 "List the schemas that were applied, newest first",
                 history_options, ShowHistory);
  history->add_option("--limit", history_options->limit, "The most; 0 is all")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  history->footer(
      R"(A version can be planned and applied again: schema apply --version N.

Examples:
  engramctl schema history
  engramctl schema history --json | jq .documents)");

  auto show_options = std::make_shared<Options>();
  CLI::App* show = AddCommand(*schema, context, "show",
                              "List the collections, or print one's document",
                              show_options, ShowSchema);
  show->add_option("COLLECTION", show_options->collections, "The collection")
      ->expected(0, 1);
  show->footer(R"(Examples:
  engramctl schema show
  engramctl schema show memories > memories.yaml)");

  auto proto_options = std::make_shared<Options>();
  CLI::App* proto = AddCommand(*schema, context, "proto",
                               "Write the .proto files of typed clients",
                               proto_options, WriteProtos);
  proto->add_option("COLLECTION", proto_options->collections,
                    "The collections; none is all of them");
  proto->add_option("-o,--out", proto_options->out_dir,
                    "Write the files below this folder instead of to stdout");
  proto->footer(
      R"(Each collection is a message of the package engram.records, whose bytes a
record's `typed` body holds. Its fields keep their numbers for good.

Examples:
  engramctl schema proto memories
  engramctl schema proto -o gen && protoc -I gen --cpp_out=gen gen/engram/records/*.proto)");
}

}  // namespace engram::engramctl
