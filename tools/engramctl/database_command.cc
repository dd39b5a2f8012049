#include <CLI/CLI.hpp>
#include <ostream>

#include "engram/storage/v1/database.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using storage::v1::Database;
using storage::v1::DatabaseService;
using storage::v1::DatabaseServiceCreateRequest;
using storage::v1::DatabaseServiceCreateResponse;
using storage::v1::DatabaseServiceDeleteRequest;
using storage::v1::DatabaseServiceDeleteResponse;

JsonObject DatabaseAsJson(const Database& database) {
  return JsonObject()
      .Text("database", database.name())
      .Text("position", database.position())
      .Text("create_time", TimestampText(database.create_time()))
      .Int("size_bytes", database.size_bytes());
}

absl::Status CreateDatabase(Context& context, const std::string& name) {
  DatabaseServiceCreateRequest request;
  request.set_database(name);
  ASSIGN_OR_RETURN(
      const DatabaseServiceCreateResponse response,
      context.connection().Call(Role::kStorage, &DatabaseService::Stub::Create,
                                request));
  if (context.console.json) {
    context.console.out << DatabaseAsJson(response.database()).ToString()
                        << "\n";
  } else {
    context.console.out << "created    " << response.database().name() << "\n";
  }
  return absl::OkStatus();
}

absl::Status ListDatabases(Context& context) {
  ASSIGN_OR_RETURN(const std::vector<Database> databases,
                   FetchDatabases(context.connection()));
  Table table({{"DATABASE"},
               {"SIZE", Table::Align::kRight},
               {"CREATED"},
               {"POSITION"}});
  for (const Database& database : databases) {
    if (context.console.json) {
      context.console.out << DatabaseAsJson(database).ToString() << "\n";
      continue;
    }
    table.AddRow({database.name(), HumanBytes(database.size_bytes()),
                  TimestampText(database.create_time()), database.position()});
  }
  if (!context.console.json) PrintTable(context.console, table);
  return absl::OkStatus();
}

absl::Status DeleteDatabase(Context& context, const std::string& name,
                            const std::string& confirm) {
  DatabaseServiceDeleteRequest request;
  request.set_database(name);
  request.set_confirm(confirm);
  RETURN_IF_ERROR(
      context.connection()
          .Call(Role::kStorage, &DatabaseService::Stub::Delete, request)
          .status());
  if (context.console.json) {
    context.console.out << JsonObject().Text("deleted", name).ToString()
                        << "\n";
  } else {
    context.console.out << "deleted    " << name << "\n";
  }
  return absl::OkStatus();
}

}  // namespace

void AddDatabaseCommand(CLI::App& app, Context& context) {
  CLI::App* database =
      app.add_subcommand("db", "Create, list and delete databases");
  database->require_subcommand(1);
  CLI::App* create = database->add_subcommand("create", "Create a database");
  auto name = std::make_shared<std::string>();
  create
      ->add_option("NAME", *name,
                   "A lower-case letter, then letters, digits, - and _")
      ->required();
  create->footer("Examples:\n  engramctl db create tenant-7");
  create->callback([&context, name] {
    context.action = [&context, name] {
      return CreateDatabase(context, *name);
    };
  });
  CLI::App* list = database->add_subcommand("list", "List the databases");
  list->footer("Examples:\n  engramctl db list --json");
  list->callback([&context] {
    context.action = [&context] { return ListDatabases(context); };
  });
  CLI::App* remove = database->add_subcommand(
      "delete", "Delete a database with all that is in it, for good");
  auto confirm = std::make_shared<std::string>();
  remove->add_option("NAME", *name, "The database")->required();
  remove
      ->add_option("--confirm", *confirm,
                   "The name once more, so that no slip deletes a database")
      ->required();
  remove->footer(
      "Examples:\n  engramctl db delete tenant-7 --confirm tenant-7");
  remove->callback([&context, name, confirm] {
    context.action = [&context, name, confirm] {
      return DeleteDatabase(context, *name, *confirm);
    };
  });
}

}  // namespace engram::engramctl
