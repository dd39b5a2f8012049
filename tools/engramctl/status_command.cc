#include <CLI/CLI.hpp>
#include <map>
#include <optional>
#include <ostream>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "engram/embedding/v1/embedding.grpc.pb.h"
#include "engram/search/v1/index.grpc.pb.h"
#include "engram/storage/v1/vector.grpc.pb.h"
#include "libs/position/position.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/table.h"
#include "tools/engramctl/waiting.h"

namespace engram::engramctl {
namespace {

using embedding::v1::EmbeddingService;
using embedding::v1::ListModelsRequest;
using search::v1::Index;
using search::v1::IndexService;
using search::v1::ListIndexesRequest;
using storage::v1::Database;
using storage::v1::GetCoverageRequest;
using storage::v1::GetCoverageResponse;
using storage::v1::VectorService;

// One collection's vector field, or a collection that has none.
struct FieldStatus {
  std::string database;
  std::string collection;
  int64_t records = 0;
  // Empty if the collection has no vector field; what follows is 0 then.
  std::string vector_field;
  int64_t embedded = 0;
  int64_t pending = 0;
  int64_t without_text = 0;
  // What search holds; nothing if it cannot be asked or has no such index.
  std::optional<Index> index;
};

// Where an Engram stands, as far as its services could be asked.
struct EngramStatus {
  std::vector<Database> databases;
  std::vector<FieldStatus> fields;
  absl::Status storage;
  absl::Status embedding;
  absl::Status search;
  // The name of the default model; empty if there is none.
  std::string default_model;
};

// How many changes of its database an index has still to apply.
int64_t Lag(const Index& index) {
  const auto at = Position::Parse(index.position());
  const auto newest = Position::Parse(index.newest_position());
  if (!at.ok() || !newest.ok() || at->epoch != newest->epoch) return 0;
  return std::max<int64_t>(0, newest->sequence - at->sequence);
}

absl::string_view StateName(const Index& index) {
  return index.state() == Index::STATE_SERVING ? "serving" : "loading";
}

absl::Status ReadStorage(Connection& connection, const std::string& only,
                         EngramStatus& status) {
  ASSIGN_OR_RETURN(std::vector<Database> databases, FetchDatabases(connection));
  for (Database& database : databases) {
    if (!only.empty() && database.name() != only) continue;
    ASSIGN_OR_RETURN(const auto collections,
                     FetchCollections(connection, database.name()));
    for (const auto& collection : collections) {
      GetCoverageRequest request;
      request.set_database(database.name());
      request.set_collection(collection.name());
      ASSIGN_OR_RETURN(
          const GetCoverageResponse coverage,
          connection.Call(Role::kStorage, &VectorService::Stub::GetCoverage,
                          request));
      FieldStatus field{.database = database.name(),
                        .collection = collection.name(),
                        .records = coverage.records()};
      if (coverage.vector_fields().empty()) status.fields.push_back(field);
      for (const auto& covered : coverage.vector_fields()) {
        field.vector_field = covered.vector_field();
        field.embedded = covered.embedded();
        field.pending = covered.pending();
        field.without_text = covered.without_text();
        status.fields.push_back(field);
      }
    }
    status.databases.push_back(std::move(database));
  }
  return absl::OkStatus();
}

absl::Status ReadSearch(Connection& connection, EngramStatus& status) {
  ASSIGN_OR_RETURN(
      const auto response,
      connection.Call(Role::kSearch, &IndexService::Stub::ListIndexes,
                      ListIndexesRequest()));
  std::map<std::tuple<std::string, std::string, std::string>, Index> indexes;
  for (const Index& index : response.indexes()) {
    indexes[{index.database(), index.collection(), index.vector_field()}] =
        index;
  }
  for (FieldStatus& field : status.fields) {
    const auto index =
        indexes.find({field.database, field.collection, field.vector_field});
    if (index != indexes.end()) field.index = index->second;
  }
  return absl::OkStatus();
}

absl::Status ReadEmbedding(Connection& connection, EngramStatus& status) {
  ASSIGN_OR_RETURN(
      const auto response,
      connection.Call(Role::kEmbedding, &EmbeddingService::Stub::ListModels,
                      ListModelsRequest()));
  for (const auto& model : response.models()) {
    if (model.is_default()) status.default_model = model.name();
  }
  return absl::OkStatus();
}

EngramStatus ReadStatus(Context& context) {
  Connection& connection = context.connection();
  EngramStatus status;
  status.storage = ReadStorage(connection, context.database, status);
  status.embedding = ReadEmbedding(connection, status);
  status.search = ReadSearch(connection, status);
  return status;
}

JsonObject FieldAsJson(const FieldStatus& field) {
  JsonObject object;
  object.Text("database", field.database)
      .Text("collection", field.collection)
      .Int("records", field.records);
  if (field.vector_field.empty()) return object;
  object.Text("vector_field", field.vector_field)
      .Int("embedded", field.embedded)
      .Int("pending", field.pending)
      .Int("without_text", field.without_text);
  if (!field.index.has_value()) return object;
  object.Object("index", JsonObject()
                             .Text("state", StateName(*field.index))
                             .Int("records", field.index->records())
                             .Int("vectors", field.index->vectors())
                             .Int("pending", field.index->pending())
                             .Int("lag", Lag(*field.index))
                             .Text("position", field.index->position())
                             .Int("memory_bytes", field.index->memory_bytes()));
  return object;
}

void PrintAsJson(const Console& console, const EngramStatus& status) {
  std::vector<JsonObject> services, databases, fields;
  for (const auto& [name, result] : {std::pair("storage", &status.storage),
                                     std::pair("embedding", &status.embedding),
                                     std::pair("search", &status.search)}) {
    JsonObject service;
    service.Text("service", name).Bool("ok", result->ok());
    if (!result->ok()) service.Text("error", result->ToString());
    services.push_back(service);
  }
  for (const Database& database : status.databases) {
    databases.push_back(JsonObject()
                            .Text("database", database.name())
                            .Text("position", database.position())
                            .Int("size_bytes", database.size_bytes()));
  }
  for (const FieldStatus& field : status.fields)
    fields.push_back(FieldAsJson(field));
  console.out << JsonObject()
                     .List("services", services)
                     .Text("default_model", status.default_model)
                     .List("databases", databases)
                     .List("collections", fields)
                     .ToString()
              << "\n";
}

void PrintDatabases(const Console& console, const EngramStatus& status) {
  Table table({{"DATABASE"}, {"SIZE", Table::Align::kRight}, {"POSITION"}});
  for (const Database& database : status.databases) {
    table.AddRow({database.name(), HumanBytes(database.size_bytes()),
                  database.position()});
  }
  PrintTable(console, table);
}

// Names the database of each collection only where there are several: a line
// should fit 80 cells.
void PrintFields(const Console& console, const EngramStatus& status) {
  using Align = Table::Align;
  std::vector<Table::Column> columns = {{"COLLECTION"},
                                        {"RECORDS", Align::kRight},
                                        {"FIELD"},
                                        {"EMBEDDED", Align::kRight},
                                        {"PENDING", Align::kRight},
                                        {"NO TEXT", Align::kRight},
                                        {"INDEXED", Align::kRight},
                                        {"LAG", Align::kRight},
                                        {"INDEX"}};
  const bool has_several = status.databases.size() > 1;
  if (has_several) columns.insert(columns.begin(), {"DATABASE"});
  Table table(columns);
  for (const FieldStatus& field : status.fields) {
    std::vector<std::string> cells = {field.collection,
                                      WithCommas(field.records)};
    if (has_several) cells.insert(cells.begin(), field.database);
    if (!field.vector_field.empty()) {
      cells.insert(cells.end(),
                   {field.vector_field, WithCommas(field.embedded),
                    WithCommas(field.pending), WithCommas(field.without_text)});
      if (field.index.has_value()) {
        cells.insert(cells.end(), {WithCommas(field.index->records()),
                                   WithCommas(Lag(*field.index)),
                                   std::string(StateName(*field.index))});
      }
    }
    cells.resize(columns.size());
    table.AddRow(std::move(cells));
  }
  PrintTable(console, table);
}

void PrintAsTables(const Console& console, const EngramStatus& status) {
  if (status.storage.ok()) {
    PrintDatabases(console, status);
    console.out << "\n";
    if (status.fields.empty()) {
      console.out
          << "no collections yet; engramctl schema apply creates them\n";
    } else {
      PrintFields(console, status);
    }
  }
  if (status.embedding.ok()) {
    console.out << "\ndefault model: "
                << (status.default_model.empty() ? "none"
                                                 : status.default_model)
                << "\n";
  }
}

// What stands is printed even where a service cannot be asked; the first one
// that cannot is the command's error.
absl::Status ShowStatus(Context& context, bool* wait) {
  if (*wait) {
    ASSIGN_OR_RETURN(const auto databases,
                     FetchDatabases(context.connection()));
    for (const Database& database : databases) {
      if (!context.database.empty() && database.name() != context.database)
        continue;
      RETURN_IF_ERROR(
          WaitUntilSearchable(context, database.name(), database.position()));
    }
  }
  const EngramStatus status = ReadStatus(context);
  if (context.console.json) {
    PrintAsJson(context.console, status);
  } else {
    PrintAsTables(context.console, status);
  }
  RETURN_IF_ERROR(status.storage);
  RETURN_IF_ERROR(status.embedding);
  return status.search;
}

}  // namespace

void AddStatusCommand(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "status", "Show what is stored, embedded and searchable");
  auto wait = std::make_shared<bool>(false);
  command->add_flag("--wait", *wait,
                    "First wait until everything stored can be found");
  command->footer(
      R"(One line for each vector FIELD: EMBEDDED records have vectors of their present
text, PENDING ones wait for them, those with NO TEXT need none. INDEXED is what
search holds; LAG counts the changes that it has still to apply.

Fails if a service does not answer, after printing what the others say. One
database only: --database.

Examples:
  engramctl status
  engramctl status --wait --timeout 5m
  engramctl status --json --storage db:7701 --embedding emb:7702 --search s:7703)");
  command->callback([&context, wait] {
    context.action = [&context, wait] {
      return ShowStatus(context, wait.get());
    };
  });
}

}  // namespace engram::engramctl
