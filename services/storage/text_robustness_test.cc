// No text that anybody sends may fail, whatever of FTS5's own language it
// holds; and what is found is what the query says.

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/text_corpus.h"

namespace engram::storage {
namespace {

// Pieces of queries: words of the corpus, our operators, and FTS5's.
constexpr const char* kPieces[] = {
    "red",        "apples",
    "green",      "tree",
    "naïve",      "cafe",
    "running",    "runs",
    "日本",       "本",
    "a",          "b",
    "c",          "or",
    "and",        "not",
    "near",       "only",
    "body",       "title",
    "ap",         "appl",
    "src/a-b.cc", "a_b@c.d",
    "3.14",       "x:y",
    "it's",       "NOT",
    "AND",        "OR",
    "NOT ",       " AND ",
    " OR ",       " NOT ",
    "-",          "--",
    "(",          ")",
    "((",         "))",
    "\"",         "\"\"",
    "*",          "**",
    " * ",        "^",
    "+",          ":",
    "title:",     "body:",
    "title :",    "{title body}:",
    "- {title}:", "rowid:",
    "rank:",      "unicode61:",
    "_text_1:",   "NEAR",
    "NEAR(",      "NEAR/3",
    ", 5)",       "'",
    "''",         ";",
    "--x",        "/*",
    "*/",         "%",
    "_",          "\\",
    "?",          "?1",
    "@",          "$",
    "~",          "[",
    "]",          "{",
    "}",          "<",
    ">",          "\t",
    "\n",         "\r",
    "\u00a0",     "\u3000",
    "\u200b",     "🍎",
    "\xff",       "\xc3",
    "\xe2\x82",   "*reads",
    "*id",        "rank MATCH 'x'",
    "bm25(",
};

class TextRobustnessTest : public ::testing::Test {
 protected:
  std::string Piece() {
    const auto at = random_() % (std::size(kPieces) + 4);
    if (at < std::size(kPieces)) return kPieces[at];
    if (at == std::size(kPieces)) return std::string(1, '\0');
    if (at == std::size(kPieces) + 1) {
      return std::string(1, static_cast<char>(random_() % 256));
    }
    return " ";
  }

  // Some pieces, now and then many.
  std::string Query() {
    std::string query;
    const auto count = random_() % 100 == 0 ? random_() % 500 : random_() % 12;
    for (size_t i = 0; i < count; ++i) {
      query += Piece();
      if (random_() % 2 == 0) query += ' ';
    }
    return query;
  }

  testing::TextCorpus corpus_;
  // The same queries in each run.
  std::mt19937 random_{42};
};

TEST_F(TextRobustnessTest, NoQueryFailsAndEachFindsWhatItSays) {
  for (int i = 0; i < 2500; ++i) {
    const std::string query = Query();
    ASSERT_OK(corpus_.Check(query)) << i;
  }
}

TEST_F(TextRobustnessTest, TheDeepestAndLongestQueriesSucceed) {
  for (const std::string piece :
       {"(", "red (", "red NOT (", "a OR b (", "-(", "title:(", "NOT ", "\"",
        "red OR ", "red -", "a-", "\"a b\" ", "red* ", ") ", "red AND (NOT (",
        "a OR (b -(c "}) {
    std::string query;
    while (query.size() + piece.size() < 8 << 10) query += piece;
    EXPECT_OK(corpus_.Check(query)) << piece;
    EXPECT_OK(corpus_.Check(query + "apples")) << piece;
    query.resize((8 << 10) + 1, 'x');
    EXPECT_OK(corpus_.Check(query)) << piece;
  }
}

}  // namespace
}  // namespace engram::storage
