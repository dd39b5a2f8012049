#include "tools/engramctl/operation_wait.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engram/search/v1/operation.grpc.pb.h"
#include "google/rpc/status.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/progress.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using common::v1::Operation;
using search::v1::OperationService;
using search::v1::OperationServiceWaitRequest;

// How long one call waits before the progress is shown anew.
constexpr int kStepNanos = 500'000'000;
constexpr int kBarCells = 20;

}  // namespace

absl::StatusOr<Operation> AwaitOperation(Context& context, Operation operation,
                                         absl::string_view doing) {
  const absl::Time deadline = context.connection().wait_deadline();
  ProgressLine line(context.console);
  OperationServiceWaitRequest request;
  request.set_name(operation.name());
  request.mutable_timeout()->set_nanos(kStepNanos);
  while (operation.state() == Operation::STATE_RUNNING) {
    ASSIGN_OR_RETURN(
        auto response,
        context.connection().Call(Role::kSearch, &OperationService::Stub::Wait,
                                  request));
    operation = std::move(*response.mutable_operation());
    if (operation.state() != Operation::STATE_RUNNING) break;
    const absl::Time now = absl::Now();
    if (now >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          operation.name(), " still runs; give a longer --timeout"));
    }
    const auto& progress = operation.progress();
    const double share =
        progress.total() > 0
            ? static_cast<double>(progress.done()) / progress.total()
            : 0.0;
    line.Update(absl::StrCat(doing, " ", Bar(share, kBarCells), " ",
                             WithCommas(progress.done()), " ", progress.unit()),
                now);
  }
  if (operation.state() == Operation::STATE_SUCCEEDED) return operation;
  return absl::Status(static_cast<absl::StatusCode>(operation.error().code()),
                      operation.error().message());
}

}  // namespace engram::engramctl
