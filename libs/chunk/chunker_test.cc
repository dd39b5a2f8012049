#include "libs/chunk/chunker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace engram::chunk {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

// Every word of a few letters is one token, so that sizes are easy to count.
std::vector<std::string> Cut(const std::string& text, const Options& options,
                             int max_chunks = kMaxChunks) {
  std::vector<std::string> texts;
  for (const Chunk& chunk :
       SplitText(text, options, EstimateTokens, max_chunks)) {
    texts.push_back(text.substr(chunk.begin, chunk.end - chunk.begin));
  }
  return texts;
}

std::vector<std::string> Headings(const std::string& text,
                                  const Options& options) {
  std::vector<std::string> headings;
  for (const Chunk& chunk :
       SplitText(text, options, EstimateTokens, kMaxChunks)) {
    headings.push_back(chunk.headings);
  }
  return headings;
}

// `count` words, such as "a1 a2 a3"; each has a token.
std::string Words(const std::string& stem, int count) {
  std::vector<std::string> words;
  for (int i = 1; i <= count; ++i) words.push_back(absl::StrCat(stem, i));
  return absl::StrJoin(words, " ");
}

Options Tokens(int size, int overlap = 0) {
  return {.method = Method::kTokens, .size = size, .overlap = overlap};
}
Options Markdown(int size) {
  return {.method = Method::kMarkdown, .size = size, .headings = true};
}
Options Paragraphs(int size) {
  return {.method = Method::kParagraphs, .size = size};
}
Options Code(int size) { return {.method = Method::kCode, .size = size}; }

TEST(ChunkerTest, NoneLeavesTheTextWhole) {
  EXPECT_THAT(SplitText(" a\n", {}, EstimateTokens, kMaxChunks),
              ElementsAre(Chunk{.begin = 0, .end = 3}));
}

TEST(ChunkerTest, TokensAreCutBetweenWordsAndTrimmed) {
  EXPECT_THAT(Cut("  " + Words("a", 20) + "\n", Tokens(16)),
              ElementsAre(Words("a", 16), "a17 a18 a19 a20"));
}

TEST(ChunkerTest, TokensAreCutAtTheBestPlaceOfTheSecondHalf) {
  EXPECT_THAT(Cut(Words("a", 9) + ". " + Words("b", 12), Tokens(16)),
              ElementsAre(Words("a", 9) + ".", Words("b", 12)));
  // A line's end is better than a sentence's, an empty line better than both.
  EXPECT_THAT(Cut(Words("a", 9) + "\nb. c. d " + Words("e", 9), Tokens(16)),
              ElementsAre(Words("a", 9), "b. c. d " + Words("e", 9)));
  EXPECT_THAT(Cut(Words("a", 9) + "\n\nb\nc d " + Words("e", 9), Tokens(16)),
              ElementsAre(Words("a", 9), "b\nc d " + Words("e", 9)));
  // It comes too early here.
  EXPECT_THAT(
      Cut("a.\n\n" + Words("b", 20), Tokens(16)),
      ElementsAre("a.\n\n" + Words("b", 14), "b15 b16 b17 b18 b19 b20"));
}

TEST(ChunkerTest, TokensOverlapByWholeWords) {
  EXPECT_THAT(Cut(Words("a", 24), Tokens(16, 3)),
              ElementsAre(Words("a", 16),
                          "a14 a15 a16 a17 a18 a19 a20 a21 a22 a23 a24"));
}

TEST(ChunkerTest, ALongWordIsCutBetweenCharacters) {
  std::string word;
  for (int i = 0; i < 100; ++i) word += "ü";
  const std::vector<std::string> cut = Cut(word, Tokens(16));
  EXPECT_EQ(absl::StrJoin(cut, ""), word);
  EXPECT_GT(cut.size(), 1);
  for (const std::string& part : cut) EXPECT_EQ(part.size() % 2, 0);
}

TEST(ChunkerTest, IdeographsAreCutAfterSentences) {
  EXPECT_THAT(Cut("東京都東京都東京都東。京都東京都東京都東京都", Tokens(16)),
              ElementsAre("東京都東京都東京都東。", "京都東京都東京都東京都"));
}

TEST(ChunkerTest, ParagraphsAreChunksAndSmallOnesJoinTheNext) {
  EXPECT_THAT(
      Cut("Title\n\n" + Words("a", 20) + "\n\n" + Words("b", 9) + "\n\n\n" +
              Words("c", 8),
          Paragraphs(32)),
      ElementsAre("Title\n\n" + Words("a", 20), Words("b", 9), Words("c", 8)));
}

TEST(ChunkerTest, ALongParagraphIsCutByTokens) {
  EXPECT_THAT(Cut(Words("a", 20) + "\n\n" + Words("b", 8), Paragraphs(16)),
              ElementsAre(Words("a", 16), "a17 a18 a19 a20", Words("b", 8)));
}

TEST(ChunkerTest, ATextOfBlanksIsOneChunk) {
  EXPECT_THAT(Cut(" \n\u00a0", Paragraphs(16)), ElementsAre(" \n\u00a0"));
}

TEST(ChunkerTest, MoreChunksThanAllowedAreWidened) {
  std::string text;
  for (int i = 0; i < 100; ++i) absl::StrAppend(&text, "# H\n\nb c\n\n");
  EXPECT_THAT(Cut(text, Markdown(16)), SizeIs(100));
  const std::vector<std::string> cut = Cut(text, Markdown(16), 10);
  EXPECT_LE(cut.size(), 10);
  EXPECT_GT(cut.size(), 4);
  EXPECT_THAT(Cut(Words("a", 1000), Tokens(16), 1), SizeIs(1));
}

constexpr char kManual[] = R"(Preface.

# Engram

## Install

Run apt.

### Debian

```sh
# No heading
apt install engram

engramd
```

Under it
--------

Last words.
)";

TEST(ChunkerTest, MarkdownIsCutIntoSections) {
  EXPECT_THAT(Cut(kManual, Markdown(64)),
              ElementsAre("Preface.", "# Engram\n\n## Install\n\nRun apt.",
                          "### Debian\n\n```sh\n# No heading\napt install "
                          "engram\n\nengramd\n```",
                          "Under it\n--------\n\nLast words."));
}

TEST(ChunkerTest, HeadingsOfAChunkAreThoseAboveIt) {
  EXPECT_THAT(Headings(kManual, Markdown(64)),
              ElementsAre("", "", "Engram > Install\n", "Engram\n"));
}

TEST(ChunkerTest, AChunkIsEmbeddedAfterItsHeadings) {
  const Chunk chunk = {.begin = 2, .end = 4, .headings = "A > B\n"};
  EXPECT_EQ(chunk.TextIn("0123456"), "A > B\n23");
}

TEST(ChunkerTest, OfDeepHeadingsTheOuterOnesAreLeftOut) {
  // Room for four tokens.
  EXPECT_THAT(
      Headings("# Engram\n\na\n\n## Install it\n\nb\n\n### Debian\n\nc\n",
               Markdown(16)),
      ElementsAre("", "Engram\n", "Install it\n"));
}

TEST(ChunkerTest, ALargeSectionIsCutBetweenItsBlocks) {
  const std::string code = "```\n" + Words("c", 12) + "\n\nd\n```";
  EXPECT_THAT(
      Cut("# T\n\n" + Words("a", 9) + "\n\n" + code + "\n\nz\n", Markdown(24)),
      ElementsAre("# T\n\n" + Words("a", 9), code, "z"));
}

TEST(ChunkerTest, FrontMatterAndIndentedCodeHoldNoHeadings) {
  EXPECT_THAT(Headings("---\ntitle: x\n---\n\n# A\n\n    # code\n\n## B\n\nb",
                       Markdown(64)),
              ElementsAre("", "", "A\n"));
  EXPECT_THAT(Cut("#no heading\n\n# Yes ##\n", Markdown(64)), SizeIs(2));
}

constexpr char kPython[] = R"(import os
import sys


# Says hello.
def hello(name):
    print("hello", name)

    return name


class Greeter:
    """Greets."""

    def greet(self):
        if self.loud:
            return hello("YOU")
        else:
            return hello("you")

    def leave(self):
        return None
)";

TEST(ChunkerTest, CodeIsCutByIndentation) {
  EXPECT_THAT(
      Cut(kPython, Code(32)),
      ElementsAre(
          // A few lines of imports are too little for a chunk of their own.
          ::testing::AllOf(StartsWith("import os"), HasSubstr("# Says hello."),
                           EndsWith("return name")),
          EndsWith("Greets.\"\"\""),
          ::testing::AllOf(StartsWith("    def greet"),
                           EndsWith("hello(\"you\")")),
          "    def leave(self):\n        return None"));
}

constexpr char kCpp[] = R"(namespace a {

int f(int x) {
  if (x > '{') {
    return 1;
  } else {
    return 2;
  }
}

// Explains g.
int g() {
  return 3 + 4 + 5 + 6;
}

}  // namespace a
)";

TEST(ChunkerTest, CodeIsCutByBraces) {
  EXPECT_THAT(Cut(kCpp, Code(40)),
              ElementsAre(::testing::AllOf(StartsWith("namespace a {\n\nint f"),
                                           EndsWith("return 2;\n  }\n}")),
                          StartsWith("// Explains g.\nint g() {")));
}

TEST(ChunkerTest, CodeWithoutIndentationIsCutByBracesToo) {
  std::string flat;
  for (const char name : {'f', 'g'}) {
    absl::StrAppend(&flat, "void ", std::string(1, name),
                    "() {\na(1);\n\nb(2);\n\nc(3);\n}\n");
  }
  EXPECT_THAT(Cut(flat, Code(32)),
              ElementsAre(StartsWith("void f"), StartsWith("void g")));
}

}  // namespace
}  // namespace engram::chunk
