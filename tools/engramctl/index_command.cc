#include <CLI/CLI.hpp>
#include <ostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"
#include "engram/search/v1/index.grpc.pb.h"
#include "libs/position/position.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/operation_wait.h"
#include "tools/engramctl/table.h"
#include "tools/engramctl/waiting.h"

namespace engram::engramctl {
namespace {

using common::v1::Operation;
using search::v1::GetIndexRequest;
using search::v1::GetIndexResponse;
using search::v1::Index;
using search::v1::IndexDifference;
using search::v1::IndexService;
using search::v1::VerifyIndexRequest;
using search::v1::VerifyIndexResult;

struct VerifyOptions {
  std::string collection;
  std::string vector_field;
};

struct ShowOptions {
  std::string collection;
  std::string vector_field;
  int64_t generation = 0;
};

absl::string_view StateName(Index::State state) {
  switch (state) {
    case Index::STATE_SERVING:
      return "serving";
    case Index::STATE_STANDBY:
      return "standby";
    default:
      return "loading";
  }
}

// As schemas write them.
absl::string_view KindName(common::v1::IndexKind kind) {
  return kind == common::v1::INDEX_KIND_HNSW ? "hnsw" : "flat";
}
absl::string_view PrecisionName(common::v1::Precision precision) {
  switch (precision) {
    case common::v1::PRECISION_INT8:
      return "int8";
    case common::v1::PRECISION_INT4:
      return "int4";
    default:
      return "float32";
  }
}

// Lag, to the millisecond.
std::string LagText(const Index& index) {
  const absl::Duration lag = absl::Seconds(index.lag().seconds()) +
                             absl::Nanoseconds(index.lag().nanos());
  return absl::FormatDuration(absl::Trunc(lag, absl::Milliseconds(1)));
}

JsonObject IndexObject(const Index& index) {
  return JsonObject()
      .Text("database", index.database())
      .Text("collection", index.collection())
      .Text("vector_field", index.vector_field())
      .Int("generation", index.generation())
      .Text("fingerprint", index.fingerprint())
      .Text("state", StateName(index.state()))
      .Int("records", index.records())
      .Int("vectors", index.vectors())
      .Int("dimensions", index.dimensions())
      .Int("pending", index.pending())
      .Int("graph_vectors", index.graph_vectors())
      .Text("kind", KindName(index.kind()))
      .Text("precision", PrecisionName(index.precision()))
      .Int("memory_bytes", index.memory_bytes())
      .Int("mapped_bytes", index.mapped_bytes())
      .Int("attribute_bytes", index.attribute_bytes())
      .Text("position", index.position())
      .Text("newest_position", index.newest_position())
      .Number("lag_seconds",
              index.lag().seconds() + index.lag().nanos() * 1e-9);
}

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
    if (context.console.json) {
      context.console.out << IndexObject(index).ToString() << "\n";
      continue;
    }
    table.AddRow({index.database(), index.collection(), index.vector_field(),
                  std::string(StateName(index.state())),
                  WithCommas(index.records()), WithCommas(index.vectors()),
                  absl::StrCat(index.dimensions()), WithCommas(index.pending()),
                  HumanBytes(index.memory_bytes()), index.position()});
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
                   AwaitOperation(context, response.operation(), "verifying"));
  ASSIGN_OR_RETURN(const auto result, ResultOf<VerifyIndexResult>(operation));
  PrintResult(context.console, result);
  if (result.difference_count() == 0) return absl::OkStatus();
  return absl::DataLossError(
      "the index differs from storage; engramctl index rebuild makes it right");
}

std::string CoverageText(const GetIndexResponse& response) {
  const std::string indexed = WithCommas(response.index().records());
  if (!response.has_coverage()) return indexed;
  const search::v1::IndexCoverage& coverage = response.coverage();
  return absl::StrCat(indexed, " of ", WithCommas(coverage.records()), ": ",
                      WithCommas(coverage.pending()), " pending, ",
                      WithCommas(coverage.failed()), " failed, ",
                      WithCommas(coverage.without_text()), " without text");
}

// What a search for ten finds, as measured.
std::string RecallText(const GetIndexResponse& response) {
  if (response.index().kind() != common::v1::INDEX_KIND_HNSW) {
    return "1, as every query is compared with all";
  }
  if (!response.has_measured_recall()) return "no query was sampled yet";
  const search::v1::MeasuredRecall& measured = response.measured_recall();
  return absl::StrFormat("%.3f of the nearest, by %s sampled queries; width %d",
                         measured.recall(), WithCommas(measured.samples()),
                         measured.width());
}

void PrintIndex(const Console& console, const GetIndexResponse& response) {
  const Index& index = response.index();
  if (console.json) {
    JsonObject object = IndexObject(index);
    JsonObject memory;
    for (const auto& part : response.memory()) {
      memory.Int(part.name(), part.bytes());
    }
    object.Object("memory", memory);
    if (response.has_coverage()) {
      const search::v1::IndexCoverage& coverage = response.coverage();
      object.Object("coverage",
                    JsonObject()
                        .Int("records", coverage.records())
                        .Int("indexed", coverage.indexed())
                        .Int("pending", coverage.pending())
                        .Int("failed", coverage.failed())
                        .Int("without_text", coverage.without_text()));
    }
    if (response.has_measured_recall()) {
      const search::v1::MeasuredRecall& measured = response.measured_recall();
      object.Object("measured_recall", JsonObject()
                                           .Float("recall", measured.recall())
                                           .Int("samples", measured.samples())
                                           .Int("width", measured.width()));
    }
    std::vector<JsonObject> calibration;
    for (const auto& point : response.calibration()) {
      calibration.push_back(JsonObject()
                                .Int("width", point.width())
                                .Float("recall", point.recall()));
    }
    object.List("calibration", calibration);
    console.out << object.ToString() << "\n";
    return;
  }
  console.out << index.database() << "/" << index.collection() << "/"
              << index.vector_field() << ", generation " << index.generation()
              << ": " << StateName(index.state()) << "\n"
              << "position  " << index.position() << ", " << LagText(index)
              << " behind\n"
              << "records   " << CoverageText(response) << "\n"
              << "vectors   " << WithCommas(index.vectors()) << " of "
              << index.dimensions() << " dimensions, "
              << WithCommas(index.graph_vectors()) << " in a graph\n"
              << "kind      " << KindName(index.kind()) << "\n"
              << "precision " << PrecisionName(index.precision()) << "\n"
              << "recall    " << RecallText(response) << "\n"
              << "memory    "
              << HumanBytes(index.memory_bytes() + index.attribute_bytes())
              << ", " << HumanBytes(index.mapped_bytes())
              << " mapped from the cache\n";
  Table table({{"MEMORY OF"}, {"BYTES", Table::Align::kRight}});
  for (const auto& part : response.memory()) {
    table.AddRow({part.name(), WithCommas(part.bytes())});
  }
  PrintTable(console, table);
}

absl::Status Show(Context& context, const ShowOptions& options) {
  GetIndexRequest request;
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.set_vector_field(options.vector_field);
  request.set_generation(options.generation);
  ASSIGN_OR_RETURN(const GetIndexResponse response,
                   context.connection().Call(
                       Role::kSearch, &IndexService::Stub::GetIndex, request));
  PrintIndex(context.console, response);
  return absl::OkStatus();
}

absl::Status Rebuild(Context& context, bool wait) {
  search::v1::RebuildIndexRequest request;
  request.set_database(context.database);
  ASSIGN_OR_RETURN(
      const search::v1::RebuildIndexResponse response,
      context.connection().Call(Role::kSearch,
                                &IndexService::Stub::RebuildIndex, request));
  Operation operation = response.operation();
  if (wait) {
    ASSIGN_OR_RETURN(operation,
                     AwaitOperation(context, operation, "rebuilding"));
  }
  if (context.console.json) {
    context.console.out << JsonObject()
                               .Text("operation", operation.name())
                               .Bool("done", wait)
                               .Int("records", operation.progress().done())
                               .ToString()
                        << "\n";
  } else if (wait) {
    context.console.out << "rebuilt from "
                        << WithCommas(operation.progress().done())
                        << " records\n";
  } else {
    context.console.out << operation.name()
                        << " has begun; the present indexes serve until it is "
                           "done\n";
  }
  return absl::OkStatus();
}

absl::Status WaitFor(Context& context, const std::string& position) {
  ASSIGN_OR_RETURN(const Position parsed, Position::Parse(position));
  RETURN_IF_ERROR(WaitUntilSearchable(context, parsed.database, position));
  if (context.console.json) {
    context.console.out << JsonObject().Text("position", position).ToString()
                        << "\n";
  } else {
    context.console.out << "everything up to " << position << " can be found\n";
  }
  return absl::OkStatus();
}

void AddShow(CLI::App& index, Context& context) {
  CLI::App* show = index.add_subcommand(
      "show", "Show one index: what it covers, and what its memory holds");
  auto options = std::make_shared<ShowOptions>();
  show->add_option("COLLECTION", options->collection, "The collection")
      ->required();
  show->add_option("--vector-field", options->vector_field,
                   "The vector field, if there are several");
  show->add_option("--generation", options->generation,
                   "The generation (default: the one that serves)");
  show->footer("Examples:\n  engramctl index show packages");
  show->callback([&context, options] {
    context.action = [&context, options] { return Show(context, *options); };
  });
}

void AddRebuild(CLI::App& index, Context& context) {
  CLI::App* rebuild = index.add_subcommand(
      "rebuild", "Read the indexes of a database from storage anew");
  auto wait = std::make_shared<bool>(false);
  rebuild->add_flag("--wait", *wait, "Wait until it is done");
  rebuild->footer(
      R"(The present indexes serve, and follow all changes, until the new ones take
their place. Meanwhile both are in memory.

Examples:
  engramctl index rebuild --wait
  engramctl index rebuild --database tenant-7)");
  rebuild->callback([&context, wait] {
    context.action = [&context, wait] { return Rebuild(context, *wait); };
  });
}

void AddWait(CLI::App& index, Context& context) {
  CLI::App* wait = index.add_subcommand(
      "wait", "Wait until everything up to a position can be found");
  auto position = std::make_shared<std::string>();
  wait->add_option("POSITION", *position, "As a write returned it")->required();
  wait->footer(
      R"(In all indexes of the position's database. --timeout ends the wait.

Examples:
  engramctl index wait default@4f1d….17 --timeout 1m)");
  wait->callback([&context, position] {
    context.action = [&context, position] {
      return WaitFor(context, *position);
    };
  });
}

}  // namespace

void AddIndexCommand(CLI::App& app, Context& context) {
  CLI::App* index = app.add_subcommand(
      "index", "Show, check and rebuild the indexes of search");
  index->require_subcommand(1);
  CLI::App* list = index->add_subcommand("list", "List the indexes");
  list->footer("Examples:\n  engramctl index list");
  list->callback([&context] {
    context.action = [&context] { return ListIndexes(context); };
  });
  AddShow(*index, context);
  AddRebuild(*index, context);
  AddWait(*index, context);
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
