// What the commands share that change records.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_RECORD_WRITE_H_
#define ENGRAM_TOOLS_ENGRAMCTL_RECORD_WRITE_H_

#include <CLI/App.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"
#include "tools/engramctl/context.h"

namespace engram::engramctl {

// What a record must be for a write to change it.
struct ConditionFlags {
  std::optional<int64_t> version;
  std::string filter;
  // `name=value`, of the `:name`s in filters and expressions.
  std::vector<std::string> parameters;

  // --if-version and --if; --param too.
  void Declare(CLI::App* command);
  // Only --param.
  void DeclareParameters(CLI::App* command);

  bool empty() const { return !version.has_value() && filter.empty(); }
  absl::Status Fill(storage::v1::Condition* condition) const;
  absl::Status FillParameters(google::protobuf::Struct* out) const;
};

// "name=value" as {"name", "value"}; `InvalidArgument` without a name or =.
absl::StatusOr<std::pair<std::string, std::string>> SplitAssignment(
    absl::string_view flag, absl::string_view text);

// Sends the request and prints what became of each record, and the position.
absl::Status SendWrite(Context& context,
                       const storage::v1::WriteRequest& request);

// "created", "unchanged" and so on.
std::string OutcomeText(storage::v1::WriteResult::Outcome outcome);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_RECORD_WRITE_H_
