#ifndef ENGRAM_TOOLS_ENGRAMCTL_OPERATION_WAIT_H_
#define ENGRAM_TOOLS_ENGRAMCTL_OPERATION_WAIT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/common/v1/operation.pb.h"
#include "tools/engramctl/context.h"

namespace engram::engramctl {

// Waits until an operation of search has ended, showing how far it is, with
// `doing` as the word for that. Its own failure is returned; `DeadlineExceeded`
// when --timeout ends the wait, not the operation.
absl::StatusOr<common::v1::Operation> AwaitOperation(
    Context& context, common::v1::Operation operation, absl::string_view doing);

// Reads the result of an operation that has succeeded.
template <typename Result>
absl::StatusOr<Result> ResultOf(const common::v1::Operation& operation) {
  Result result;
  if (!operation.result().UnpackTo(&result)) {
    return absl::InternalError("the server sent a result of another type");
  }
  return result;
}

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_OPERATION_WAIT_H_
