// Where a command reads from and writes to.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_CONSOLE_H_
#define ENGRAM_TOOLS_ENGRAMCTL_CONSOLE_H_

#include <iosfwd>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace engram::engramctl {

// What a stream is connected to.
struct Terminal {
  bool is_terminal = false;
  // Cells in a line. Not a terminal: COLUMNS of the environment, or 120.
  int width = 120;

  // Looks at an open file, such as STDOUT_FILENO.
  static Terminal Of(int file);
};

// The streams of one run; tests give their own.
struct Console {
  std::istream& in;
  // Results. Only these go to `out`, so that it can be piped.
  std::ostream& out;
  // Progress and errors.
  std::ostream& err;
  Terminal out_terminal;
  Terminal err_terminal;
  // One JSON object, or one a line, in place of tables; errors too.
  bool json = false;

  // `text` in bold or red, where `terminal` is one that people look at.
  std::string Bold(absl::string_view text) const;

  // Prints code, reason, message and every violation of an error.
  void PrintError(const absl::Status& status) const;
};

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_CONSOLE_H_
