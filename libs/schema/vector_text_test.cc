#include "libs/schema/vector_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::engram::testing::StatusIs;
using ::testing::Optional;

VectorFieldSpec FieldOf(const std::string& text_template) {
  return {
      .name = "v", .source = {"title", "body"}, .text_template = text_template};
}

TEST(VectorTextTest, JoinsWhatHoldsText) {
  const VectorFieldSpec field = FieldOf("");
  EXPECT_THAT(VectorText(field, {{"a", "b"}}), Optional(std::string("a\nb")));
  EXPECT_THAT(VectorText(field, {{FieldValue(), "b"}}),
              Optional(std::string("b")));
  EXPECT_THAT(VectorText(field, {{"a", " \n"}}), Optional(std::string("a")));
}

TEST(VectorTextTest, FillsATemplate) {
  const VectorFieldSpec field = FieldOf("{{{title}}}: {body}, {title}");
  EXPECT_THAT(VectorText(field, {{"a", "b"}}),
              Optional(std::string("{a}: b, a")));
  EXPECT_THAT(VectorText(field, {{"a", FieldValue()}}),
              Optional(std::string("{a}: , a")));
}

TEST(VectorTextTest, IsNothingWithoutText) {
  EXPECT_EQ(VectorText(FieldOf(""), {{FieldValue(), ""}}), std::nullopt);
  EXPECT_EQ(VectorText(FieldOf("{title} by {body}"), {{" ", FieldValue()}}),
            std::nullopt);
}

TEST(ParseTextTemplateTest, RefusesWhatIsNoTemplate) {
  const std::vector<std::string> sources = {"title", "body"};
  const std::pair<const char*, const char*> kCases[] = {
      {"{title} {body", "leaves a brace open"},
      {"{title} body}", "closes a brace that is not open"},
      {"{titel} {body}",
       "\"titel\", which is no source; did you mean \"title\""},
      {"{} {title}", "\"\", which is no source"},
      {"{ title } {body}", "is no source"},
      {"{title}", "does not use the source \"body\""},
  };
  for (const auto& [text, problem] : kCases) {
    EXPECT_THAT(ParseTextTemplate(text, sources),
                StatusIs(absl::StatusCode::kInvalidArgument, problem))
        << text;
  }
}

}  // namespace
}  // namespace engram::schema
