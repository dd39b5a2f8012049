#include "libs/json/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "libs/status/testing/status_matchers.h"

namespace engram::json {
namespace {

using ::engram::testing::StatusIs;
using ::google::protobuf::Struct;
using ::google::protobuf::Value;

// What AppendJson writes of `text`; AppendCanonical must write the same.
std::string RoundTrip(absl::string_view text) {
  Parser parser;
  std::string canonical;
  const absl::Status canonical_status =
      parser.AppendCanonical(text, &canonical);
  Value value;
  const absl::Status status = parser.ParseValue(text, &value);
  EXPECT_EQ(canonical_status, status);
  if (!status.ok()) return std::string(status.message());
  std::string out;
  AppendJson(value, &out);
  EXPECT_EQ(canonical, out);
  return out;
}

TEST(JsonTest, KeepsEveryKindOfValue) {
  const char* const kTexts[] = {
      "null",
      "true",
      "false",
      "0",
      "-1.5",
      "1e+300",
      "9007199254740991",
      "-9007199254740991",
      R"("")",
      R"("a \"quoted\" back\\slash\n\t\r\u0001")",
      R"("grüße 世界 🎉")",
      "[]",
      "[1,[2,[]],{}]",
      R"({"a":{"b":[null,true]},"c":"d"})",
  };
  for (const char* text : kTexts) EXPECT_EQ(RoundTrip(text), text);
}

TEST(JsonTest, WritesOneFormForEqualValues) {
  EXPECT_EQ(RoundTrip(R"( { "b" : 1.0 , "a" : "\u0041" } )"),
            R"({"a":"A","b":1})");
}

TEST(JsonTest, WholeNumbersThatADoubleCannotHoldKeepTheirDigits) {
  EXPECT_EQ(RoundTrip("[9007199254740993,-9007199254740992]"),
            R"(["9007199254740993","-9007199254740992"])");
  EXPECT_EQ(RoundTrip("18446744073709551615"), R"("18446744073709551615")");
}

TEST(JsonTest, DoublesThatLookLikeIntegersAreReadAsTheDoublesTheyAre) {
  for (const double number :
       {9007199254740992.0, -9007199254740992.0, 123456789012345680000.0, 1e22,
        1.7976931348623157e308, -0.0}) {
    google::protobuf::Value value;
    value.set_number_value(number);
    std::string text;
    AppendJson(value, &text);
    google::protobuf::Value read;
    ASSERT_OK(Parser().ParseValue(text, &read)) << text;
    ASSERT_TRUE(read.has_number_value()) << text;
    EXPECT_EQ(read.number_value(), number) << text;
    EXPECT_EQ(std::signbit(read.number_value()), std::signbit(number)) << text;
    EXPECT_EQ(RoundTrip(text), text);
  }
}

TEST(JsonTest, CanonicalTextHoldsNoNul) {
  Parser parser;
  std::string out = "kept";
  for (const char* text : {R"(["a\u0000"])", R"({"a":{"\u0000b":1}})"}) {
    EXPECT_THAT(parser.AppendCanonical(text, &out),
                StatusIs(absl::StatusCode::kInvalidArgument, "NUL"))
        << text;
  }
  EXPECT_EQ(out, "kept");
  EXPECT_OK(parser.AppendCanonical(R"(["\\u0000"])", &out));
  EXPECT_EQ(out, R"(kept["\\u0000"])");
}

TEST(JsonTest, TheLastOfARepeatedKeyCounts) {
  EXPECT_EQ(RoundTrip(R"({"a":{"x":1},"a":2})"), R"({"a":2})");
  EXPECT_EQ(RoundTrip(R"({"a":[1],"a":[2]})"), R"({"a":[2]})");
  EXPECT_EQ(RoundTrip(R"({"a":{"x":1},"a":{"y":2}})"), R"({"a":{"y":2}})");
  EXPECT_EQ(RoundTrip(R"({"b":1,"a":1,"b":2,"c":3,"b":4})"),
            R"({"a":1,"b":4,"c":3})");
}

TEST(JsonTest, SaysWhatIsWrong) {
  Parser parser;
  Value value;
  struct Case {
    const char* text;
    const char* problem;
  };
  const Case kCases[] = {
      {"", "is empty"},
      {"{\"a\":1", "is not JSON"},
      {"{\"a\" 1}", "do not add up"},
      {"\"a", "a string is not closed"},
      {"\"a\nb\"", "control character"},
      {"\"\\x\"", "escape"},
      {"01", "number"},
      {"1e999", "number"},
      {"\"\xff\"", "not valid UTF-8"},
      {"1 2", "is not JSON"},
      {"NaN", "is not JSON"},
  };
  for (const auto& [text, problem] : kCases) {
    EXPECT_THAT(parser.ParseValue(text, &value),
                StatusIs(absl::StatusCode::kInvalidArgument, problem))
        << text;
  }
}

TEST(JsonTest, RefusesDepthThatProtobufWouldNotCarry) {
  const auto nested = [](int depth) {
    return std::string(depth, '[') + std::string(depth, ']');
  };
  Parser parser;
  Value value;
  EXPECT_OK(parser.ParseValue(nested(kMaxDepth - 1), &value));
  EXPECT_THAT(parser.ParseValue(nested(kMaxDepth + 1), &value),
              StatusIs(absl::StatusCode::kInvalidArgument, "nests deeper"));
  EXPECT_THAT(parser.ParseValue(nested(1'000'000), &value),
              StatusIs(absl::StatusCode::kInvalidArgument, "nests deeper"));
}

TEST(JsonTest, ReadsGrowingTextsWithOneParser) {
  Parser parser;
  Struct object;
  for (const size_t size : {1, 10'000, 100, 1'000'000}) {
    const std::string text = "{\"a\":\"" + std::string(size, 'x') + "\"}";
    ASSERT_OK(parser.ParseObject(text, &object));
    EXPECT_EQ(object.fields().at("a").string_value().size(), size);
  }
}

TEST(JsonTest, ParseObjectTakesOnlyObjects) {
  Parser parser;
  Struct object;
  EXPECT_OK(parser.ParseObject(" {} ", &object));
  for (const absl::string_view text : {"[]", "1", "\"a\"", "null"}) {
    EXPECT_THAT(
        parser.ParseObject(text, &object),
        StatusIs(absl::StatusCode::kInvalidArgument, "is not a JSON object"));
  }
}

TEST(JsonTest, NumbersThatAreNotFiniteBecomeNull) {
  Value value;
  value.set_number_value(std::numeric_limits<double>::infinity());
  std::string out;
  AppendJson(value, &out);
  EXPECT_EQ(out, "null");
}

}  // namespace
}  // namespace engram::json
