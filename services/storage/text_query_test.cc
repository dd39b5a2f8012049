#include "services/storage/text_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/storage/text_lexer.h"

namespace engram::storage {
namespace {

const std::vector<std::string> kColumns = {"title", "body"};

// As tokenizers do, for ASCII.
bool HasLetters(absl::string_view text) {
  for (const char byte : text) {
    if (absl::ascii_isalnum(byte) || static_cast<unsigned char>(byte) >= 0x80) {
      return true;
    }
  }
  return false;
}

// What FTS5 is asked; `nothing` without a word, `all others` where FTS5 has no
// way to say it.
std::string Match(absl::string_view query) {
  const auto parsed = ParseTextQuery(query, kColumns, HasLetters);
  if (!parsed.has_value()) return "nothing";
  return MatchExpression(*parsed, kColumns).value_or("all others");
}

struct Case {
  const char* query;
  const char* match;
};

void ExpectMatches(const std::vector<Case>& cases) {
  for (const Case& one : cases) {
    EXPECT_EQ(Match(one.query), one.match) << one.query;
  }
}

TEST(TextQueryTest, WordsMustAllOccur) {
  ExpectMatches({
      {"red", R"("red")"},
      {"red apples", R"("red" AND "apples")"},
      {"  red \t\r\n apples ", R"("red" AND "apples")"},
      {"red AND apples", R"("red" AND "apples")"},
      {"red and apples", R"("red" AND "and" AND "apples")"},
      {"Or not And", R"("Or" AND "not" AND "And")"},
  });
}

TEST(TextQueryTest, PhrasesAndPrefixes) {
  ExpectMatches({
      {"\"red apples\"", R"("red apples")"},
      {"\"red apples\" tree", R"("red apples" AND "tree")"},
      {"app*", R"("app"*)"},
      {"app**", R"("app"*)"},
      {"app *", R"("app")"},
      {"a*b", R"("a*b")"},
      {"*app", R"("*app")"},
      {"\"red app\"*", R"("red app"*)"},
      {"\"red app\" *", R"("red app")"},
      {"\"AND\"", R"("AND")"},
      {"\"a (b) OR c:d\"", R"("a (b) OR c:d")"},
  });
}

TEST(TextQueryTest, OperatorsBindAsTheyDoInFilters) {
  ExpectMatches({
      {"a OR b", R"("a" OR "b")"},
      {"a b OR c d", R"(("a" AND "b") OR ("c" AND "d"))"},
      {"a (b OR c) d", R"("a" AND ("b" OR "c") AND "d")"},
      {"a OR b OR c", R"("a" OR "b" OR "c")"},
      {"a OR (b OR c)", R"("a" OR "b" OR "c")"},
      {"a (b (c))", R"("a" AND "b" AND "c")"},
      {"a NOT b", R"("a" NOT "b")"},
      {"NOT b a", R"("a" NOT "b")"},
      {"a -b", R"("a" NOT "b")"},
      {"-b a", R"("a" NOT "b")"},
      {"a -\"b c\"", R"("a" NOT "b c")"},
      {"a -(b OR c)", R"("a" NOT ("b" OR "c"))"},
      {"a -b* -c d", R"("a" NOT "b"* NOT "c" AND "d")"},
  });
}

// Every combination of sets but one can be said with FTS5's binary NOT.
TEST(TextQueryTest, NotIsTheComplement) {
  ExpectMatches({
      {"NOT NOT a", R"("a")"},
      {"NOT -a", R"("a")"},
      {"a NOT (b NOT c)", R"("a" NOT ("b" NOT "c"))"},
      {"a (b OR NOT c)", R"("a" NOT ("c" NOT "b"))"},
      {"a (NOT b OR NOT c)", R"("a" NOT ("b" AND "c"))"},
      {"a NOT (NOT b)", R"("a" AND "b")"},
      {"a NOT (NOT b NOT c)", R"("a" AND ("b" OR "c"))"},
      {"NOT (NOT a OR NOT b)", R"("a" AND "b")"},
      {"NOT a", "all others"},
      {"NOT a NOT b", "all others"},
      {"a OR NOT b", "all others"},
      {"NOT (a b)", "all others"},
  });
}

TEST(TextQueryTest, FieldsOfTheIndexAreKnown) {
  ExpectMatches({
      {"title:red", R"("title":"red")"},
      {"title:red body:tree", R"("title":"red" AND "body":"tree")"},
      {"title:\"red apples\"", R"("title":"red apples")"},
      {"title:app*", R"("title":"app"*)"},
      {"-title:red tree", R"("tree" NOT "title":"red")"},
      {"title:(red OR green)", R"("title":"red" OR "title":"green")"},
      {"title:(red body:tree)", R"("title":"red" AND "body":"tree")"},
      {"title:a:b", R"("title":"a:b")"},
      {"title:-red", R"("title":"-red")"},
      // No such field, or nothing after it: text.
      {"tilte:red", R"("tilte:red")"},
      {"Title:red", R"("Title:red")"},
      {"rowid:1", R"("rowid:1")"},
      {"title: red", R"("title:" AND "red")"},
      {"title:", R"("title:")"},
      {":red", R"(":red")"},
      {"{title body}:red", R"("{title" AND "body}:red")"},
  });
}

TEST(TextQueryTest, WhatIsNotAnOperatorIsText) {
  ExpectMatches({
      {"src/a-b.cc", R"("src/a-b.cc")"},
      {"a - b", R"("a" AND "b")"},
      {"a-", R"("a-")"},
      {"--help", R"("--help")"},
      {"it's", R"("it's")"},
      {"NEAR(a b, 5)", R"("NEAR" AND "a" AND "b," AND "5")"},
      {"^a + b", R"("^a" AND "b")"},
      {"ANDROID ORACLE NOTE", R"("ANDROID" AND "ORACLE" AND "NOTE")"},
      {"f(x)", R"("f" AND "x")"},
      {"'; DROP TABLE x; --", R"("DROP" AND "TABLE" AND "x;")"},
  });
}

TEST(TextQueryTest, WhatIsIncompleteIsLeftOut) {
  ExpectMatches({
      {"", "nothing"},
      {"   ", "nothing"},
      {"?! ... ()", "nothing"},
      {"AND", "nothing"},
      {"NOT", "nothing"},
      {"\"", "nothing"},
      {"\"\"", "nothing"},
      {"-", "nothing"},
      {"*", "nothing"},
      {"a AND", R"("a")"},
      {"OR a", R"("a")"},
      {"a OR OR b", R"("a" OR "b")"},
      {"a AND OR b", R"("a" OR "b")"},
      {"a OR AND b", R"("a" OR "b")"},
      {"a NOT", R"("a")"},
      {"a NOT OR b", R"("a" OR "b")"},
      {"a NOT AND b", R"("a" AND "b")"},
      {"a NOT ()", R"("a")"},
      {"a NOT ... b", R"("a" AND "b")"},
      {"a ... b", R"("a" AND "b")"},
      {"a OR ...", R"("a")"},
      {"\"red apples", R"("red apples")"},
      {"red\" apples", R"("red" AND " apples")"},
      {"(a b", R"("a" AND "b")"},
      {"a b)", R"("a" AND "b")"},
      {") a ( b", R"("a" AND "b")"},
      {"(a OR b)) c", R"(("a" OR "b") AND "c")"},
      {"a ((", R"("a")"},
  });
}

TEST(TextQueryTest, WhiteSpaceOfAnyScriptAndBrokenBytesKeepWordsApart) {
  using absl::string_view;
  EXPECT_EQ(Match("red\u3000apples\u00a0tree"),
            R"("red" AND "apples" AND "tree")");
  EXPECT_EQ(Match(string_view("a\0b", 3)), R"("a" AND "b")");
  EXPECT_EQ(Match(string_view("\"a\0b\"", 5)), R"("a b")");
  EXPECT_EQ(Match("a\xff\xc3(b"), R"("a" AND "b")");
  EXPECT_EQ(Match("\xe2\x82"), "nothing");
  EXPECT_EQ(Match("日本 Straße"), R"("日本" AND "Straße")");
}

TEST(TextQueryTest, WordsBeyondTheMostAreLeftOut) {
  std::vector<std::string> words;
  // What is left out for other reasons does not count.
  std::string query = "... ";
  for (int i = 0; i < kMaxTextWords; ++i) {
    words.push_back(absl::StrCat("\"w", i, "\""));
    absl::StrAppend(&query, "w", i, " ");
  }
  const std::string all = absl::StrJoin(words, " AND ");
  EXPECT_EQ(Match(query), all);
  EXPECT_EQ(Match(query + "more"), all);
  EXPECT_EQ(Match(query + "NOT (more OR others)"), all);
}

TEST(TextQueryTest, ParenthesesBeyondTheMostAreLeftOut) {
  const auto nest = [](int depth, absl::string_view inside) {
    std::string query(inside);
    for (int i = 0; i < depth; ++i)
      query = absl::StrCat("a (b OR ", query, ")");
    return query;
  };
  const std::string deepest = Match(nest(kMaxTextDepth, "c d"));
  EXPECT_THAT(deepest, ::testing::HasSubstr(R"(("b" OR ("c" AND "d")))"));
  // The innermost pair does nothing, so OR binds less.
  EXPECT_EQ(Match(nest(kMaxTextDepth, "(c OR d) e")),
            Match(nest(kMaxTextDepth, "c OR d e")));
  EXPECT_EQ(Match(std::string(5000, '(') + "a" + std::string(5000, ')') + "b"),
            R"("a" AND "b")");
}

TEST(TextQueryTest, NoBytesOfWordsEndTheirQuotes) {
  for (const TextToken& token :
       ReadTextTokens("a\"b\"\"c\" d\"e title:\"f\"\"", kColumns)) {
    EXPECT_EQ(token.text.find('"'), std::string::npos) << token.text;
  }
}

}  // namespace
}  // namespace engram::storage
