#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/filter/filter.h"
#include "libs/filter/parse_value.h"
#include "libs/filter/testing/sample_records.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::filter {
namespace {

using engram::testing::IsOk;
using engram::testing::StatusIs;
using google::protobuf::Struct;
using schema::FieldType;
using ::testing::ElementsAre;
using testing::PlaceOf;
using testing::SampleScope;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Struct FromJson(const std::string& json) {
  Struct parameters;
  const auto status =
      google::protobuf::util::JsonStringToMessage(json, &parameters);
  if (!status.ok()) std::abort();
  return parameters;
}

absl::StatusOr<Node> Filter(absl::string_view text,
                            const std::string& parameters = "{}") {
  return ParseFilter(text, SampleScope(), FromJson(parameters));
}

absl::StatusOr<Node> Expression(absl::string_view text, FieldType type,
                                const std::string& parameters = "{}") {
  return ParseExpression(text, SampleScope(), type, FromJson(parameters));
}

std::string Repeat(absl::string_view text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) absl::StrAppend(&out, text);
  return out;
}

struct AcceptedCase {
  std::string text;
  std::string parameters = "{}";
};

TEST(ParserTest, TakesWhatTheLanguageHas) {
  const AcceptedCase cases[] = {
      {"true"},
      {"FALSE"},
      {"ready"},
      {"title = \"fact\" AND score >= 0.5 and not owner in :files",
       R"({"files":["a","b"]})"},
      {"title='a' or title = 'b' Or NOT(title != 'c')"},
      {"count IN (1, -2, :three)", R"({"three":3})"},
      {"count IN (1, :more)", R"({"more":[2,3]})"},
      {"count NOT IN ()"},
      {"tags HAS 'x' AND tags NOT HAS :y", R"({"y":"y"})"},
      {"title LIKE 'a%\\\\_' AND title NOT LIKE '_'"},
      {"title PREFIX 'src/' AND title NOT PREFIX :p", R"({"p":"x"})"},
      {"title IS NULL OR count + 1 IS NOT NULL"},
      {"EXISTS metadata.a.b AND EXISTS metadata[0] AND exists metadata"},
      {"metadata.\"odd key\" = 1 AND metadata.`other key` = 'x'"},
      {"metadata.in.not.list[0][1].and = true"},
      {"metadata.a > 1.5 AND metadata.a < metadata.b"},
      {"created > now - 7d"},
      {"created > NOW - 1h30m and created < now + 1d 12h 30m 10s 500ms"},
      {"created >= '2026-01-31T12:00:00Z' AND created < :end",
       R"({"end":"2027-01-01T00:00:00+01:00"})"},
      {"updated - created > 90d AND (updated - created) / 1d < 3.5"},
      {"(updated - created) * 2 = 1d OR 0.5 * (updated - created) > :d",
       R"({"d":"1d 12h"})"},
      {"created > now - :age", R"({"age":"7d"})"},
      {"- -count = 2 - -3"},
      {"min(count, size, 3) < max(score, 0.5) AND round(score, 2) = 0.25"},
      {"coalesce(title, name, 'none') = 'none'"},
      {"coalesce(created, updated, '2026-01-31T12:00:00Z') < now"},
      {"hash = 'AAEC' OR hash IN ('', 'AA==')"},
      {"ready = true AND hidden != ready AND NOT hidden"},
      // Names that are words of the language.
      {"min < 3 AND prefix = 'a' AND `prefix` PREFIX 'a'"},
      {"new.count > count"},
      {"count = :big OR count > 9223372036854775806",
       R"({"big":"9223372036854775807"})"},
      {"count > -9223372036854775808"},
      {":missing IS NULL OR title = :missing", R"({"missing":null})"},
      {"score = 1e3 OR score = 1.5E-3 OR score = 2e+4"},
      {"title = 'it\\'s \\\"\\u00fc\\uD83C\\uDF89\\n\\\\'"},
      {" \t\n title\n=\n'a' "},
  };
  for (const AcceptedCase& c : cases) {
    EXPECT_THAT(Filter(c.text, c.parameters), IsOk()) << c.text;
  }
}

struct RefusedCase {
  std::string text;
  std::string problem;
  std::string parameters = "{}";
};

TEST(ParserTest, PointsAtWhatIsNoFilter) {
  const RefusedCase cases[] = {
      {"", "column 1: it is empty"},
      {"  ", "column 1: it is empty"},
      {"title", "column 1: a condition is wanted; got a string"},
      {"titel = 'a'", "column 1: no field \"titel\"; did you mean \"title\"?"},
      {"count = 1 AND xyz = 2", "column 15: no field \"xyz\""},
      {"title = 'a' b", "column 13: unexpected b where AND, OR or the end"},
      {"title =", "column 8: it ends where a value is expected"},
      {"title = 'a' AND", "column 16: it ends where a value is expected"},
      {"(count = 1", "column 11: it ends where ) is expected"},
      {"count = 1)", "column 10: unexpected ) where AND, OR or the end"},
      {"AND count = 1", "column 1: unexpected AND where a value"},
      {"count = OR", "column 9: unexpected OR where a value"},
      {"1 < count < 3", "column 11: a comparison of a comparison"},
      {"count == 1", "column 7: no operator ==; write ="},
      {"count <> 1", "column 7: no operator <>; write !="},
      {"ready && hidden", "column 7: no operator &&; write AND"},
      {"ready || hidden", "column 7: no operator ||; write OR"},
      {"!ready", "column 1: no operator !; write NOT"},
      {"title = 'a", "column 9: the quote is never closed"},
      {"title = \"a'", "column 9: the quote is never closed"},
      {"`title = 1", "column 1: the backtick is never closed"},
      {"title = 'a\\q'", "column 11: no such escape"},
      {"title = 'a\\", "column 11: no such escape"},
      {"title = '\\u12'", "column 10: four hexadecimal digits"},
      {"title = '\\u0000'", "column 10: four hexadecimal digits"},
      {"title = '\\ud83c'", "column 10: four hexadecimal digits"},
      {"title = '\\udf89'", "column 10: four hexadecimal digits"},
      {"title = 'üü' AND x = 1", "column 18: no field \"x\""},
      {"title = §", "column 9: unexpected §"},
      {"title = ;", "column 9: unexpected ;"},
      {"title = null", "column 9: nothing equals null; write IS NULL"},
      {"title IS 5", "column 10: unexpected 5 where NULL is expected"},
      {"title NOT 'a'", "column 11: unexpected a string where IN, HAS"},
      {"count IN 5", "column 10: unexpected 5 where a list"},
      {"count IN (1, 2", "column 15: it ends where ) is expected"},
      {"count IN (1, size)", "column 14: a list holds literals"},
      {"count IN :x", "column 7: IN wants a list", R"({"x":5})"},
      {"count = :x", "column 9: a list goes with IN alone", R"({"x":[5]})"},
      {"count = :x", "column 9: an object cannot be compared", R"({"x":{}})"},
      {"count = :x", "column 9: the parameter \"x\" has no value"},
      {"count IN :x", "column 7: the parameter \"x\" has no value"},
      {"count = :", "column 9: a parameter's name follows the colon"},
      {"count = 5", "the parameter \"x\" is used nowhere", R"({"x":5})"},
      {"count = :x", "column 9: holds a NUL", R"({"x":"a\u0000"})"},
      {"count = 9223372036854775808", "column 9: an int beyond 64 bits"},
      {"score = 1e999", "column 9: a number beyond what a double holds"},
      {"count = 12abc", "column 9: cannot read the duration 12abc; known are"},
      {"created > now - 7days", "column 17: cannot read the duration 7days"},
      {"created > now - 1.5h", "column 17: a duration wants whole numbers"},
      {"created > now - 99999999999999d",
       "column 17: cannot read the duration"},
      {"created > now - 106751991d 106751991d",
       "column 17: a duration longer than 64 bits"},
      {"lower(title) = 'a'", "column 1: no function lower; known are min"},
      {"min(count) = 1", "column 1: this function takes two values"},
      {"round(score, 2, 3) = 1", "column 1: round takes a number"},
      {"round(score, count) = 1", "column 14: the digits are a literal"},
      {"round(score, 16) = 1", "column 14: the digits are a literal"},
      {"metadata.a[-1] = 1", "column 12: unexpected - where an index"},
      {"metadata.a[x] = 1", "column 12: unexpected x where an index"},
      {"metadata.a[1 = 1", "column 14: unexpected = where ] is expected"},
      {"metadata. = 1", "column 11: unexpected = where a key"},
      {"metadata.'a\"b' = 1", "column 10: a key that holds a quote"},
      {"metadata" + Repeat(".a", 40) + " = 1", "a path of more than 32 steps"},
  };
  for (const RefusedCase& c : cases) {
    EXPECT_THAT(Filter(c.text, c.parameters), StatusIs(kInvalid, c.problem))
        << c.text;
  }
}

TEST(ParserTest, PointsAtTypesThatDoNotFit) {
  const RefusedCase cases[] = {
      {"title = 5", "column 9: a string is wanted; got an int"},
      {"5 = title", "column 1: a string is wanted; got an int"},
      {"count = '5'", "column 9: an int is wanted; got a string"},
      {"title = count", "column 7: cannot compare a string with an int"},
      {"count = true", "column 9: an int is wanted; got a bool"},
      {"ready = 1", "column 9: a bool is wanted; got an int"},
      {"ready < hidden", "column 7: a bool has no order; use = or !="},
      {"hash < 'AAEC'", "column 6: bytes has no order"},
      {"hash = '&'", "column 8: wants bytes as base64"},
      {"created > 5", "column 11: a timestamp is wanted; got an int"},
      {"created > 7d", "column 11: a timestamp is wanted; got a duration"},
      {"created > 'yesterday'", "column 11: wants an RFC 3339 timestamp"},
      {"created > :t", "column 11: wants an RFC 3339", R"({"t":"today"})"},
      {"tags = 'a'", "column 8: a list of strings is wanted"},
      {"tags = labels", "column 6: a list is not compared; ask for an element"},
      {"tags IN ('a')", "column 1: a list is not IN a list"},
      {"title HAS 'a'", "column 1: HAS wants a strings field"},
      {"tags HAS 5", "column 10: HAS wants a string"},
      {"tags HAS title", "column 10: HAS wants a string, as a literal"},
      {"count LIKE 'a'", "column 1: LIKE wants a string; got an int"},
      {"title LIKE name", "column 12: LIKE wants a string, as a literal"},
      {"title PREFIX 5", "column 14: PREFIX wants a string"},
      {"title LIKE 'a\\\\'", "column 12: in a pattern %, _ or another"},
      {"title LIKE 'a\\\\b'", "column 12: in a pattern %, _ or another"},
      {"EXISTS title", "column 8: EXISTS wants a path into a json field"},
      {"metadata = 5", "column 1: name what is meant inside the json"},
      {"metadata", "column 1: name what is meant inside the json"},
      {"metadata.a = created", "column 1: json holds numbers, strings and"},
      {"metadata.a + 7d > 1d", "column 12: cannot add json and a duration"},
      {"title.a = 5", "column 1: \"title\" is a string, which no path"},
      {"title + 'a' = 'b'", "column 1: a double is wanted; got a string"},
      {"count + ready = 1", "column 9: a double is wanted; got a bool"},
      {"created + created > now", "column 9: cannot add a timestamp and a"},
      {"7d - created > now", "column 4: cannot subtract a timestamp from a"},
      {"created * 2 > now", "column 9: cannot combine a timestamp with an"},
      {"2 / 7d > 1", "column 3: cannot combine an int with a duration"},
      {"-title = 'a'", "column 1: a string has no sign"},
      {"-created = now", "column 1: a timestamp has no sign"},
      {"min(title, name) = 'a'", "column 1: min and max want numbers or times"},
      {"min(count, created) > 1", "column 12: cannot combine an int with a"},
      {"coalesce(title, 5) = 'a'", "column 17: a string is wanted; got an int"},
      {"count", "column 1: a condition is wanted; got an int"},
      {"count AND ready", "column 1: a condition is wanted; got an int"},
      {"NOT 5", "column 5: a condition is wanted; got an int"},
      {"(count = 1) = true", "column 8: a value is wanted; this is a"},
      {"(count = 1) + 1 = 2", "column 8: a value is wanted; this is a"},
      {"count IN ('a')", "column 11: an int is wanted; got a string"},
      {"count IN (1, 'a')", "column 14: an int is wanted; got a string"},
      {"title IN :x", "column 7: a string is wanted", R"({"x":["a",5]})"},
      {"count = :x", "column 9: is an int beyond +-2^53",
       R"({"x":9007199254740993})"},
      {"count IN :x", "column 7: is an int beyond +-2^53", R"({"x":[1e17]})"},
      {"metadata.a IN :x", "column 12: a list goes with IN alone",
       R"({"x":[["a"]]})"},
  };
  for (const RefusedCase& c : cases) {
    EXPECT_THAT(Filter(c.text, c.parameters), StatusIs(kInvalid, c.problem))
        << c.text;
  }
}

TEST(ParserTest, AnExpressionHasTheTypeOfItsField) {
  EXPECT_THAT(Expression("count + 1", FieldType::kInt), IsOk());
  EXPECT_THAT(Expression("count + 1", FieldType::kDouble), IsOk());
  EXPECT_THAT(Expression("'2026-01-31T12:00:00Z'", FieldType::kTimestamp),
              IsOk());
  EXPECT_THAT(Expression("now", FieldType::kTimestamp), IsOk());
  EXPECT_THAT(Expression("score > 0.5 AND ready", FieldType::kBool), IsOk());
  EXPECT_THAT(Expression("metadata.author", FieldType::kText), IsOk());
  EXPECT_THAT(Expression(":x", FieldType::kInt, R"({"x":"5"})"), IsOk());
  EXPECT_THAT(Expression("score", FieldType::kInt),
              StatusIs(kInvalid, "column 1: an int is wanted; got a double"));
  EXPECT_THAT(Expression("count", FieldType::kString),
              StatusIs(kInvalid, "column 1: a string is wanted; got an int"));
  EXPECT_THAT(
      Expression("updated - created", FieldType::kTimestamp),
      StatusIs(kInvalid, "column 9: a timestamp is wanted; got a duration"));
  EXPECT_THAT(Expression("count = 1", FieldType::kInt),
              StatusIs(kInvalid, "column 7: a value is wanted"));
}

TEST(ParserTest, AndBindsMoreThanOr) {
  ASSERT_OK_AND_ASSIGN(const Node node,
                       Filter("ready OR hidden AND NOT ready OR true"));
  EXPECT_EQ(node.op, Operator::kOr);
  ASSERT_EQ(node.operands.size(), 3);
  EXPECT_EQ(node.operands[1].op, Operator::kAnd);
  EXPECT_EQ(node.operands[1].operands[1].op, Operator::kNot);
}

TEST(ParserTest, ArithmeticBindsAsUsual) {
  ASSERT_OK_AND_ASSIGN(const Node node,
                       Expression("count - size * 2 - 1", FieldType::kInt));
  EXPECT_EQ(node.op, Operator::kSubtract);
  EXPECT_EQ(node.operands[0].op, Operator::kSubtract);
  EXPECT_EQ(node.operands[0].operands[1].op, Operator::kMultiply);
}

TEST(ParserTest, TheFieldsAndFeaturesInUseAreKnown) {
  ASSERT_OK_AND_ASSIGN(
      Node node, Filter("size > 1 AND (title = 'a' OR size < 9) AND ready"));
  EXPECT_THAT(PlacesUsed(node),
              ElementsAre(PlaceOf("title"), PlaceOf("size"), PlaceOf("ready")));
  EXPECT_FALSE(UsesNow(node));
  EXPECT_FALSE(UsesJsonPath(node));
  ASSERT_OK_AND_ASSIGN(node, Filter("NOT (ready AND created > now - 1d)"));
  EXPECT_TRUE(UsesNow(node));
  ASSERT_OK_AND_ASSIGN(node, Filter("ready OR max(metadata.a, 1) > 2"));
  EXPECT_TRUE(UsesJsonPath(node));
  ASSERT_OK_AND_ASSIGN(node, Filter("ready OR EXISTS metadata"));
  EXPECT_TRUE(UsesJsonPath(node));
}

TEST(ParserTest, SixtyFourLevelsAreRunAndSixtyFiveRefused) {
  const std::string too_deep = "nests deeper than 64 levels";
  for (const auto& [before, after] :
       std::vector<std::pair<std::string, std::string>>{{"(", ")"},
                                                        {"NOT ", ""},
                                                        {"(ready OR ", ")"},
                                                        {"(", " AND ready)"}}) {
    const auto nest = [&before = before, &after = after](int depth) {
      return absl::StrCat(Repeat(before, depth), "count = 1",
                          Repeat(after, depth));
    };
    EXPECT_THAT(Filter(nest(64)), IsOk()) << nest(1);
    EXPECT_THAT(Filter(nest(65)), StatusIs(kInvalid, too_deep)) << nest(1);
    EXPECT_THAT(Filter(nest(5000)), StatusIs(kInvalid, too_deep)) << nest(1);
  }
  EXPECT_THAT(Filter("score > 1" + Repeat(" + 1.5", 63)), IsOk());
  EXPECT_THAT(Filter("score > 1" + Repeat(" + 1.5", 65)),
              StatusIs(kInvalid, too_deep));
  EXPECT_THAT(Filter(Repeat("-", 60'000) + "count = 1"),
              StatusIs(kInvalid, too_deep));
  EXPECT_THAT(Filter(Repeat("min(", 10'000)), StatusIs(kInvalid, too_deep));
}

TEST(ParserTest, AListOfManyOperandsIsNoNest) {
  ASSERT_OK_AND_ASSIGN(const Node node,
                       Filter("ready" + Repeat(" OR ready", 5'000)));
  EXPECT_EQ(node.operands.size(), 5'001);
}

TEST(ParserTest, RefusesWhatSqliteCouldNotRun) {
  // Each level of this doubles the SQL, where the overflow is looked for.
  const std::string doubled =
      Repeat("min(1 + ", 30) + "count" + Repeat(", 1)", 30);
  EXPECT_THAT(Filter(doubled + " = 1"),
              StatusIs(kInvalid, "too deeply, or too long, to be run"));
}

TEST(ParserTest, HostileTextIsRefusedInTime) {
  EXPECT_THAT(Filter(std::string(kMaxBytes + 1, ' ')),
              StatusIs(kInvalid, "at most 65536 are allowed"));
  EXPECT_THAT(Filter("title = '\xFF'"),
              StatusIs(kInvalid, "is not valid UTF-8"));
  EXPECT_THAT(Filter(absl::string_view("title\0= 1", 9)),
              StatusIs(kInvalid, "holds a NUL"));
  EXPECT_THAT(Filter(std::string(kMaxBytes, '(')), StatusIs(kInvalid));
  EXPECT_THAT(Filter(std::string(kMaxBytes, 'a')),
              StatusIs(kInvalid, "column 1: no field"));
  EXPECT_THAT(Filter(std::string(kMaxBytes, '1')), StatusIs(kInvalid));
  EXPECT_THAT(Filter(Repeat("a.", kMaxBytes / 2)), StatusIs(kInvalid));
  const absl::Status shown =
      Filter("title = 5 " + std::string(10'000, 'x')).status();
  EXPECT_LT(shown.message().size(), 200);
}

TEST(ParserTest, AValueHasTheTypeThatItHasByItself) {
  const std::pair<std::string, Type> cases[] = {
      {"count", Type::kInt},
      {"count + 1", Type::kInt},
      {"count / 2", Type::kDouble},
      {"score", Type::kDouble},
      {"title", Type::kString},
      {"tags", Type::kStrings},
      {"now - created", Type::kDuration},
      {"created + 1d", Type::kTimestamp},
      {"metadata.a", Type::kJson},
      {"coalesce(metadata.a, 1)", Type::kDouble},
      {"hash", Type::kBytes},
      {"ready", Type::kBool},
      {"count > 1", Type::kBool},
      {"NOT ready", Type::kBool},
  };
  for (const auto& [text, type] : cases) {
    const auto node = ParseValue(text, SampleScope(), {});
    ASSERT_THAT(node, IsOk()) << text;
    EXPECT_EQ(node->type, type) << text;
  }
  // A condition is false where it is not true, never missing.
  EXPECT_EQ(ParseValue("count > 1", SampleScope(), {})->op,
            Operator::kCoalesce);
  EXPECT_THAT(ParseValue("cuont", SampleScope(), {}),
              StatusIs(kInvalid, "did you mean"));
  EXPECT_THAT(ParseValue("count", SampleScope(), FromJson(R"({"x": 1})")),
              StatusIs(kInvalid, "x"));
}

}  // namespace
}  // namespace engram::filter
