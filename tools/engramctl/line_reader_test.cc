#include "tools/engramctl/line_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "libs/status/testing/status_matchers.h"

namespace engram::engramctl {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Every line; `bytes` becomes what was read in all.
std::vector<std::string> LinesOf(const std::string& text,
                                 int64_t* bytes = nullptr) {
  std::istringstream in(text);
  LineReader reader(in);
  std::vector<std::string> lines;
  while (true) {
    const auto more = reader.Next();
    EXPECT_OK(more);
    if (!more.ok() || !*more) break;
    lines.emplace_back(reader.line());
    EXPECT_EQ(reader.number(), lines.size());
  }
  if (bytes != nullptr) *bytes = reader.bytes();
  return lines;
}

TEST(LineReaderTest, ReadsLinesWithAndWithoutALastNewline) {
  EXPECT_THAT(LinesOf(""), IsEmpty());
  EXPECT_THAT(LinesOf("\n"), ElementsAre(""));
  EXPECT_THAT(LinesOf("a\nb\n"), ElementsAre("a", "b"));
  EXPECT_THAT(LinesOf("a\n\nb"), ElementsAre("a", "", "b"));
}

TEST(LineReaderTest, CountsEveryByteOnce) {
  for (const std::string text : {"", "a", "a\n", "a\n\nbcd", "\n\n"}) {
    int64_t bytes = -1;
    LinesOf(text, &bytes);
    EXPECT_EQ(bytes, text.size()) << text;
  }
}

TEST(LineReaderTest, ReadsLinesLongerThanItsBuffer) {
  std::string text;
  std::vector<std::string> lines;
  for (const size_t size : {0, 1, 300'000, 5, 1'000'000, 262'144, 262'143}) {
    lines.push_back(std::string(size, 'x'));
    text += lines.back() + "\n";
  }
  int64_t bytes = 0;
  EXPECT_EQ(LinesOf(text, &bytes), lines);
  EXPECT_EQ(bytes, text.size());
}

TEST(LineReaderTest, SkipsAByteOrderMark) {
  EXPECT_THAT(LinesOf("\xef\xbb\xbf{}\n\xef\xbb\xbf"),
              ElementsAre("{}", "\xef\xbb\xbf"));
}

TEST(LineReaderTest, RefusesALineThatIsTooLong) {
  std::istringstream in("a\n" +
                        std::string(LineReader::kMaxLineBytes * 2, 'x'));
  LineReader reader(in);
  ASSERT_OK(reader.Next());
  EXPECT_THAT(reader.Next(),
              StatusIs(absl::StatusCode::kInvalidArgument, "is longer than"));
  EXPECT_EQ(reader.number(), 2);
}

}  // namespace
}  // namespace engram::engramctl
