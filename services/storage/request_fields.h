// What requests have in common, read and checked.

#ifndef ENGRAM_SERVICES_STORAGE_REQUEST_FIELDS_H_
#define ENGRAM_SERVICES_STORAGE_REQUEST_FIELDS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "libs/status/errors.h"

namespace engram::storage {

// Returns the page size for a request that asks for `sent`: 0 is 100, more than
// 1000 is 1000, less than 0 is `InvalidArgument`.
absl::StatusOr<int> DecodePageSize(int sent);
// The same; less than 0 is a violation, and what is returned of no use.
int DecodePageSize(int sent, FieldViolations& violations);

// Makes the text that asks for the page after `last`, which clients cannot read
// much into. `list` names what is listed, so that one list's token is refused
// by another.
std::string EncodePageToken(absl::string_view list, absl::string_view last);

// Returns `last` of a token that EncodePageToken made for the same `list`;
// empty for an empty token. `InvalidArgument` for any other text.
absl::StatusOr<std::string> DecodePageToken(absl::string_view list,
                                            absl::string_view token);

// `InvalidArgument`: no token of the list that was asked for.
absl::Status UnknownPageToken();

// Refuses a request_id that is too long; empty is fine.
absl::Status CheckRequestId(absl::string_view request_id);

// SHA-256 of what the request says, the same for every request that says it.
std::string HashRequest(const google::protobuf::Message& request);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_REQUEST_FIELDS_H_
