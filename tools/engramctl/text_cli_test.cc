#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kBooks[] = R"(
collection: books
fields:
  title: {type: string}
  text:  {type: text}
  stars: {type: int}
full_text: {fields: {title: 3, text: 1}}
)";
constexpr char kLines[] = R"(
collection: lines
fields:
  text: {type: text}
full_text: [text]
)";

class TextCliTest : public testing::CliFixture {
 protected:
  void SetUp() override {
    Apply(kBooks);
    const auto put = [this](const std::string& record) {
      ASSERT_EQ(Engramctl({"put", "books", record}), 0) << errors_;
    };
    put(R"({"id":"b1","title":"Tea","text":"how to brew green tea","stars":5})");
    put(R"({"id":"b2","title":"Ink","text":"black as tea","stars":2})");
    put(R"({"id":"b3","title":"Wood","text":"a tree"})");
  }

  // The same on a terminal.
  int EngramctlOnTerminal(std::vector<std::string> arguments) {
    std::istringstream in;
    std::ostringstream out, err;
    Console console{.in = in, .out = out, .err = err};
    console.out_terminal = {.is_terminal = true, .width = 30};
    arguments.insert(arguments.begin(), {"--server", engram_.address()});
    const int code = RunCommandLine(arguments, console);
    output_ = out.str();
    errors_ = err.str();
    return code;
  }
};

TEST_F(TextCliTest, PrintsTheBestFirstWithPassages) {
  ASSERT_EQ(Engramctl({"text", "books", "tea", "--total"}), 0) << errors_;
  EXPECT_THAT(
      output_,
      AllOf(HasSubstr("SCORE  ID  PASSAGES\n"),
            HasSubstr("  b1  title: [Tea] | text: how to brew green "
                      "[tea]\n"),
            HasSubstr("  b2  text: black as [tea]\n"), Not(HasSubstr("b3"))));
  EXPECT_LT(output_.find("b1"), output_.find("b2"));
  EXPECT_EQ(errors_, "2 of 2 found\n");
  // Several words are one query.
  ASSERT_EQ(Engramctl({"text", "books", "green", "OR", "tree"}), 0);
  EXPECT_THAT(output_, AllOf(HasSubstr("b1"), HasSubstr("b3")));
  ASSERT_EQ(Engramctl({"text", "books", "zebra"}), 0);
  EXPECT_THAT(output_, IsEmpty());
  EXPECT_EQ(errors_, "nothing found\n");
}

TEST_F(TextCliTest, FiltersWeighsAndShowsFields) {
  ASSERT_EQ(
      Engramctl({"text", "books", "tea", "--filter", "stars < :s", "--param",
                 "s=3", "--fields", "title,stars", "--snippet", "text"}),
      0)
      << errors_;
  EXPECT_THAT(output_,
              AllOf(HasSubstr("SCORE  ID  title  stars  PASSAGES\n"),
                    HasSubstr("  b2  Ink    2      text: black as [tea]\n"),
                    Not(HasSubstr("b1"))));
  ASSERT_EQ(Engramctl({"text", "books", "tea", "--weight", "title=0",
                       "--weight", "text=2", "--limit", "1", "--total"}),
            0);
  EXPECT_THAT(output_, HasSubstr("b2"));
  EXPECT_EQ(errors_, "1 of 2 found\n");
  EXPECT_EQ(Engramctl({"text", "books", "tea", "--weight", "title=much"}), 1);
  EXPECT_THAT(errors_, HasSubstr("--weight title wants a number"));
  EXPECT_EQ(Engramctl({"text", "books", "tea", "--weight", "titel=2"}), 1);
  EXPECT_THAT(errors_, HasSubstr("did you mean \"title\"?"));
}

TEST_F(TextCliTest, JsonHasTheRecordsAndTheTotal) {
  ASSERT_EQ(Engramctl({"text", "books", "brew", "--json"}), 0) << errors_;
  EXPECT_THAT(output_, StartsWith(R"({"id":"b1","score":)"));
  EXPECT_THAT(
      output_,
      HasSubstr(
          R"("fields":{"stars":5,"text":"how to brew green tea","title":"Tea"},)"
          R"("snippets":{"text":"how to [brew] green tea"}})"));
  ASSERT_EQ(Engramctl({"text", "books", "tea", "--json", "--fields", "stars",
                       "--total"}),
            0);
  EXPECT_THAT(output_, AllOf(HasSubstr(R"("fields":{"stars":5},)"),
                             HasSubstr("}\n{\"total\":2}\n")));
}

TEST_F(TextCliTest, OnATerminalWordsAreBold) {
  ASSERT_EQ(EngramctlOnTerminal({"text", "books", "green"}), 0) << errors_;
  EXPECT_THAT(output_, HasSubstr("text: how to brew \033[1m…\033[0m\n"));
  ASSERT_EQ(EngramctlOnTerminal({"text", "books", "wood"}), 0) << errors_;
  EXPECT_THAT(output_, HasSubstr("title: \033[1mWood\033[0m\033[0m\n"));
  EXPECT_THAT(output_, Not(HasSubstr("\U000e01ee")));
}

TEST_F(TextCliTest, ALimitGoesOnOverPagesAndOneFieldNeedsNoName) {
  ASSERT_EQ(Engramctl({"schema", "apply", "-"}, kLines), 0) << errors_;
  std::string lines;
  for (int i = 0; i < 1200; ++i) lines += "{\"text\":\"tea\"}\n";
  ASSERT_EQ(Engramctl({"import", "lines", "-"}, lines), 0) << errors_;
  const auto count = [&] {
    return std::count(output_.begin(), output_.end(), '\n');
  };
  ASSERT_EQ(Engramctl({"text", "lines", "tea", "--limit", "0"}), 0);
  EXPECT_EQ(count(), 1201);
  EXPECT_THAT(output_, AllOf(HasSubstr("  [tea]\n"), Not(HasSubstr("text:"))));
  ASSERT_EQ(Engramctl({"text", "lines", "tea", "--limit", "700", "--json"}), 0);
  EXPECT_EQ(count(), 700);
}

TEST_F(TextCliTest, ACollectionWithoutFullTextSaysWhatIsMissing) {
  CreateNotes();
  EXPECT_EQ(Engramctl({"text", "notes", "tea"}), 1);
  EXPECT_THAT(errors_, AllOf(HasSubstr("ATTRIBUTE_MISSING"),
                             HasSubstr("full_text in its schema")));
}

}  // namespace
}  // namespace engram::engramctl
