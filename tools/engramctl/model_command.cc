#include <CLI/CLI.hpp>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "engram/embedding/v1/embedding.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using embedding::v1::EmbeddingService;
using embedding::v1::ListModelsRequest;
using embedding::v1::ListModelsResponse;

// Why the model does not work; empty if it does, as far as is known.
std::string FaultOf(const ListModelsResponse& response,
                    const std::string& model) {
  for (const auto& fault : response.faults()) {
    if (fault.model() == model) return fault.error().message();
  }
  return "";
}

absl::Status ListModels(Context& context) {
  ASSIGN_OR_RETURN(const ListModelsResponse response,
                   context.connection().Call(
                       Role::kEmbedding, &EmbeddingService::Stub::ListModels,
                       ListModelsRequest()));
  Table table({{"MODEL"},
               {"DEFAULT"},
               {"DIMENSIONS", Table::Align::kRight},
               {"MAX TOKENS", Table::Align::kRight},
               {"FINGERPRINT"},
               {"FAULT"}});
  for (const auto& model : response.models()) {
    const std::string fault = FaultOf(response, model.name());
    if (context.console.json) {
      context.console.out << JsonObject()
                                 .Text("model", model.name())
                                 .Bool("default", model.is_default())
                                 .Int("dimensions", model.dimensions())
                                 .Bool("normalized", model.normalized())
                                 .Int("max_tokens", model.max_tokens())
                                 .Text("fingerprint", model.fingerprint())
                                 .Text("fault", fault)
                                 .ToString()
                          << "\n";
      continue;
    }
    table.AddRow({model.name(), model.is_default() ? "yes" : "",
                  absl::StrCat(model.dimensions()),
                  model.max_tokens() == 0 ? "no limit"
                                          : absl::StrCat(model.max_tokens()),
                  model.fingerprint(), fault});
  }
  if (!context.console.json) PrintTable(context.console, table);
  return absl::OkStatus();
}

}  // namespace

void AddModelCommand(CLI::App& app, Context& context) {
  CLI::App* models = app.add_subcommand(
      "models", "List the models that text can be embedded with");
  models->footer(
      "A schema names one of them, or `default`.\n\nExamples:\n  engramctl "
      "models");
  models->callback([&context] {
    context.action = [&context] { return ListModels(context); };
  });
}

}  // namespace engram::engramctl
