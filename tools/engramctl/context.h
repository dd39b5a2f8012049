// What a command works with.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_CONTEXT_H_
#define ENGRAM_TOOLS_ENGRAMCTL_CONTEXT_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "tools/engramctl/connection.h"
#include "tools/engramctl/console.h"

namespace engram::engramctl {

// Ends a command that did its work and has something to report: records that
// were rejected, a schema that differs.
inline constexpr int kExitFindings = 3;

struct Context {
  Console& console;
  ConnectionOptions connection_options;
  // As given by --database; empty is `default`.
  std::string database;
  // The command that was chosen; an error of it ends the program with code 1.
  std::function<absl::Status()> action;
  // Ends the program when the action succeeds.
  int exit_code = 0;

  // To be called by actions, when the options are known.
  Connection& connection() {
    if (opened == nullptr)
      opened = std::make_unique<Connection>(connection_options);
    return *opened;
  }
  std::unique_ptr<Connection> opened;
};

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_CONTEXT_H_
