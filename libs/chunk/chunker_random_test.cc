// Random texts: what SplitText promises holds for all of them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/chunk/chunker.h"
#include "libs/chunk/testing/chunk_checks.h"

namespace engram::chunk {
namespace {

using ::testing::Le;

constexpr Method kMethods[] = {Method::kTokens, Method::kParagraphs,
                               Method::kMarkdown, Method::kCode};

class RandomText {
 public:
  explicit RandomText(unsigned seed) : random_(seed) {}

  int Below(int bound) { return static_cast<int>(random_() % bound); }

  // Of whatever texts are made of, with structure at random.
  std::string Anything() {
    static constexpr const char* kParts[] = {
        " ",
        "\n",
        "\n\n",
        "word",
        "longer-word",
        ".",
        "!",
        "# ",
        "## ",
        "```\n",
        "~~~\n",
        "---\n",
        "===\n",
        "{",
        "}",
        "  ",
        "\t",
        "ü",
        "日本",
        "。",
        "😀",
        "\r\n",
        "\xa0",
        "\xe3\x80",
        "'{'",
        "else:",
        ")",
        "\"",
        "\x01",
        "\u00a0",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    std::string text;
    for (int parts = Below(400); parts >= 0; --parts) {
      const std::string part = kParts[Below(std::size(kParts))];
      for (int times = Below(20) == 0 ? Below(300) : 1; times > 0; --times) {
        text += part;
      }
    }
    return text.empty() ? "x" : text;
  }

  std::string Paragraph() {
    std::vector<std::string> words;
    for (int i = 8 + Below(120); i > 0; --i) {
      words.push_back(absl::StrCat("w", Below(5000), i % 12 == 0 ? "." : ""));
    }
    return absl::StrJoin(words, " ");
  }

 private:
  std::mt19937 random_;
};

TEST(ChunkerRandomTest, EveryTextIsCutAsPromised) {
  RandomText random(1);
  for (int round = 0; round < 500; ++round) {
    const std::string text = random.Anything();
    Options options{.method = kMethods[random.Below(4)],
                    .size = kMinSize + random.Below(80)};
    if (options.method == Method::kTokens) {
      options.overlap = random.Below(options.size / 2 + 1);
    }
    options.headings = options.method == Method::kMarkdown;
    const int max_chunks = random.Below(3) == 0 ? 1 + random.Below(9) : 4096;
    ASSERT_EQ(testing::FindSplitProblem(text, options, max_chunks), "")
        << "round " << round << ", method " << static_cast<int>(options.method)
        << ", size " << options.size << ", overlap " << options.overlap
        << ", at most " << max_chunks << ":\n"
        << text;
  }
}

// What is embedded of the text.
std::multiset<std::string> TextsOf(const std::string& text, Method method) {
  std::multiset<std::string> texts;
  for (const Chunk& chunk : SplitText(text, {.method = method, .size = 128},
                                      EstimateTokens, kMaxChunks)) {
    texts.insert(chunk.TextIn(text));
  }
  return texts;
}

// How many of `now` were not among `before`.
int CountNew(const std::multiset<std::string>& before,
             const std::multiset<std::string>& now) {
  std::vector<std::string> added;
  std::set_difference(now.begin(), now.end(), before.begin(), before.end(),
                      std::back_inserter(added));
  return static_cast<int>(added.size());
}

TEST(ChunkerRandomTest, AChangedParagraphChangesFewChunks) {
  RandomText random(2);
  for (const Method method : kMethods) {
    int changed = 0, all = 0;
    for (int round = 0; round < 15; ++round) {
      std::vector<std::string> paragraphs;
      for (int i = 0; i < 60; ++i) paragraphs.push_back(random.Paragraph());
      const auto before = TextsOf(absl::StrJoin(paragraphs, "\n\n"), method);
      paragraphs[random.Below(60)] = random.Paragraph();
      const auto now = TextsOf(absl::StrJoin(paragraphs, "\n\n"), method);
      if (method == Method::kParagraphs) {
        // A new one has three parts at most, and may take the small ones before
        // and behind it along.
        ASSERT_THAT(CountNew(before, now), Le(5));
      }
      changed += CountNew(before, now);
      all += static_cast<int>(now.size());
    }
    EXPECT_LT(changed, all / 10) << "method " << static_cast<int>(method);
  }
}

}  // namespace
}  // namespace engram::chunk
