#include "libs/log/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "libs/status/testing/status_matchers.h"

namespace engram::log {
namespace {

using ::engram::testing::StatusIs;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

std::string Captured(const std::function<void()>& body) {
  ::testing::internal::CaptureStderr();
  body();
  return ::testing::internal::GetCapturedStderr();
}

TEST(LogTest, WritesOneJsonObjectALine) {
  const std::string line = Captured([] {
    Info("saved", {{"database", "a\"b\n"}, {"position", 7}});
  });
  EXPECT_THAT(line,
              MatchesRegex("\\{\"time\":\"[-0-9T:.]+Z\",\"level\":\"info\","
                           "\"message\":\"saved\",.*\\}\n"));
  EXPECT_THAT(line, HasSubstr(R"("database":"a\"b\u000a","position":7})"));
}

TEST(LogTest, LevelHidesWhatIsBelowIt) {
  ASSERT_OK(SetLevel("warning"));
  EXPECT_EQ(Captured([] { Info("hidden"); }), "");
  EXPECT_NE(Captured([] { Warning("shown"); }), "");
  ASSERT_OK(SetLevel("info"));
  EXPECT_THAT(SetLevel("loud"), StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace engram::log
