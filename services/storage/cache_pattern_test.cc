#include "services/storage/cache_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/collections.h"

namespace engram::storage {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

v1::KeyPattern Glob(const std::string& text) {
  v1::KeyPattern pattern;
  pattern.set_glob(text);
  return pattern;
}

v1::KeyPattern Regex(const std::string& text) {
  v1::KeyPattern pattern;
  pattern.set_regex(text);
  return pattern;
}

bool Matches(const v1::KeyPattern& pattern, const std::string& key) {
  FieldViolations violations;
  const CachePattern compiled =
      CachePattern::Make(pattern, "pattern", violations);
  EXPECT_OK(violations.ToStatus());
  const bool matches = compiled.Matches(key);
  // The range that scans keep to leaves out nothing that matches.
  if (matches) {
    EXPECT_LE(compiled.first(), key);
    if (!compiled.last().empty()) {
      EXPECT_GE(compiled.last(), key);
    }
  }
  return matches;
}

std::vector<std::pair<std::string, std::string>> Problems(
    const v1::KeyPattern& pattern) {
  FieldViolations violations;
  CachePattern::Make(pattern, "pattern", violations);
  return testing::ViolationsOf(violations.ToStatus());
}

struct GlobCase {
  std::string glob;
  std::string key;
  bool matches = false;
};

class GlobTest : public ::testing::TestWithParam<GlobCase> {};

TEST_P(GlobTest, Matches) {
  EXPECT_EQ(Matches(Glob(GetParam().glob), GetParam().key), GetParam().matches)
      << GetParam().glob << " on " << GetParam().key;
}

INSTANTIATE_TEST_SUITE_P(
    All, GlobTest,
    ::testing::Values(
        GlobCase{"api", "api", true}, GlobCase{"api", "apis", false},
        GlobCase{"api", "an api", false}, GlobCase{"API", "api", false},
        // Any text, none too, and as often as wanted.
        GlobCase{"*", "a", true}, GlobCase{"api:*", "api:", true},
        GlobCase{"api:*", "api:a:b", true}, GlobCase{"api:*", "API:a", false},
        GlobCase{"*:b", "a:b", true}, GlobCase{"a**b", "ab", true},
        GlobCase{"a*b*c", "a-c-b-c", true}, GlobCase{"a*b*c", "acb", false},
        // One character, of however many bytes.
        GlobCase{"a?c", "abc", true}, GlobCase{"a?c", "ac", false},
        GlobCase{"a?c", "aéc", true}, GlobCase{"a?c", "a日c", true},
        GlobCase{"a?c", "a😀c", true}, GlobCase{"a??c", "aéc", false},
        // Sets.
        GlobCase{"[abc]", "b", true}, GlobCase{"[abc]", "d", false},
        GlobCase{"[a-c]x", "bx", true}, GlobCase{"[a-c]x", "-x", false},
        GlobCase{"[!a-c]x", "dx", true}, GlobCase{"[!a-c]x", "bx", false},
        GlobCase{"[!a-c]x", "x", false}, GlobCase{"[a-]", "-", true},
        GlobCase{"[-a]", "-", true}, GlobCase{"[a-c-e]", "-", true},
        GlobCase{"[a-c-e]", "d", false}, GlobCase{"[à-ü]", "é", true},
        GlobCase{"[à-ü]", "z", false}, GlobCase{"[!日]", "本", true},
        GlobCase{"[\\]]", "]", true}, GlobCase{"[a\\-c]", "b", false},
        GlobCase{"[a\\-c]", "-", true}, GlobCase{"[\\!a]", "!", true},
        GlobCase{"[*?]", "*", true}, GlobCase{"[*?]", "x", false},
        GlobCase{"[a^]", "^", true}, GlobCase{"[^a]", "^", true},
        GlobCase{"[^a]", "b", false}, GlobCase{"[[:alpha:]]", "q", false},
        // A backslash takes the next character as it is.
        GlobCase{"\\*", "*", true}, GlobCase{"\\*", "a", false},
        GlobCase{"a\\?", "a?", true}, GlobCase{"\\[a]", "[a]", true},
        GlobCase{"\\\\", "\\", true}, GlobCase{"\\a", "a", true},
        GlobCase{"\\é*", "éa", true},
        // What an expression would take otherwise.
        GlobCase{"a.c", "abc", false}, GlobCase{"a.c", "a.c", true},
        GlobCase{"(a|b)+$", "(a|b)+$", true}, GlobCase{"a{2}", "aa", false},
        GlobCase{"]", "]", true}, GlobCase{"^a", "^a", true}));

TEST(CachePatternTest, ARegexMayMatchAnyPart) {
  EXPECT_TRUE(Matches(Regex("p[ir]"), "api:1"));
  EXPECT_FALSE(Matches(Regex("^p"), "api:1"));
  EXPECT_TRUE(Matches(Regex("(?i)API"), "api:1"));
  EXPECT_TRUE(Matches(Regex("^\\p{L}+$"), "élan"));
  EXPECT_TRUE(Matches(Regex("^b|^a"), "a"));
}

TEST(CachePatternTest, WithoutOneAnyKeyDoes) {
  EXPECT_TRUE(CachePattern().Matches("a"));
  EXPECT_TRUE(CachePattern().first().empty());
}

TEST(CachePatternTest, AGlobsBeginningNarrowsTheScan) {
  FieldViolations violations;
  const CachePattern pattern =
      CachePattern::Make(Glob("api:*"), "pattern", violations);
  EXPECT_GT(pattern.first(), "aph");
  EXPECT_LE(pattern.first(), "api:");
  EXPECT_LT(pattern.last(), "apj");
  EXPECT_FALSE(pattern.last().empty());
  // A regex's own beginning says nothing about the key's.
  const CachePattern regex =
      CachePattern::Make(Regex("api:"), "pattern", violations);
  EXPECT_THAT(regex.first(), IsEmpty());
  EXPECT_THAT(regex.last(), IsEmpty());
}

TEST(CachePatternTest, SaysWhatIsWrong) {
  EXPECT_THAT(
      Problems(v1::KeyPattern()),
      ElementsAre(Pair("pattern", HasSubstr("give a glob or a regex"))));
  EXPECT_THAT(Problems(Glob("")),
              ElementsAre(Pair("pattern.glob", HasSubstr("* for all keys"))));
  EXPECT_THAT(Problems(Glob("a[b")),
              ElementsAre(Pair("pattern.glob", HasSubstr("without its ]"))));
  EXPECT_THAT(Problems(Glob("[]")),
              ElementsAre(Pair("pattern.glob", HasSubstr("empty set"))));
  EXPECT_THAT(Problems(Glob("[!]")),
              ElementsAre(Pair("pattern.glob", HasSubstr("empty set"))));
  EXPECT_THAT(Problems(Glob("[c-a]")),
              ElementsAre(Pair("pattern.glob", HasSubstr("c-a"))));
  EXPECT_THAT(Problems(Glob("a\\")),
              ElementsAre(Pair("pattern.glob", HasSubstr("backslash"))));
  EXPECT_THAT(Problems(Glob("[a\\")),
              ElementsAre(Pair("pattern.glob", HasSubstr("backslash"))));
  EXPECT_THAT(
      Problems(Regex("a(b")),
      ElementsAre(Pair("pattern.regex", "is no RE2 pattern: missing ): a(b")));
  EXPECT_THAT(Problems(Regex("(?=a)")),
              ElementsAre(Pair("pattern.regex", HasSubstr("RE2 pattern"))));
  EXPECT_THAT(Problems(Regex(std::string(1025, 'a'))),
              ElementsAre(Pair("pattern.regex", HasSubstr("1025 bytes"))));
}

// It would take more memory than one request may have.
TEST(CachePatternTest, RefusesWhatIsTooLargeWhenCompiled) {
  EXPECT_THAT(Problems(Regex("((a{100}){100}){100}")),
              ElementsAre(Pair("pattern.regex", HasSubstr("RE2 pattern"))));
}

}  // namespace
}  // namespace engram::storage
