#ifndef ENGRAM_LIBS_STATUS_RPC_STATUS_H_
#define ENGRAM_LIBS_STATUS_RPC_STATUS_H_

#include "absl/status/status.h"
#include "google/rpc/status.pb.h"

namespace engram {

// Returns `status` as messages carry it; the payloads become details. A payload
// that is not a message's, by its type URL, is this process's own and left out.
google::rpc::Status ToRpcStatus(const absl::Status& status);

// Turns it back.
absl::Status FromRpcStatus(const google::rpc::Status& status);

}  // namespace engram

#endif  // ENGRAM_LIBS_STATUS_RPC_STATUS_H_
