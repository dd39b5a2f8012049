#include "services/storage/json_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace engram::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ListElementsTest, CutsAtTheListsOwnCommas) {
  EXPECT_THAT(ListElements("[]"), IsEmpty());
  EXPECT_THAT(ListElements(R"(["a"])"), ElementsAre(R"("a")"));
  EXPECT_THAT(ListElements(R"([1,[2,3],{"a":[4,5],"b":6},null])"),
              ElementsAre("1", "[2,3]", R"({"a":[4,5],"b":6})", "null"));
}

TEST(ListElementsTest, CommasAndBracketsInsideStringsAreText) {
  EXPECT_THAT(
      ListElements(R"(["a,b","]","\"],","\\","\\\""])"),
      ElementsAre(R"("a,b")", R"("]")", R"("\"],")", R"("\\")", R"("\\\"")"));
}

TEST(ListElementsTest, SurvivesWhatIsNoList) {
  for (const char* text : {"", "{}", "7", "\"[1]\""}) {
    EXPECT_THAT(ListElements(text), IsEmpty()) << text;
  }
  for (const char* text : {"[", "[1", "[1,", "[\"a", "[[1", "[1}", "[\"\\"}) {
    ListElements(text);
  }
}

TEST(MakeListTest, IsWhatListElementsTakesApart) {
  for (const char* list : {"[]", "[1]", R"(["a",[],{"b":"]"}])"}) {
    EXPECT_EQ(MakeList(ListElements(list)), list);
  }
}

TEST(FindInJsonTest, FollowsTheKeys) {
  constexpr absl::string_view kJson =
      R"({"a":{"a":1,"b":{"c":"x,}"}},"b":[1,2],"c\"d":true})";
  EXPECT_EQ(FindInJson(kJson, {}), kJson);
  EXPECT_EQ(FindInJson(kJson, {"a", "a"}), "1");
  EXPECT_EQ(FindInJson(kJson, {"a", "b", "c"}), R"("x,}")");
  EXPECT_EQ(FindInJson(kJson, {"b"}), "[1,2]");
  EXPECT_EQ(FindInJson(kJson, {"c\"d"}), "true");
}

TEST(FindInJsonTest, FindsNothingWhereThereIsNothing) {
  EXPECT_EQ(FindInJson(R"({"a":1})", {"b"}), std::nullopt);
  EXPECT_EQ(FindInJson(R"({"a":1})", {"a", "b"}), std::nullopt);
  EXPECT_EQ(FindInJson("[1]", {"a"}), std::nullopt);
  for (const char* text : {"", "{", "{\"a\"", "{\"a\":", "{\"a\":1,", "{,}"}) {
    EXPECT_NE(FindInJson(text, {"a"}), "2") << text;
  }
}

}  // namespace
}  // namespace engram::storage
