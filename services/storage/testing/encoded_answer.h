#ifndef ENGRAM_SERVICES_STORAGE_TESTING_ENCODED_ANSWER_H_
#define ENGRAM_SERVICES_STORAGE_TESTING_ENCODED_ANSWER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/status/status_macros.h"

namespace engram::storage {

// The message that was encoded.
template <typename Response>
absl::StatusOr<Response> DecodeAnswer(absl::StatusOr<std::string> answer) {
  RETURN_IF_ERROR(answer.status());
  Response response;
  if (response.ParseFromString(*answer)) return response;
  return absl::InternalError("the answer is no such message");
}

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TESTING_ENCODED_ANSWER_H_
