// The one crossing between absl::Status and grpc::Status.

#ifndef ENGRAM_LIBS_STATUS_GRPC_STATUS_H_
#define ENGRAM_LIBS_STATUS_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace engram {

// Returns `status` for the wire: the payloads become `google.rpc.Status`
// details.
grpc::Status ToGrpcStatus(const absl::Status& status);

// Returns what a call ended with: the details become payloads again, so that an
// error passes through a service unchanged.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace engram

#endif  // ENGRAM_LIBS_STATUS_GRPC_STATUS_H_
