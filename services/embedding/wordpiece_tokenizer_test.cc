#include "services/embedding/wordpiece_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "services/embedding/testing/model_fixtures.h"

namespace engram::embedding {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<absl::string_view> kVocabulary = {
    "[UNK]", "un", "##aff", "##able", "cafe", "a", "##a", "-",
    "[",     "]",  "中",    "文",     "i",    "σ", ";",   "##が"};

// Tokens by their text, which reads better than ids.
std::vector<std::string> Tokens(absl::string_view text, size_t max_tokens = 0) {
  static const auto* const tokenizer =
      new WordPieceTokenizer(kVocabulary, /*unknown=*/0,
                             /*max_word_characters=*/10);
  std::vector<int32_t> ids = {7, 7};  // What was there before is replaced.
  tokenizer->Tokenize(text, max_tokens, ids);
  std::vector<std::string> tokens;
  for (const int32_t id : ids) tokens.emplace_back(kVocabulary[id]);
  return tokens;
}

TEST(WordPieceTokenizerTest, CutsAWordIntoItsLongestPieces) {
  EXPECT_THAT(Tokens("unaffable"), ElementsAre("un", "##aff", "##able"));
}

TEST(WordPieceTokenizerTest, AWordWithAnUnknownPieceIsUnknownAsAWhole) {
  EXPECT_THAT(Tokens("a unaffzable a"), ElementsAre("a", "[UNK]", "a"));
}

TEST(WordPieceTokenizerTest, AWordOfTooManyCharactersIsUnknown) {
  EXPECT_THAT(Tokens(std::string(10, 'a')), ::testing::SizeIs(10));
  EXPECT_THAT(Tokens(std::string(11, 'a')), ElementsAre("[UNK]"));
  EXPECT_THAT(Tokens(std::string(100'000, 'a') + " a"),
              ElementsAre("[UNK]", "a"));
}

TEST(WordPieceTokenizerTest, PunctuationIsAWordOfItsOwn) {
  EXPECT_THAT(Tokens("a-[a]"), ElementsAre("a", "-", "[", "a", "]"));
  // The Greek question mark decomposes into a semicolon.
  EXPECT_THAT(Tokens("a\u037Ea"), ElementsAre("a", ";", "a"));
}

TEST(WordPieceTokenizerTest, SpecialTokensAreNeverReadFromText) {
  EXPECT_THAT(Tokens("[UNK]"), ElementsAre("[", "[UNK]", "]"));
}

TEST(WordPieceTokenizerTest, CaseAndAccentsVanish) {
  EXPECT_THAT(Tokens("CAFÉ cafe\u0301 Σ İ"),
              ElementsAre("cafe", "cafe", "σ", "i"));
}

TEST(WordPieceTokenizerTest, ChineseCharactersStandAlone) {
  EXPECT_THAT(Tokens("a中文a"), ElementsAre("a", "中", "文", "a"));
}

TEST(WordPieceTokenizerTest, ControlCharactersJoinWhatTheyStandBetween) {
  EXPECT_THAT(Tokens("ca\x01\u200B"
                     "f\u00ADe"),
              ElementsAre("cafe"));
  EXPECT_THAT(Tokens("a\u00A0a\ta\u3000a"), ElementsAre("a", "a", "a", "a"));
}

TEST(WordPieceTokenizerTest, AnAccentIsFoundAcrossAControlCharacter) {
  // The voiced kana decomposes; its mark is removed, control character or not.
  EXPECT_THAT(Tokens("aか\x01\u3099"), Tokens("aか"));
}

TEST(WordPieceTokenizerTest, BytesThatAreNotUtf8AreSkipped) {
  EXPECT_THAT(Tokens("ca\xff"
                     "fe \xe4\xb8 a\xed\xa0\x80 \xe4"),
              ElementsAre("cafe", "a"));
}

TEST(WordPieceTokenizerTest, TextWithoutWordsHasNoTokens) {
  EXPECT_THAT(Tokens(""), IsEmpty());
  EXPECT_THAT(Tokens(" \t\r\n\u2003\u200B\uFFFD"), IsEmpty());
  EXPECT_THAT(Tokens(absl::string_view("\0", 1)), IsEmpty());
}

TEST(WordPieceTokenizerTest, StopsAtTheMostTokensWanted) {
  EXPECT_THAT(Tokens("a a a", 2), ElementsAre("a", "a"));
  EXPECT_THAT(Tokens("a unaffable", 2), ElementsAre("a", "un"));
  EXPECT_THAT(Tokens("a a", 2), ElementsAre("a", "a"));
}

TEST(WordPieceTokenizerTest, AgreesWithTheReferenceTokenForToken) {
  const auto model = testing::OpenShippedModel();
  const auto fixture = testing::ReadWordPieceFixture();
  ASSERT_EQ(fixture.size(), 2000);
  std::vector<int32_t> ids;
  for (const auto& [text, expected] : fixture) {
    model->tokenizer().Tokenize(text, 0, ids);
    EXPECT_EQ(ids, expected) << text;
  }
}

}  // namespace
}  // namespace engram::embedding
