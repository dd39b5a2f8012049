#include "libs/schema/field_value.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "libs/json/json.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::schema {
namespace {

using ::engram::testing::StatusIs;
using ::google::protobuf::Value;

constexpr int64_t kMinInt = std::numeric_limits<int64_t>::min();
constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();

Value FromJson(absl::string_view text) {
  Value value;
  json::Parser parser;
  EXPECT_OK(parser.ParseValue(text, &value)) << text;
  return value;
}

Value FromString(absl::string_view text) {
  Value value;
  value.set_string_value(std::string(text));
  return value;
}

Value FromNumber(double number) {
  Value value;
  value.set_number_value(number);
  return value;
}

std::string ToJson(const Value& value) {
  std::string text;
  json::AppendJson(value, &text);
  return text;
}

struct RoundTripCase {
  FieldType type;
  const char* sent;  // As JSON.
  FieldValue held;
  // As JSON; null: the same as sent.
  const char* answered = nullptr;
};

class FieldValueRoundTripTest : public ::testing::TestWithParam<RoundTripCase> {
};

TEST_P(FieldValueRoundTripTest, IsHeldAndAnswered) {
  const RoundTripCase& c = GetParam();
  ASSERT_OK_AND_ASSIGN(const FieldValue held,
                       DecodeValue(c.type, FromJson(c.sent)));
  EXPECT_EQ(held, c.held) << c.sent;
  Value answered;
  ASSERT_OK(EncodeValue(c.type, held, &answered));
  EXPECT_EQ(ToJson(answered), c.answered != nullptr ? c.answered : c.sent);
  // What was answered can be sent again and means the same.
  ASSERT_OK_AND_ASSIGN(const FieldValue again, DecodeValue(c.type, answered));
  EXPECT_EQ(again, held);
}

INSTANTIATE_TEST_SUITE_P(
    Types, FieldValueRoundTripTest,
    ::testing::Values(
        RoundTripCase{FieldType::kString, "null", {}},
        RoundTripCase{FieldType::kJson, "null", {}},
        RoundTripCase{FieldType::kStrings, "null", {}},
        RoundTripCase{FieldType::kString, R"("")", ""},
        RoundTripCase{FieldType::kString, R"("grüße 🎉")", "grüße 🎉"},
        RoundTripCase{FieldType::kText, R"("two\nlines")", "two\nlines"},
        RoundTripCase{FieldType::kInt, "0", int64_t{0}},
        RoundTripCase{FieldType::kInt, "-7", int64_t{-7}},
        RoundTripCase{FieldType::kInt, "1e3", int64_t{1000}, "1000"},
        RoundTripCase{FieldType::kInt, R"("12")", int64_t{12}, "12"},
        RoundTripCase{FieldType::kInt, "9007199254740991",
                      int64_t{9007199254740991}},
        RoundTripCase{FieldType::kInt, R"("9007199254740992")",
                      int64_t{9007199254740992}},
        RoundTripCase{FieldType::kInt, R"("9007199254740993")",
                      int64_t{9007199254740993}},
        RoundTripCase{FieldType::kInt, R"("9223372036854775807")", kMaxInt},
        RoundTripCase{FieldType::kInt, R"("-9223372036854775808")", kMinInt},
        RoundTripCase{FieldType::kDouble, "0.1", 0.1},
        RoundTripCase{FieldType::kDouble, "1.7976931348623157e+308",
                      std::numeric_limits<double>::max()},
        RoundTripCase{FieldType::kDouble, "5e-324",
                      std::numeric_limits<double>::denorm_min()},
        RoundTripCase{FieldType::kBool, "true", int64_t{1}},
        RoundTripCase{FieldType::kBool, "false", int64_t{0}},
        RoundTripCase{FieldType::kTimestamp, R"("1970-01-01T00:00:00Z")",
                      int64_t{0}},
        RoundTripCase{FieldType::kTimestamp, R"("2026-11-20T23:30:46.123456Z")",
                      int64_t{1795217446123456}},
        RoundTripCase{
            FieldType::kTimestamp, R"("2026-11-20T23:30:46.1234567899Z")",
            int64_t{1795217446123456}, R"("2026-11-20T23:30:46.123456Z")"},
        RoundTripCase{FieldType::kTimestamp, R"("2026-11-21t01:30:46.5+02:00")",
                      int64_t{1795217446500000}, R"("2026-11-20T23:30:46.5Z")"},
        RoundTripCase{FieldType::kTimestamp, R"("1969-12-31T23:59:59.999999Z")",
                      int64_t{-1}},
        RoundTripCase{FieldType::kTimestamp, R"("0001-01-01T00:00:00Z")",
                      int64_t{-62135596800000000}},
        RoundTripCase{FieldType::kTimestamp, R"("9999-12-31T23:59:59.999999Z")",
                      int64_t{253402300799999999}},
        RoundTripCase{FieldType::kJson, R"({"b":[1,null],"a":{"c":true}})",
                      R"({"a":{"c":true},"b":[1,null]})",
                      R"({"a":{"c":true},"b":[1,null]})"},
        RoundTripCase{FieldType::kJson, R"("text")", R"("text")"},
        RoundTripCase{FieldType::kJson, "12.5", "12.5"},
        RoundTripCase{FieldType::kBytes, R"("")", Blob{}},
        RoundTripCase{FieldType::kBytes, R"("AP+A")", Blob{{"\0\xff\x80", 3}}},
        RoundTripCase{FieldType::kBytes, R"("_-8=")", Blob{"\xff\xef"},
                      R"("/+8=")"},
        RoundTripCase{FieldType::kBytes, R"("/+8")", Blob{"\xff\xef"},
                      R"("/+8=")"},
        RoundTripCase{FieldType::kStrings, "[]", "[]"},
        RoundTripCase{FieldType::kStrings, R"(["b","a","b","\""])",
                      R"(["b","a","b","\""])"}));

struct RefusedCase {
  FieldType type;
  Value sent;
  const char* problem;
};

TEST(FieldValueTest, RefusesWhatDoesNotFitTheTypeAndSaysWhatItWants) {
  const std::string nul("a\0b", 3);
  const double infinity = std::numeric_limits<double>::infinity();
  Value nested_nan;
  *nested_nan.mutable_list_value()->add_values() = FromNumber(NAN);
  const RefusedCase cases[] = {
      {FieldType::kString, FromNumber(5), "wants a string; got the number 5"},
      {FieldType::kString, FromString(nul), "holds a NUL character"},
      {FieldType::kText, FromString("\xff"), "is not valid UTF-8"},
      {FieldType::kString, Value(), "got a Value that holds nothing"},
      {FieldType::kInt, FromNumber(1.5), "wants an int; got the number 1.5"},
      {FieldType::kInt, FromNumber(NAN), "wants an int"},
      {FieldType::kInt, FromNumber(infinity), "is an int beyond +-2^53"},
      // What a JSON reader makes of 9007199254740993.
      {FieldType::kInt, FromNumber(9007199254740992.0), "send it as a decimal"},
      {FieldType::kInt, FromString("9223372036854775808"), "beyond 64 bits"},
      {FieldType::kInt, FromString("12x"),
       "wants an int; got the string \"12x\""},
      {FieldType::kInt, FromString(" 12"), "wants an int"},
      {FieldType::kInt, FromString(""), "wants an int"},
      {FieldType::kInt, FromJson("true"), "wants an int; got true"},
      {FieldType::kDouble, FromString("1.5"), "wants a number"},
      {FieldType::kDouble, FromNumber(NAN), "is not a finite number"},
      {FieldType::kDouble, FromNumber(-infinity), "is not a finite number"},
      {FieldType::kBool, FromNumber(1), "wants true or false"},
      {FieldType::kBool, FromString("true"), "wants true or false"},
      {FieldType::kTimestamp, FromNumber(0), "wants an RFC 3339 timestamp"},
      {FieldType::kTimestamp, FromString("2026-11-20"), "wants an RFC 3339"},
      {FieldType::kTimestamp, FromString("2026-11-20T23:30:46"),
       "wants an RFC"},
      {FieldType::kTimestamp, FromString("2026-02-30T00:00:00Z"),
       "wants an RFC"},
      {FieldType::kTimestamp, FromString("2026-01-01T00:00:00.Z"),
       "wants an RFC"},
      {FieldType::kTimestamp, FromString(" 2026-01-01T00:00:00Z"),
       "wants an RFC"},
      {FieldType::kTimestamp, FromString("infinite-future"),
       "wants an RFC 3339"},
      {FieldType::kTimestamp, FromString("0000-12-31T00:00:00Z"), "years 1 to"},
      {FieldType::kTimestamp, FromString("9999-12-31T23:59:59-01:00"),
       "years 1"},
      {FieldType::kJson, nested_nan, "holds a number that is not finite"},
      {FieldType::kJson, Value(), "holds a Value that holds nothing"},
      {FieldType::kJson, FromJson(R"({"a":["x\u0000"]})"), "NUL"},
      {FieldType::kJson, FromJson(R"({"a\u0000":1})"), "NUL"},
      {FieldType::kBytes, FromString("a"), "wants bytes as base64"},
      {FieldType::kBytes, FromString("&&&&"), "wants bytes as base64"},
      {FieldType::kStrings, FromString("a"), "wants a list of strings"},
      {FieldType::kStrings, FromJson(R"(["a",5])"),
       "element 1 is the number 5"},
      {FieldType::kStrings, FromJson(R"(["a\u0000"])"),
       "element 0 that holds a NUL"},
  };
  for (const RefusedCase& c : cases) {
    EXPECT_THAT(DecodeValue(c.type, c.sent),
                StatusIs(absl::StatusCode::kInvalidArgument, c.problem))
        << FieldTypeName(c.type) << " " << c.sent.ShortDebugString();
  }
}

TEST(FieldValueTest, ShowsLongTextCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "ü";
  const absl::Status status =
      DecodeValue(FieldType::kInt, FromString("x" + text)).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument, "ü…\""));
  EXPECT_LT(status.message().size(), 100);
}

TEST(FieldValueTest, AColumnOfAnotherTypeIsDataLoss) {
  struct Case {
    FieldType type;
    FieldValue held;
  };
  const Case cases[] = {
      {FieldType::kString, int64_t{1}},
      {FieldType::kString, "\xff"},
      {FieldType::kInt, "1"},
      {FieldType::kInt, 1.0},
      {FieldType::kDouble, std::numeric_limits<double>::infinity()},
      {FieldType::kBool, int64_t{2}},
      {FieldType::kTimestamp, kMaxInt},
      {FieldType::kJson, "{"},
      {FieldType::kStrings, R"({"a":1})"},
      {FieldType::kBytes, "a"},
      {FieldType::kText, Blob{"a"}},
  };
  for (const Case& c : cases) {
    Value out;
    EXPECT_THAT(EncodeValue(c.type, c.held, &out),
                StatusIs(absl::StatusCode::kDataLoss))
        << FieldTypeName(c.type);
  }
}

TEST(FieldValueTest, CharactersAreCodePoints) {
  EXPECT_EQ(CountCharacters(""), 0);
  EXPECT_EQ(CountCharacters("aü世🎉"), 4);
}

}  // namespace
}  // namespace engram::schema
