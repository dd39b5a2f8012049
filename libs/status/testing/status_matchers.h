// GoogleTest matchers for absl::Status and absl::StatusOr.

#ifndef ENGRAM_LIBS_STATUS_TESTING_STATUS_MATCHERS_H_
#define ENGRAM_LIBS_STATUS_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace engram::testing {

inline const absl::Status& GetStatus(const absl::Status& status) {
  return status;
}
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& result) {
  return result.status();
}

// Matches a status or a StatusOr that is OK.
MATCHER(IsOk, "is OK") {
  *result_listener << GetStatus(arg).ToString();
  return GetStatus(arg).ok();
}

// Matches the code of a status or a StatusOr.
MATCHER_P(StatusIs, code, "has status code " + absl::StatusCodeToString(code)) {
  *result_listener << GetStatus(arg).ToString();
  return GetStatus(arg).code() == code;
}

// Matches code and a part of the message.
MATCHER_P2(StatusIs, code, message,
           "has status code " + absl::StatusCodeToString(code) +
               " and a message with \"" + std::string(message) + "\"") {
  *result_listener << GetStatus(arg).ToString();
  return GetStatus(arg).code() == code &&
         std::string(GetStatus(arg).message()).find(message) !=
             std::string::npos;
}

#define ENGRAM_TEST_CONCAT(left, right) ENGRAM_TEST_CONCAT_INNER(left, right)
#define ENGRAM_TEST_CONCAT_INNER(left, right) left##right

#define ASSERT_OK(expression) \
  ASSERT_THAT((expression), ::engram::testing::IsOk())
#define EXPECT_OK(expression) \
  EXPECT_THAT((expression), ::engram::testing::IsOk())

// Assigns the value of a StatusOr, or fails the test.
#define ASSERT_OK_AND_ASSIGN(target, expression)                             \
  ENGRAM_ASSERT_OK_AND_ASSIGN(ENGRAM_TEST_CONCAT(result_, __LINE__), target, \
                              expression)
#define ENGRAM_ASSERT_OK_AND_ASSIGN(result, target, expression) \
  auto result = (expression);                                   \
  ASSERT_OK(result);                                            \
  target = *std::move(result)

}  // namespace engram::testing

#endif  // ENGRAM_LIBS_STATUS_TESTING_STATUS_MATCHERS_H_
