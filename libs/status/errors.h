// Errors that a client can act on: a code, a stable reason, and the field at
// fault, carried as payloads of an absl::Status until grpc_status.h turns them
// into `google.rpc` details.

#ifndef ENGRAM_LIBS_STATUS_ERRORS_H_
#define ENGRAM_LIBS_STATUS_ERRORS_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engram/common/v1/error.pb.h"

namespace engram {

using common::v1::ErrorReason;

// Key and value of google.rpc.ErrorInfo.metadata, such as {"collection",
// "memories"}.
using ErrorMetadata =
    std::initializer_list<std::pair<absl::string_view, absl::string_view>>;

// Returns an error with a reason that clients may depend on.
absl::Status MakeError(absl::StatusCode code, ErrorReason reason,
                       absl::string_view message, ErrorMetadata metadata = {});

// Returns `INVALID_ARGUMENT` for the field at `path` of the request, such as
// `items[3].upsert.fields.color`. `problem` names the value's fault and the
// remedy.
absl::Status InvalidField(absl::string_view path, absl::string_view problem);

// Returns a copy of `status` that invites the client to retry after `delay`.
absl::Status WithRetryDelay(absl::Status status, absl::Duration delay);

// Returns the delay that `status` invites to retry after, if it does.
std::optional<absl::Duration> RetryDelayOf(const absl::Status& status);

// Returns a copy of `status` whose message begins with `context` and a colon;
// code, reason and details stay.
absl::Status WithContext(const absl::Status& status, absl::string_view context);

// Returns `status` with the paths of its field violations, in details and
// message, replaced by what `map` makes of them; other errors stay as they are.
absl::Status MapFieldPaths(
    const absl::Status& status,
    absl::FunctionRef<std::string(absl::string_view)> map);

// Returns the reason that `status` carries, or ERROR_REASON_UNSPECIFIED.
ErrorReason ReasonOf(const absl::Status& status);

// Returns the first bytes of `text`, UTF-8, whole characters only, with an
// ellipsis if something is left out: for messages that repeat what a client
// sent. Half a character would make the details unreadable to protobuf.
std::string CutText(absl::string_view text, size_t max_bytes);

// Gathers every broken rule of a request, so that one answer reports them all.
//
// Bounded: a status that does not fit the 8 KiB that gRPC's C++ client takes of
// metadata would reach it as another error. What is beyond is only counted.
class FieldViolations {
 public:
  void Add(absl::string_view path, absl::string_view problem);
  bool empty() const { return count_ == 0; }
  // Whether another violation would only be counted, so that it needs no costly
  // description.
  bool full() const;

  // Returns OK if there are none; else `INVALID_ARGUMENT` whose message holds
  // the first few and whose details hold all there is room for; the metadata
  // `violations` says how many there are.
  absl::Status ToStatus() const;

 private:
  // The first of `count_`.
  std::vector<std::pair<std::string, std::string>> violations_;
  int64_t count_ = 0;
  size_t bytes_ = 0;
};

}  // namespace engram

#endif  // ENGRAM_LIBS_STATUS_ERRORS_H_
