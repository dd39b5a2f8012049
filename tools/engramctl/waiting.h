#ifndef ENGRAM_TOOLS_ENGRAMCTL_WAITING_H_
#define ENGRAM_TOOLS_ENGRAMCTL_WAITING_H_

#include <string>

#include "absl/status/status.h"
#include "tools/engramctl/context.h"

namespace engram::engramctl {

// Waits until everything written to a database up to `position` is embedded and
// can be found, and shows how far that is. `DeadlineExceeded` when --timeout
// ends it first.
absl::Status WaitUntilSearchable(Context& context, const std::string& database,
                                 const std::string& position);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_WAITING_H_
