#include "tools/engramctl/table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"

namespace engram::engramctl {
namespace {

using ::testing::ElementsAre;
using Align = Table::Align;

TEST(TableTest, AlignsColumnsByWhatATerminalShows) {
  Table table({{"ID"}, {"SIZE", Align::kRight}, {"TEXT"}});
  table.AddRow({"a", "5", "plain"});
  table.AddRow({"世界", "1,000", "wide"});
  table.AddRow({"e\xcc\x81", "10", "an e with a combining accent"});
  EXPECT_EQ(table.Render(80),
            "ID     SIZE  TEXT\n"
            "a         5  plain\n"
            "世界  1,000  wide\n"
            "e\xcc\x81        10  an e with a combining accent\n");
}

TEST(TableTest, TheWidestColumnGivesWayFirst) {
  Table table({{"ID"}, {"N", Align::kRight}, {"TEXT"}});
  table.AddRow({"id-of-ten.", "123456789", std::string(100, 'x')});
  EXPECT_EQ(table.Render(40),
            "ID                  N  TEXT\n"
            "id-of-ten.  123456789  xxxxxxxxxxxxxxxx…\n");
  EXPECT_EQ(table.Render(30),
            "ID                N  TEXT\n"
            "id-of-t…  123456789  xxxxxxxx…\n");
}

TEST(TableTest, NoLineIsWiderThanTheTerminal) {
  Table table({{"A"}, {"B"}, {"C"}});
  table.AddRow({std::string(50, 'a'), "世世世世世世世世世世世世世世世", "c"});
  for (const int width : {25, 30, 31, 32, 47, 60, 200}) {
    const std::string text = table.Render(width);
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      EXPECT_LE(DisplayWidth(line), width) << line;
    }
  }
}

TEST(TableTest, ATerminalThatIsTooNarrowStillGetsAFewCellsOfEachColumn) {
  Table table({{"A"}, {"N", Align::kRight}});
  table.AddRow({std::string(50, 'a'), "12345"});
  EXPECT_EQ(table.Render(1),
            "A             N\n"
            "aaaaaaa…  12345\n");
}

TEST(TextTest, ValuesCannotCommandTheTerminal) {
  EXPECT_EQ(OneLine("a\x1b[31mred\x07"), "a\xef\xbf\xbd[31mred\xef\xbf\xbd");
  EXPECT_EQ(OneLine("\xe2\x80\xae"
                    "evil"),
            "\xef\xbf\xbd"
            "evil");
  EXPECT_EQ(OneLine("\xc2\x9b"
                    "31m"),
            "\xef\xbf\xbd"
            "31m");
  EXPECT_EQ(OneLine("bad \xff byte"), "bad \xef\xbf\xbd byte");
}

TEST(TextTest, LinesBecomeOne) {
  EXPECT_EQ(OneLine("  two\r\n\t lines \n"), "two lines");
  EXPECT_EQ(OneLine(""), "");
}

TEST(TextTest, CutsBetweenCharacters) {
  EXPECT_EQ(Fit("abc", 3), "abc");
  EXPECT_EQ(Fit("abcd", 3), "ab…");
  EXPECT_EQ(Fit("世界", 3), "世…");
  EXPECT_EQ(Fit("世界人", 4), "世…");
  EXPECT_EQ(Fit("e\xcc\x81"
                "e\xcc\x81"
                "e\xcc\x81",
                2),
            "e\xcc\x81…");
  EXPECT_EQ(Fit("abc", 0), "");
}

TEST(TextTest, WrapsBetweenWords) {
  EXPECT_THAT(Wrap("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(Wrap("one two three", 8), ElementsAre("one two", "three"));
  EXPECT_THAT(Wrap("abcdefghij kl", 4),
              ElementsAre("abcd", "efgh", "ij", "kl"));
  EXPECT_THAT(Wrap("世界人", 2), ElementsAre("世", "界", "人"));
  EXPECT_THAT(Wrap("", 10), ElementsAre(""));
}

TEST(TextTest, NumbersForPeople) {
  EXPECT_EQ(WithCommas(0), "0");
  EXPECT_EQ(WithCommas(999), "999");
  EXPECT_EQ(WithCommas(1000), "1,000");
  EXPECT_EQ(WithCommas(-1234567), "-1,234,567");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1000), "1.0 kB");
  EXPECT_EQ(HumanBytes(12'345'678), "12.3 MB");
  EXPECT_EQ(HumanBytes(999'960), "1.0 MB");
}

TEST(DurationTextTest, IsAsExactAsItMatters) {
  EXPECT_EQ(DurationText(absl::Milliseconds(462'001)), "7m43s");
  EXPECT_EQ(DurationText(absl::Minutes(90) + absl::Seconds(1)), "1h31m");
}

}  // namespace
}  // namespace engram::engramctl
