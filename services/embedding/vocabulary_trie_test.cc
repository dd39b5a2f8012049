#include "services/embedding/vocabulary_trie.h"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>
#include <vector>

namespace engram::embedding {
namespace {

std::vector<absl::string_view> Views(const std::vector<std::string>& tokens) {
  return {tokens.begin(), tokens.end()};
}

TEST(VocabularyTrieTest, FindsTheLongestPrefix) {
  const VocabularyTrie trie({"a", "able", "about", "b", "##le", "##l"});

  const auto about = trie.LongestPrefix(trie.root(), "aboutface");
  EXPECT_EQ(about.token, 2);
  EXPECT_EQ(about.bytes, 5);
  // "abo" leads on, but no token ends there.
  const auto a = trie.LongestPrefix(trie.root(), "abode");
  EXPECT_EQ(a.token, 0);
  EXPECT_EQ(a.bytes, 1);
  EXPECT_LT(trie.LongestPrefix(trie.root(), "zebra").token, 0);
  EXPECT_LT(trie.LongestPrefix(trie.root(), "").token, 0);
}

TEST(VocabularyTrieTest, GoesOnFromAPlaceInside) {
  const VocabularyTrie trie({"le", "##le", "##l"});

  const auto match = trie.LongestPrefix(trie.Walk("##"), "lex");
  EXPECT_EQ(match.token, 1);
  EXPECT_EQ(match.bytes, 2);
}

TEST(VocabularyTrieTest, NothingFollowsNowhere) {
  const VocabularyTrie trie({"a", "b"});

  EXPECT_EQ(trie.Walk("##"), VocabularyTrie::kNowhere);
  EXPECT_EQ(trie.Walk("ax"), VocabularyTrie::kNowhere);
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    EXPECT_LT(trie.LongestPrefix(VocabularyTrie::kNowhere, text).token, 0);
  }
}

TEST(VocabularyTrieTest, AgreesWithASetOfRandomTokens) {
  std::mt19937 random(1);
  const auto random_text = [&](int most) {
    std::string text(1 + random() % most, '\0');
    // Few values, so that prefixes are shared, and those at both ends.
    for (char& byte : text) byte = "\x00\x01xyz\xfe\xff"[random() % 7];
    return text;
  };
  std::set<std::string> distinct;
  while (distinct.size() < 2000) distinct.insert(random_text(6));
  const std::vector<std::string> tokens(distinct.begin(), distinct.end());
  const VocabularyTrie trie(Views(tokens));

  for (int i = 0; i < 10'000; ++i) {
    const std::string text = random_text(10);
    size_t longest = text.size();
    while (longest > 0 && !distinct.contains(text.substr(0, longest)))
      --longest;
    const auto match = trie.LongestPrefix(trie.root(), text);
    ASSERT_EQ(match.bytes, longest);
    if (longest > 0) {
      EXPECT_EQ(tokens[match.token], text.substr(0, longest));
    }
  }
}

}  // namespace
}  // namespace engram::embedding
