#include "services/storage/order_by.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The terms as text: name, direction, column.
std::vector<std::string> Terms(absl::string_view text) {
  const auto terms = ParseOrderBy(text);
  if (!terms.ok()) return {std::string(terms.status().message())};
  std::vector<std::string> shown;
  for (const OrderTerm& term : *terms) {
    shown.push_back(absl::StrCat(term.name, term.descending ? " down " : " up ",
                                 term.column));
  }
  return shown;
}

TEST(OrderByTest, ReadsNamesAndDirections) {
  EXPECT_THAT(Terms(""), IsEmpty());
  EXPECT_THAT(Terms("  "), IsEmpty());
  EXPECT_THAT(Terms("a"), ElementsAre("a up 1"));
  EXPECT_THAT(Terms("a desc, _row,id ASC"),
              ElementsAre("a down 1", "_row up 9", "id up 14"));
  EXPECT_THAT(Terms("\ta \n DESC ,b"), ElementsAre("a down 2", "b up 12"));
  EXPECT_THAT(Terms("desc desc"), ElementsAre("desc down 1"));
}

TEST(OrderByTest, SaysWhereItCannotRead) {
  EXPECT_THAT(Terms("a,"), ElementsAre("column 3: a name is missing"));
  EXPECT_THAT(Terms(",a"), ElementsAre("column 1: a name is missing"));
  EXPECT_THAT(Terms("a b"),
              ElementsAre("column 3: \"b\" is neither desc nor asc; put a "
                          "comma between names"));
  EXPECT_THAT(Terms("ü, a desc b"),
              ElementsAre("column 11: \"b\" is neither desc nor asc; put a "
                          "comma between names"));
  EXPECT_THAT(Terms("a, b, a desc"),
              ElementsAre("column 7: \"a\" is named twice"));
  EXPECT_THAT(Terms("a,b,c,d,e,f,g,h,i"),
              ElementsAre("column 17: more than 8 names"));
  EXPECT_THAT(ParseOrderBy("a b").status(),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

}  // namespace
}  // namespace engram::storage
