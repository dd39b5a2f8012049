#include "libs/schema/vector_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "libs/schema/collection_parser.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::engram::testing::StatusIs;

class VectorTextTest : public ::testing::Test {
 protected:
  // The text of a record whose vector field has these sources.
  std::optional<std::string> TextOf(const std::string& text_template,
                                    const FieldValue& title,
                                    const FieldValue& body,
                                    const FieldValue& tags = {}) const {
    return VectorText(collection_,
                      {.name = "v",
                       .source = {"title", "body", "tags"},
                       .text_template = text_template},
                      {title, body, tags});
  }

 private:
  const CollectionSpec collection_ = *ParseCollection(
      "",
      "{collection: c, fields: {title: {type: string}, body: {type: text}, "
      "tags: {type: strings}}}");
};

TEST_F(VectorTextTest, JoinsWhatHoldsText) {
  EXPECT_EQ(TextOf("", "a", "b", R"(["x","y"])"), "a\nb\nx y");
  EXPECT_EQ(TextOf("", {}, "b", "[]"), "b");
  EXPECT_EQ(TextOf("", "a", " \n"), "a");
}

TEST_F(VectorTextTest, FillsATemplate) {
  constexpr char kTemplate[] = "{{{title}}}: {body}, {title} [{tags}]";
  EXPECT_EQ(TextOf(kTemplate, "a", "b", R"(["x","y"])"), "{a}: b, a [x y]");
  EXPECT_EQ(TextOf(kTemplate, "a", {}), "{a}: , a []");
}

TEST_F(VectorTextTest, IsNothingWithoutText) {
  EXPECT_EQ(TextOf("", {}, ""), std::nullopt);
  EXPECT_EQ(TextOf("", {}, {}, "[]"), std::nullopt);
  EXPECT_EQ(TextOf("{title} by {body}{tags}", " ", {}), std::nullopt);
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
