#include "services/search/operation_starter.h"

#include <utility>

#include "services/search/operation_codec.h"
#include "services/search/processors.h"

namespace engram::search {

absl::StatusOr<common::v1::Operation> StartOperation(SearchBackend& backend,
                                                     absl::string_view kind,
                                                     absl::string_view unit,
                                                     OperationWork work) {
  const std::shared_ptr<OperationHandle> operation =
      backend.operations.Start(kind, unit);
  const absl::Status queued = backend.operation_pool.Submit(
      [operation, work = std::move(work)]() mutable {
        YieldToQueries();
        absl::StatusOr<OperationResult> result = work(*operation);
        // What it holds is free once the operation is seen to have ended.
        work = nullptr;
        operation->Finish(std::move(result));
      });
  if (!queued.ok()) {
    operation->Finish(queued);
    return queued;
  }
  return EncodeOperation(*backend.operations.Get(operation->name()));
}

}  // namespace engram::search
