// Changes of the feed as people and programs read them.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_CHANGE_VIEW_H_
#define ENGRAM_TOOLS_ENGRAMCTL_CHANGE_VIEW_H_

#include <string>

#include "absl/strings/string_view.h"
#include "engram/storage/v1/feed.pb.h"
#include "tools/engramctl/json_object.h"

namespace engram::engramctl {

// One line: time, sequence, what happened to what, and the fields that differ,
// as `title: Tea > Coffee`.
std::string ChangeAsText(const storage::v1::Change& change);

// `position` is that of the change.
JsonObject ChangeAsJson(const storage::v1::Change& change,
                        absl::string_view position);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_CHANGE_VIEW_H_
