#ifndef ENGRAM_TOOLS_ENGRAMCTL_CLI_H_
#define ENGRAM_TOOLS_ENGRAMCTL_CLI_H_

#include <string>
#include <vector>

#include "tools/engramctl/console.h"

namespace engram::engramctl {

// Runs one command line, without the program's name. Returns the exit code: 0,
// 1 if the command failed, 2 if the command line makes no sense.
int RunCommandLine(const std::vector<std::string>& arguments, Console& console);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_CLI_H_
