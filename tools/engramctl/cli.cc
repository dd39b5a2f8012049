#include "tools/engramctl/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ostream>

#include "absl/time/time.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/context.h"

namespace engram::engramctl {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr char kDescription[] =
    "engramctl works with an Engram: schemas, records, search and status.";

constexpr char kFooter[] = R"(Examples:
  engramctl schema apply memories.yaml
  engramctl import memories memories.jsonl --wait
  engramctl search memories "what does the user like to eat"
  engramctl status

Each command has its own --help with more. Exit codes: 0 done, 1 failed, 2 the
command line makes no sense, 3 done, with records rejected, with differences
found or with nothing found.)";

void AddGlobalOptions(CLI::App& app, Context& context) {
  ConnectionOptions& connection = context.connection_options;
  app.add_option("--server", connection.server,
                 "Address of an engramd, which serves everything")
      ->envname("ENGRAM_SERVER")
      ->capture_default_str()
      ->group("Connection");
  app.add_option("--storage", connection.storage,
                 "Address of engram-storage, if not --server")
      ->envname("ENGRAM_STORAGE")
      ->group("Connection");
  app.add_option("--embedding", connection.embedding,
                 "Address of engram-embedding, if not --server")
      ->envname("ENGRAM_EMBEDDING")
      ->group("Connection");
  app.add_option("--search", connection.search,
                 "Address of engram-search, if not --server")
      ->envname("ENGRAM_SEARCH")
      ->group("Connection");
  app.add_option_function<std::string>(
         "--timeout",
         [&connection](const std::string& text) {
           absl::Duration timeout;
           if (!absl::ParseDuration(text, &timeout) ||
               timeout <= absl::ZeroDuration()) {
             throw CLI::ValidationError(
                 "--timeout", "wants a duration such as 10s or 1m30s");
           }
           connection.timeout = timeout;
         },
         "The longest that a call, and a command that waits, may take "
         "(default: 30s for a call, no limit for waiting)")
      ->group("Connection");
  app.add_option("--database", context.database,
                 "The database (default: default)")
      ->envname("ENGRAM_DATABASE");
  app.add_flag("--json", context.console.json,
               "Print JSON: one object, or one a line; errors too");
}

}  // namespace

int RunCommandLine(const std::vector<std::string>& arguments,
                   Console& console) {
  CLI::App app(kDescription, "engramctl");
  Context context{.console = console};
  app.footer(kFooter);
  app.set_version_flag("--version", "engramctl " ENGRAM_VERSION);
  app.require_subcommand(1);
  // Global options may stand after the command too.
  app.fallthrough();
  AddGlobalOptions(app, context);
  AddSchemaCommand(app, context);
  AddImportCommand(app, context);
  AddExportCommand(app, context);
  AddSearchCommand(app, context);
  AddDuplicatesCommand(app, context);
  AddReadCommands(app, context);
  AddGraphCommand(app, context);
  AddTextCommand(app, context);
  AddAggCommand(app, context);
  AddVersionsCommand(app, context);
  AddSqlCommand(app, context);
  AddWriteCommands(app, context);
  AddUpdateCommand(app, context);
  AddWatchCommand(app, context);
  AddFollowerCommand(app, context);
  AddEmbedCommand(app, context);
  AddCacheCommand(app, context);
  AddStatusCommand(app, context);
  AddIndexCommand(app, context);
  AddModelCommand(app, context);
  AddDatabaseCommand(app, context);
  AddJobsCommand(app, context);
  try {
    // CLI11 takes them from the back.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    return app.exit(error, console.out, console.err) == 0 ? 0 : kUsage;
  }
  const absl::Status status = context.action();
  if (status.ok()) return context.exit_code;
  console.out.flush();
  console.PrintError(status);
  return kFailed;
}

}  // namespace engram::engramctl
