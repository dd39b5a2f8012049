#ifndef ENGRAM_SERVICES_SEARCH_OPERATION_STARTER_H_
#define ENGRAM_SERVICES_SEARCH_OPERATION_STARTER_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/common/v1/operation.pb.h"
#include "services/search/operation_store.h"
#include "services/search/search_backend.h"

namespace engram::search {

// What an operation does: its result, or why it ended early. It runs in a
// thread of `operation_pool`, and is destroyed once the operation has ended.
using OperationWork = absl::AnyInvocable<absl::StatusOr<OperationResult>(
    OperationHandle& operation)>;

// Begins an operation and returns it as it then is. `ResourceExhausted` if too
// many wait; then it has failed, and `work` does not run.
absl::StatusOr<common::v1::Operation> StartOperation(SearchBackend& backend,
                                                     absl::string_view kind,
                                                     absl::string_view unit,
                                                     OperationWork work);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_OPERATION_STARTER_H_
