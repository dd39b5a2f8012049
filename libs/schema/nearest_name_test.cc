#include "libs/schema/nearest_name.h"

#include <gtest/gtest.h>

namespace engram::schema {
namespace {

TEST(NearestNameTest, NamesWhatWasProbablyMeant) {
  const std::vector<absl::string_view> names = {"section", "size", "version"};
  EXPECT_EQ(DidYouMean("sizee", names), "; did you mean \"size\"?");
  EXPECT_EQ(DidYouMean("sze", names), "; did you mean \"size\"?");
  EXPECT_EQ(DidYouMean("siez", names), "; did you mean \"size\"?");
  EXPECT_EQ(DidYouMean("verison", names), "; did you mean \"version\"?");
}

TEST(NearestNameTest, StaysSilentWhenNothingIsNear) {
  EXPECT_EQ(DidYouMean("author", {"size", "tags"}), "");
  EXPECT_EQ(DidYouMean("x", {"size"}), "");
  EXPECT_EQ(DidYouMean("", {"size"}), "");
  EXPECT_EQ(DidYouMean("size", {}), "");
  EXPECT_EQ(DidYouMean(std::string(1'000'000, 's'), {"size"}), "");
}

}  // namespace
}  // namespace engram::schema
