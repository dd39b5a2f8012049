#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "libs/schema/collection_parser.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/input_file.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/record_view.h"

namespace engram::engramctl {
namespace {

using storage::v1::ApplySchemaRequest;
using storage::v1::ApplySchemaResponse;
using storage::v1::CatalogService;

constexpr absl::Duration kModelPoll = absl::Milliseconds(100);

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

absl::StatusOr<ApplySchemaResponse> Apply(Context& context,
                                          const ApplySchemaRequest& request) {
  Connection& connection = context.connection();
  const absl::Time give_up = absl::Now() + connection.call_timeout();
  while (true) {
    auto response = connection.Call(
        Role::kStorage, &CatalogService::Stub::ApplySchema, request);
    if (response.ok() || !NoModelsYet(response.status()) ||
        absl::Now() > give_up) {
      return response;
    }
    absl::SleepFor(kModelPoll);
  }
}

absl::Status ApplyFiles(Context& context,
                        const std::vector<std::string>& files) {
  ApplySchemaRequest request;
  request.set_database(context.database);
  for (const std::string& file : files) {
    auto* document = request.add_documents();
    document->set_name(file == "-" ? "stdin" : file);
    ASSIGN_OR_RETURN(
        *document->mutable_yaml(),
        ReadInput(file, context.console.in, schema::kMaxDocumentBytes));
  }
  ASSIGN_OR_RETURN(const ApplySchemaResponse response, Apply(context, request));
  const std::vector<std::string> created(response.created().begin(),
                                         response.created().end());
  std::vector<std::string> unchanged;
  for (const auto& collection : response.collections()) {
    if (!std::count(created.begin(), created.end(), collection.name())) {
      unchanged.push_back(collection.name());
    }
  }
  std::ostream& out = context.console.out;
  if (context.console.json) {
    out << JsonObject()
               .Texts("created", created)
               .Texts("unchanged", unchanged)
               .Text("position", response.position())
               .ToString()
        << "\n";
    return absl::OkStatus();
  }
  for (const std::string& name : created) out << "created    " << name << "\n";
  for (const std::string& name : unchanged)
    out << "unchanged  " << name << "\n";
  return absl::OkStatus();
}

}  // namespace

void AddSchemaCommand(CLI::App& app, Context& context) {
  CLI::App* schema = app.add_subcommand("schema", "Declare collections");
  schema->require_subcommand(1);
  CLI::App* apply = schema->add_subcommand(
      "apply", "Create the collections that YAML documents declare");
  auto files = std::make_shared<std::vector<std::string>>();
  apply
      ->add_option("FILE", *files,
                   "YAML documents, one collection each; - is stdin")
      ->required();
  apply->footer(
      R"(All collections are created, or none. One that exists with the same schema is
left alone, so a repeat is safe.

Examples:
  engramctl schema apply memories.yaml documents.yaml
  engramctl schema apply - --database tenant-7 < memories.yaml)");
  apply->callback([&context, files] {
    context.action = [&context, files] { return ApplyFiles(context, *files); };
  });
}

}  // namespace engram::engramctl
