#include "libs/sqlite/fts5_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::sqlite {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Fts5TokenizerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened =
        Connection::Open(directory_.File("test.db"), Access::kReadWrite);
    ASSERT_OK(opened);
    connection_ = *std::move(opened);
  }

  std::vector<std::string> Words(absl::string_view name,
                                 absl::string_view text) {
    auto tokenizer = Fts5Tokenizer::Create(*connection_, name);
    EXPECT_OK(tokenizer);
    auto words = tokenizer->QueryWords(text);
    EXPECT_OK(words);
    EXPECT_EQ(*tokenizer->DocumentWords(text), *words);
    EXPECT_EQ(*tokenizer->HasQueryWords(text), !words->empty());
    return *words;
  }

  engram::testing::TempDirectory directory_;
  std::unique_ptr<Connection> connection_;
};

TEST_F(Fts5TokenizerTest, ReadsWordsAsTheIndexDoes) {
  EXPECT_THAT(Words("unicode61", "Naïve a-b.c 日本 x_y"),
              ElementsAre("naive", "a", "b", "c", "日本", "x", "y"));
  EXPECT_THAT(Words("porter unicode61", "running Runners"),
              ElementsAre("run", "runner"));
  EXPECT_THAT(Words("trigram", "Abcd"), ElementsAre("abc", "bcd"));
}

TEST_F(Fts5TokenizerTest, WhatHoldsNoWordGivesNone) {
  EXPECT_THAT(Words("unicode61", ""), IsEmpty());
  EXPECT_THAT(Words("porter unicode61", "?! -- \"^*"), IsEmpty());
  EXPECT_THAT(Words("trigram", "ab"), IsEmpty());
}

TEST_F(Fts5TokenizerTest, AnUnknownTokenizerIsNotFound) {
  EXPECT_THAT(Fts5Tokenizer::Create(*connection_, "nonesuch"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(Fts5TokenizerTest, CanBeMoved) {
  auto first = Fts5Tokenizer::Create(*connection_, "unicode61");
  ASSERT_OK(first);
  Fts5Tokenizer second = *std::move(first);
  EXPECT_THAT(*second.QueryWords("a b"), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace engram::sqlite
