// embed estimate, compare: what a change of model takes, and what it changes.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_MODEL_CHANGE_COMMANDS_H_
#define ENGRAM_TOOLS_ENGRAMCTL_MODEL_CHANGE_COMMANDS_H_

#include <CLI/App.hpp>

#include "tools/engramctl/context.h"

namespace engram::engramctl {

// Both must outlive the parsing and the action.
void AddModelChangeCommands(CLI::App* embed, Context& context);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_MODEL_CHANGE_COMMANDS_H_
