#include "libs/position/position.h"

#include <gtest/gtest.h>

#include "libs/status/testing/status_matchers.h"

namespace engram {
namespace {

using ::engram::testing::StatusIs;

TEST(PositionTest, TextRoundTrips) {
  const Position position{"tenant-7", 0x00ab, 42};
  EXPECT_EQ(position.ToString(), "tenant-7@00000000000000ab.42");
  ASSERT_OK_AND_ASSIGN(const Position parsed,
                       Position::Parse("tenant-7@00000000000000ab.42"));
  EXPECT_EQ(parsed, position);
}

TEST(PositionTest, RefusesOtherText) {
  for (const char* text :
       {"", "x", "@00000000000000ab.1", "a@00000000000000ab", "a@ab.1",
        "a@00000000000000ab.", "a@00000000000000ab.-1", "a@00000000000000ab.1x",
        "a@0x000000000000ab.1", "a@00000000000000AB.1", "a@00000000000000ab.01",
        "a@00000000000000ab.99999999999999999999"}) {
    EXPECT_THAT(Position::Parse(text),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << text;
  }
}

}  // namespace
}  // namespace engram
