#include "services/search/keyword_search.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace engram::search {
namespace {

TEST(AnyWordOfTest, EachWordCountsForItself) {
  EXPECT_EQ(AnyWordOf("what do they drink"),
            R"("what" OR "do" OR "they" OR "drink")");
  EXPECT_EQ(AnyWordOf("  tea\n\ttea  "), R"("tea")");
  EXPECT_EQ(AnyWordOf("東京　大阪"), R"("東京" OR "大阪")");
  EXPECT_EQ(AnyWordOf(""), "");
  EXPECT_EQ(AnyWordOf(" \n"), "");
}

TEST(AnyWordOfTest, NothingIsAnOperator) {
  EXPECT_EQ(AnyWordOf(R"(NOT -a title:(b c* "d e)"),
            R"("NOT" OR "-a" OR "title:(b" OR "c*" OR "d" OR "e")");
}

TEST(AnyWordOfTest, ItIsNoLongerThanStorageTakes) {
  std::string text;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&text, "w", i, " ");
  const std::string words = AnyWordOf(text);
  EXPECT_EQ(words.substr(0, 12), R"("w0" OR "w1")");
  EXPECT_EQ(words.substr(words.size() - 5), R"("w63")");
  const std::string half(5000, 'x');
  EXPECT_EQ(AnyWordOf(absl::StrCat("a ", half, " y", half)),
            absl::StrCat("\"a\" OR \"", half, "\""));
  EXPECT_EQ(AnyWordOf(std::string(9000, 'x')), "");
}

}  // namespace
}  // namespace engram::search
