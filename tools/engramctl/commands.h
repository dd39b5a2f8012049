// The commands, one function a group. Each adds its subcommands, which set
// Context::action when they are chosen. `app` and `context` must outlive the
// parsing and the action.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_COMMANDS_H_
#define ENGRAM_TOOLS_ENGRAMCTL_COMMANDS_H_

#include <CLI/App.hpp>

#include "tools/engramctl/context.h"

namespace engram::engramctl {

// cache get, set, has, delete, keys, clear, stats.
void AddCacheCommand(CLI::App& app, Context& context);
void AddAggCommand(CLI::App& app, Context& context);
void AddDatabaseCommand(CLI::App& app, Context& context);
void AddDuplicatesCommand(CLI::App& app, Context& context);
// embed status, usage, failures, retry, pause, resume; generations, switch,
// drop; estimate, compare.
void AddEmbedCommand(CLI::App& app, Context& context);
void AddFollowerCommand(CLI::App& app, Context& context);
// graph neighbors, walk, degree, common.
void AddGraphCommand(CLI::App& app, Context& context);
void AddExportCommand(CLI::App& app, Context& context);
void AddImportCommand(CLI::App& app, Context& context);
// index list, show, verify, rebuild, wait.
void AddIndexCommand(CLI::App& app, Context& context);
void AddJobsCommand(CLI::App& app, Context& context);
void AddModelCommand(CLI::App& app, Context& context);
// get, list.
void AddReadCommands(CLI::App& app, Context& context);
void AddSchemaCommand(CLI::App& app, Context& context);
void AddSearchCommand(CLI::App& app, Context& context);
void AddSqlCommand(CLI::App& app, Context& context);
void AddStatusCommand(CLI::App& app, Context& context);
void AddTextCommand(CLI::App& app, Context& context);
void AddUpdateCommand(CLI::App& app, Context& context);
void AddWatchCommand(CLI::App& app, Context& context);
void AddVersionsCommand(CLI::App& app, Context& context);
// put, delete, restore, sweep.
void AddWriteCommands(CLI::App& app, Context& context);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_COMMANDS_H_
