// Tells people how far a long command is.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_PROGRESS_H_
#define ENGRAM_TOOLS_ENGRAMCTL_PROGRESS_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "tools/engramctl/console.h"

namespace engram::engramctl {

// One line about work under way, written to Console::err: on a terminal redrawn
// in place, else a new line every few seconds. Nothing with --json.
//
// Not thread-safe.
class ProgressLine {
 public:
  // `console` must outlive this object.
  explicit ProgressLine(const Console& console);
  // Removes the line from a terminal.
  ~ProgressLine();

  // Shows `text`, unless the last one is too recent to have been read.
  void Update(absl::string_view text, absl::Time now);

 private:
  void Erase();

  const Console& console_;
  absl::Time next_;
  bool drawn_ = false;
};

// A bar of `width` cells, `share` of it full; `share` is 0 to 1.
std::string Bar(double share, int width);

// "1:05" or "2:03:04"; what is not finite is "-:--".
std::string ClockTime(absl::Duration duration);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_PROGRESS_H_
