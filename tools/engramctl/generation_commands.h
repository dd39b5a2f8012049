// embed generations, switch, drop: the model of a vector field changes.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_GENERATION_COMMANDS_H_
#define ENGRAM_TOOLS_ENGRAMCTL_GENERATION_COMMANDS_H_

#include <CLI/App.hpp>

#include "tools/engramctl/context.h"

namespace engram::engramctl {

// Both must outlive the parsing and the action.
void AddGenerationCommands(CLI::App* embed, Context& context);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_GENERATION_COMMANDS_H_
