#include <CLI/CLI.hpp>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/search/v1/index.grpc.pb.h"
#include "engram/search/v1/operation.grpc.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/progress.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using common::v1::Operation;
using search::v1::Index;
using search::v1::IndexDifference;
using search::v1::IndexService;
using search::v1::OperationService;
using search::v1::OperationServiceWaitRequest;
using search::v1::VerifyIndexRequest;
using search::v1::VerifyIndexResult;

// How long one call waits before the progress is shown anew.
constexpr int kStepNanos = 500'000'000;
constexpr int kBarCells = 20;

struct VerifyOptions {
  std::string collection;
  std::string vector_field;
};

absl::Status ListIndexes(Context& context) {
  search::v1::ListIndexesRequest request;
  request.set_database(context.database);
  ASSIGN_OR_RETURN(
      const search::v1::ListIndexesResponse response,
      context.connection().Call(Role::kSearch, &IndexService::Stub::ListIndexes,
                                request));
  using Align = Table::Align;
  Table table({{"DATABASE"},
               {"COLLECTION"},
               {"VECTOR FIELD"},
               {"STATE"},
               {"RECORDS", Align::kRight},
               {"VECTORS", Align::kRight},
               {"DIMENSIONS", Align::kRight},
               {"PENDING", Align::kRight},
               {"MEMORY", Align::kRight},
               {"POSITION"}});
  for (const Index& index : response.indexes()) {
    const std::string state = index.state() == Index::STATE_SERVING ? "serving"
                              : index.state() == Index::STATE_STANDBY
                                  ? "standby"
                                  : "loading";
    if (context.console.json) {
      context.console.out << JsonObject()
                                 .Text("database", index.database())
                                 .Text("collection", index.collection())
                                 .Text("vector_field", index.vector_field())
                                 .Int("generation", index.generation())
                                 .Text("fingerprint", index.fingerprint())
                                 .Text("state", state)
                                 .Int("records", index.records())
                                 .Int("vectors", index.vectors())
                                 .Int("dimensions", index.dimensions())
                                 .Int("pending", index.pending())
                                 .Int("graph_vectors", index.graph_vectors())
                                 .Int("memory_bytes", index.memory_bytes())
                                 .Int("attribute_bytes",
                                      index.attribute_bytes())
                                 .Text("position", index.position())
                                 .Text("newest_position",
                                       index.newest_position())
                                 .ToString()
                          << "\n";
      continue;
    }
    table.AddRow({index.database(), index.collection(), index.vector_field(),
                  state, WithCommas(index.records()),
                  WithCommas(index.vectors()), absl::StrCat(index.dimensions()),
                  WithCommas(index.pending()), HumanBytes(index.memory_bytes()),
                  index.position()});
  }
  if (!context.console.json) PrintTable(context.console, table);
  return absl::OkStatus();
}

absl::string_view KindName(IndexDifference::Kind kind) {
  switch (kind) {
    case IndexDifference::KIND_MISSING:
      return "missing";
    case IndexDifference::KIND_EXTRA:
      return "extra";
    case IndexDifference::KIND_DIFFERENT:
      return "different";
    case IndexDifference::KIND_ATTRIBUTES:
      return "attributes";
    default:
      return "unknown";
  }
}

// Waits until the operation has ended; its own failure is returned.
absl::StatusOr<Operation> AwaitOperation(Context& context,
                                         Operation operation) {
  const absl::Time deadline = context.connection().wait_deadline();
  ProgressLine line(context.console);
  OperationServiceWaitRequest request;
  request.set_name(operation.name());
  request.mutable_timeout()->set_nanos(kStepNanos);
  while (operation.state() == Operation::STATE_RUNNING) {
    ASSIGN_OR_RETURN(
        auto response,
        context.connection().Call(Role::kSearch, &OperationService::Stub::Wait,
                                  request));
    operation = std::move(*response.mutable_operation());
    if (operation.state() != Operation::STATE_RUNNING) break;
    const absl::Time now = absl::Now();
    if (now >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          operation.name(), " still runs; give a longer --timeout"));
    }
    const auto& progress = operation.progress();
    const double share =
        progress.total() > 0
            ? static_cast<double>(progress.done()) / progress.total()
            : 0.0;
    line.Update(absl::StrCat("verifying ", Bar(share, kBarCells), " ",
                             WithCommas(progress.done()), " ", progress.unit()),
                now);
  }
  if (operation.state() == Operation::STATE_SUCCEEDED) return operation;
  return absl::Status(static_cast<absl::StatusCode>(operation.error().code()),
                      operation.error().message());
}

void PrintResult(const Console& console, const VerifyIndexResult& result) {
  if (console.json) {
    std::vector<JsonObject> differences;
    for (const auto& difference : result.differences()) {
      differences.push_back(JsonObject()
                                .Text("kind", KindName(difference.kind()))
                                .Text("id", difference.id())
                                .Int("chunk", difference.chunk()));
    }
    console.out << JsonObject()
                       .Text("position", result.position())
                       .Int("vectors", result.vectors())
                       .Int("difference_count", result.difference_count())
                       .List("differences", differences)
                       .ToString()
                << "\n";
    return;
  }
  console.out << WithCommas(result.vectors()) << " vectors compared at "
              << result.position() << ": "
              << WithCommas(result.difference_count()) << " differences\n";
  if (result.differences().empty()) return;
  Table table({{"DIFFERENCE"}, {"ID"}, {"CHUNK", Table::Align::kRight}});
  for (const auto& difference : result.differences()) {
    table.AddRow({std::string(KindName(difference.kind())), difference.id(),
                  absl::StrCat(difference.chunk())});
  }
  PrintTable(console, table);
}

absl::Status Verify(Context& context, const VerifyOptions& options) {
  VerifyIndexRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_vector_field(options.vector_field);
  ASSIGN_OR_RETURN(
      auto response,
      context.connection().Call(Role::kSearch, &IndexService::Stub::VerifyIndex,
                                request));
  ASSIGN_OR_RETURN(const Operation operation,
                   AwaitOperation(context, response.operation()));
  VerifyIndexResult result;
  if (!operation.result().UnpackTo(&result)) {
    return absl::InternalError("the server sent a result of another type");
  }
  PrintResult(context.console, result);
  if (result.difference_count() == 0) return absl::OkStatus();
  return absl::DataLossError(
      "the index differs from storage; delete search's cache of it and restart "
      "search, which rebuilds it");
}

}  // namespace

void AddIndexCommand(CLI::App& app, Context& context) {
  CLI::App* index =
      app.add_subcommand("index", "Show and check the indexes of search");
  index->require_subcommand(1);
  CLI::App* list = index->add_subcommand("list", "List the indexes");
  list->footer("Examples:\n  engramctl index list");
  list->callback([&context] {
    context.action = [&context] { return ListIndexes(context); };
  });
  CLI::App* verify = index->add_subcommand(
      "verify", "Compare an index with storage: every id and vector");
  auto options = std::make_shared<VerifyOptions>();
  verify->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  verify->add_option("--vector-field", options->vector_field,
                     "The vector field, if there are several");
  verify->footer(R"(The index goes on serving. Fails if there is a difference.

Examples:
  engramctl index verify packages)");
  verify->callback([&context, options] {
    context.action = [&context, options] { return Verify(context, *options); };
  });
}

}  // namespace engram::engramctl
