#ifndef ENGRAM_TOOLS_ENGRAMCTL_ADD_COMMAND_H_
#define ENGRAM_TOOLS_ENGRAMCTL_ADD_COMMAND_H_

#include <CLI/CLI.hpp>
#include <memory>

#include "absl/status/status.h"
#include "tools/engramctl/context.h"

namespace engram::engramctl {

// Adds a subcommand of `group` that calls `run` with its options. All but the
// options must outlive the parsing and the action.
template <typename Options>
CLI::App* AddCommand(CLI::App* group, Context& context,
                     const std::shared_ptr<Options>& options, const char* name,
                     const char* description,
                     absl::Status (*run)(Context&, const Options&)) {
  CLI::App* command = group->add_subcommand(name, description);
  command->callback([&context, options, run] {
    context.action = [&context, options, run] {
      return run(context, *options);
    };
  });
  return command;
}

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_ADD_COMMAND_H_
