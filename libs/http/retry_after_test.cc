#include "libs/http/retry_after.h"

#include <gtest/gtest.h>

#include <string>

namespace engram::http {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(784111767);  // Sun, 06 Nov 1994

std::optional<absl::Duration> Read(const std::string& value,
                                   const std::string& name = "retry-after") {
  HttpResponse response;
  response.headers = {{name, value}};
  return ReadRetryAfter(response, kNow);
}

TEST(RetryAfterTest, IsReadInSecondsOrAsADate) {
  EXPECT_EQ(Read("120"), absl::Minutes(2));
  EXPECT_EQ(Read("0.5"), absl::Milliseconds(500));
  EXPECT_EQ(Read("Sun, 06 Nov 1994 08:49:37 GMT"), absl::Seconds(10));
  EXPECT_EQ(Read("1500", "retry-after-ms"), absl::Milliseconds(1500));
}

TEST(RetryAfterTest, IsBounded) {
  EXPECT_EQ(Read("Sun, 06 Nov 1994 08:00:00 GMT"), absl::ZeroDuration());
  EXPECT_EQ(Read("-3"), absl::ZeroDuration());
  EXPECT_EQ(Read("1e300"), absl::Hours(24));
  EXPECT_EQ(Read("inf"), absl::Hours(24));
}

TEST(RetryAfterTest, WhatCannotBeReadIsNothing) {
  EXPECT_EQ(Read("soon"), std::nullopt);
  EXPECT_EQ(Read("nan"), std::nullopt);
  EXPECT_EQ(Read(""), std::nullopt);
  EXPECT_EQ(ReadRetryAfter({}, kNow), std::nullopt);
}

}  // namespace
}  // namespace engram::http
