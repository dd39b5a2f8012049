#include "libs/filter/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/filter/filter.h"
#include "libs/filter/testing/sample_records.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::filter {
namespace {

using google::protobuf::Struct;
using schema::Blob;
using schema::FieldType;
using schema::FieldValue;
using testing::kNowUs;
using testing::PlaceOf;
using testing::Record;
using testing::SampleFields;
using testing::SampleScope;
using testing::SampleTable;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kDay = 86'400'000'000;

// One record, and one that has nothing; whatever is asked of them is asked of
// SQLite as well.
class EvaluateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    Set("title", "Fact");
    Set("name", "Ada");
    Set("owner", "o-1");
    Set("count", int64_t{7});
    Set("size", kMax);
    Set("score", 0.5);
    Set("ready", int64_t{1});
    Set("hidden", int64_t{0});
    Set("created", kNowUs - 3 * kDay);
    Set("metadata",
        R"({"a":{"b":[1,"two"]},"flag":true,"n":2.5,"none":null,"s":"x"})");
    Set("json", R"({"tags":["sql","a\"b",5],"text":"sql"})");
    Set("hash", Blob{std::string("\0\1\2", 3)});
    Set("tags", R"(["sql","a\"b",""])");
    ASSERT_OK_AND_ASSIGN(table_, SampleTable::Create(directory_.File("one.db"),
                                                     {record_, empty_}));
  }

  void Set(absl::string_view field, FieldValue value) {
    record_[PlaceOf(field)] = std::move(value);
  }

  static Struct FromJson(const std::string& json) {
    Struct parameters;
    if (!google::protobuf::util::JsonStringToMessage(json, &parameters).ok()) {
      std::abort();
    }
    return parameters;
  }

  bool MatchesOf(const Record& record, const Node& node) {
    return Matches(
        node, [&](int place) -> const FieldValue& { return record[place]; },
        kNowUs);
  }

  // Whether the record, or the empty one, meets `text`.
  bool Is(const std::string& text, const std::string& parameters = "{}") {
    return MatchesOf(record_, Parse(text, parameters));
  }
  bool EmptyIs(const std::string& text, const std::string& parameters = "{}") {
    return MatchesOf(empty_, Parse(text, parameters));
  }

  FieldValue Value(const std::string& text, FieldType type) {
    const auto node = ParseExpression(text, SampleScope(), type, Struct());
    EXPECT_OK(node) << text;
    if (!node.ok()) return "refused";
    EXPECT_OK(table_->CheckValue(*node)) << text;
    return Evaluate(
        *node, [&](int place) -> const FieldValue& { return record_[place]; },
        kNowUs);
  }
  FieldValue Int(const std::string& text) {
    return Value(text, FieldType::kInt);
  }
  FieldValue Double(const std::string& text) {
    return Value(text, FieldType::kDouble);
  }
  FieldValue Time(const std::string& text) {
    return Value(text, FieldType::kTimestamp);
  }

  Record record_ = Record(SampleFields().size());
  const Record empty_ = Record(SampleFields().size());

 private:
  Node Parse(const std::string& text, const std::string& parameters) {
    const auto node = ParseFilter(text, SampleScope(), FromJson(parameters));
    EXPECT_OK(node) << text;
    if (!node.ok()) return Node();
    EXPECT_OK(table_->CheckCondition(*node)) << text;
    return *node;
  }

  engram::testing::TempDirectory directory_;
  std::unique_ptr<SampleTable> table_;
};

TEST_F(EvaluateTest, AComparisonWithAMissingValueIsFalse) {
  for (const char* op : {"=", "!=", "<", "<=", ">", ">="}) {
    EXPECT_FALSE(EmptyIs(absl::StrCat("count ", op, " 7"))) << op;
    EXPECT_FALSE(EmptyIs(absl::StrCat("7 ", op, " count"))) << op;
    EXPECT_FALSE(EmptyIs(absl::StrCat("title ", op, " name"))) << op;
    EXPECT_FALSE(Is(absl::StrCat("count ", op, " :x"), R"({"x":null})")) << op;
  }
  EXPECT_TRUE(EmptyIs("NOT count = 7"));
  EXPECT_TRUE(EmptyIs("count NOT IN (7)"));
  EXPECT_TRUE(EmptyIs("title NOT LIKE 'F%' AND title NOT PREFIX 'F'"));
  EXPECT_TRUE(EmptyIs("tags NOT HAS 'sql'"));
  EXPECT_FALSE(EmptyIs("ready"));
  EXPECT_FALSE(EmptyIs("ready != true"));
  EXPECT_TRUE(EmptyIs("NOT ready"));
  EXPECT_TRUE(EmptyIs("count IS NULL AND count + 1 IS NULL"));
  EXPECT_TRUE(Is("count IS NOT NULL AND updated IS NULL"));
}

TEST_F(EvaluateTest, ComparesStringsByBytesOrWithoutCase) {
  EXPECT_TRUE(Is("title = 'Fact' AND title != 'fact'"));
  EXPECT_TRUE(Is("title < 'a' AND title > 'F' AND title < 'ü'"));
  EXPECT_TRUE(Is("name = 'aDA' AND NOT name != 'ADA'"));
  EXPECT_TRUE(Is("name < 'ADB' AND 'ADB' > name AND name >= 'ada'"));
  EXPECT_TRUE(Is("name IN ('x', 'ADA') AND title NOT IN ('FACT', 'fact')"));
  EXPECT_TRUE(Is("coalesce(name, 'x') = 'ADA'"));
}

TEST_F(EvaluateTest, LikeIgnoresCaseAndPrefixDoesNot) {
  EXPECT_TRUE(Is("title LIKE 'f%' AND title LIKE '_ACT' AND title LIKE '%A%'"));
  EXPECT_FALSE(Is("title LIKE 'f' OR title LIKE '_' OR title LIKE ''"));
  EXPECT_TRUE(Is("title PREFIX 'Fa' AND title PREFIX ''"));
  EXPECT_FALSE(
      Is("title PREFIX 'fa' OR name PREFIX 'ada' OR title PREFIX 'Facts'"));
  Set("title", "100%_\\ü");
  EXPECT_TRUE(
      MatchesOf(record_, *ParseFilter("title LIKE '100\\\\%\\\\_\\\\\\\\_'",
                                      SampleScope(), Struct())));
  EXPECT_FALSE(MatchesOf(record_, *ParseFilter("title LIKE '100\\\\_%'",
                                               SampleScope(), Struct())));
}

TEST_F(EvaluateTest, LikeTakesNoExponentialTime) {
  Set("title", std::string(100'000, 'a'));
  std::string pattern;
  for (int i = 0; i < 1'000; ++i) pattern += "%a";
  const auto node = ParseFilter(absl::StrCat("title LIKE '", pattern, "b'"),
                                SampleScope(), Struct());
  EXPECT_FALSE(MatchesOf(record_, *node));
}

TEST_F(EvaluateTest, ListsThatAreEmpty) {
  EXPECT_FALSE(Is("title IN :files", R"({"files":[]})"));
  EXPECT_TRUE(Is("title NOT IN :files", R"({"files":[]})"));
  EXPECT_TRUE(EmptyIs("NOT title IN ()"));
  EXPECT_FALSE(Is("metadata.s IN ()"));
  EXPECT_TRUE(Is("title NOT IN (:x)", R"({"x":null})"));
}

TEST_F(EvaluateTest, ListsOfEveryType) {
  EXPECT_TRUE(Is("title IN :x", R"({"x":["a","Fact"]})"));
  EXPECT_TRUE(Is("size IN :x", R"({"x":[1,"9223372036854775807"]})"));
  EXPECT_TRUE(Is("count IN (1, 7.0) AND count NOT IN (7.5)"));
  EXPECT_TRUE(Is("score IN (0.5, 1) AND score NOT IN (1, 2)"));
  EXPECT_TRUE(Is("hash IN ('AAEC', 'AA==') AND ready IN (true)"));
  EXPECT_TRUE(Is("created IN (:t)", R"({"t":"2026-01-31T04:05:06.789Z"})"));
  std::string many = R"({"x":[)";
  for (int i = 0; i < 5'000; ++i) absl::StrAppend(&many, "\"", i, "\",");
  EXPECT_TRUE(Is("title IN :x AND name IN :y", many + R"("Fact"],"y":[
      "a","b","c","d","e","f","g","h","i","j","aDa"]})"));
}

TEST_F(EvaluateTest, NumbersCompareExactly) {
  EXPECT_TRUE(Is("size < 9223372036854775808.0 AND size != 1e19"));
  EXPECT_TRUE(Is("size > 9223372036854774784.0"));
  EXPECT_TRUE(Is("count = 7.0 AND count < 7.5 AND count > 6.999999999999999"));
  EXPECT_TRUE(Is("score < 1 AND score > 0 AND score != 9007199254740993"));
}

TEST_F(EvaluateTest, IntArithmeticIsMissingWhereItOverflows) {
  EXPECT_EQ(Int("count * 2 - 3"), FieldValue(int64_t{11}));
  EXPECT_EQ(Int("size + 1"), FieldValue());
  EXPECT_EQ(Int("size + 1 - 1"), FieldValue());
  EXPECT_EQ(Int("-size - 1"), FieldValue(-kMax - 1));
  EXPECT_EQ(Int("-size - 2"), FieldValue());
  EXPECT_EQ(Int("-(-size - 1)"), FieldValue());
  EXPECT_EQ(Int("size * 2 * 0"), FieldValue());
  EXPECT_EQ(Int("min(size + 1, 5)"), FieldValue());
  EXPECT_EQ(Int("coalesce(size + 1, 5)"), FieldValue(int64_t{5}));
  EXPECT_EQ(Int("- -count"), FieldValue(int64_t{7}));
}

TEST_F(EvaluateTest, DivisionIsOfDoubles) {
  EXPECT_EQ(Double("count / 2"), FieldValue(3.5));
  EXPECT_EQ(Double("count / 0"), FieldValue());
  EXPECT_EQ(Double("count / (score - 0.5)"), FieldValue());
  EXPECT_EQ(Double("1e308 * 10"), FieldValue());
  EXPECT_EQ(Double("1 / (1e308 * 10)"), FieldValue());
  EXPECT_EQ(Double("1e308 * 10 - 1e308 * 10"), FieldValue());
  EXPECT_EQ(Double("count"), FieldValue(7.0));
  EXPECT_EQ(Double("(score * 2 + 0.25 * 4) / 2"), FieldValue(1.0));
}

TEST_F(EvaluateTest, RoundsHalfAwayFromZero) {
  EXPECT_EQ(Double("round(2.5)"), FieldValue(3.0));
  EXPECT_EQ(Double("round(-2.5)"), FieldValue(-3.0));
  EXPECT_EQ(Double("round(count)"), FieldValue(7.0));
  EXPECT_EQ(Double("round(1.23456, 2)"), FieldValue(1.23));
  EXPECT_EQ(Double("round(0.125, 2)"), FieldValue(0.13));
  EXPECT_EQ(Double("round(1e300)"), FieldValue(1e300));
}

TEST_F(EvaluateTest, MinAndMaxAreMissingIfOneIsAndCoalesceIsNot) {
  EXPECT_EQ(Int("min(count, 3, 9)"), FieldValue(int64_t{3}));
  EXPECT_EQ(Double("max(count, score)"), FieldValue(7.0));
  EXPECT_EQ(Double("max(count, weight)"), FieldValue());
  EXPECT_EQ(Int("coalesce(min, new.count, count)"), FieldValue(int64_t{7}));
  EXPECT_EQ(Time("min(created, now)"), FieldValue(kNowUs - 3 * kDay));
  EXPECT_EQ(Value("coalesce(value, title)", FieldType::kString),
            FieldValue("Fact"));
  EXPECT_EQ(Value("coalesce(hash, 'AA==')", FieldType::kBytes),
            FieldValue(Blob{std::string("\0\1\2", 3)}));
}

TEST_F(EvaluateTest, TimesAndDurationsCompute) {
  EXPECT_TRUE(Is("created > now - 7d AND created < now - 2d"));
  EXPECT_TRUE(Is("now - created = 3d AND created + 36h < now"));
  EXPECT_TRUE(Is("created = '2026-01-31T04:05:06.789Z'"));
  EXPECT_TRUE(Is("created = '2026-01-31T06:05:06.789+02:00'"));
  EXPECT_TRUE(Is("now - created > :x", R"({"x":"2d 23h"})"));
  EXPECT_TRUE(
      Is("now - :start = 3d", R"({"start":"2026-01-31T04:05:06.789Z"})"));
  EXPECT_EQ(Double("(now - created) / 1h"), FieldValue(72.0));
  EXPECT_EQ(Time("now + 2 * 12h"), FieldValue(kNowUs + kDay));
  EXPECT_EQ(Time("now - 1d * score"), FieldValue(kNowUs - kDay / 2));
  EXPECT_EQ(Time("now + 1d / 3"), FieldValue(kNowUs + kDay / 3));
  // The years end at 9999, also on the way.
  EXPECT_EQ(Time("now + 3000000d"), FieldValue());
  EXPECT_EQ(Time("now - 800000d"), FieldValue());
  EXPECT_EQ(Time("now + 3000000d - 3000000d"), FieldValue(kNowUs));
  EXPECT_EQ(Time("now + 1d * 1e300"), FieldValue());
  EXPECT_EQ(Time("now + 1d / 0"), FieldValue());
}

TEST_F(EvaluateTest, JsonComparesWhereItsTypeFits) {
  EXPECT_TRUE(Is("metadata.a.b[0] = 1 AND metadata.a.b[1] = 'two'"));
  EXPECT_TRUE(Is("metadata.n > 2 AND metadata.n < count AND metadata.flag"));
  EXPECT_FALSE(Is("metadata.n != 'x' OR metadata.s != 5 OR metadata.s = true"));
  EXPECT_TRUE(Is("NOT metadata.s != 5"));
  EXPECT_FALSE(Is("metadata.a.b[2] = 1 OR metadata.a.b.c = 1 OR metadata.q"));
  EXPECT_TRUE(Is("metadata.n * 2 = 5 AND metadata.s PREFIX 'x'"));
  EXPECT_TRUE(Is("metadata.s IN (5, 'x') AND metadata.n NOT IN ('x', true)"));
  EXPECT_TRUE(Is("metadata.a.b[0] < metadata.n AND metadata.s > json.text"));
  EXPECT_FALSE(Is("metadata.n < metadata.s OR metadata.n != metadata.flag"));
  EXPECT_EQ(Value("metadata.s", FieldType::kString), FieldValue("x"));
  EXPECT_EQ(Value("metadata.n", FieldType::kString), FieldValue());
  EXPECT_EQ(Value("metadata.a", FieldType::kJson),
            FieldValue(R"({"b":[1,"two"]})"));
  EXPECT_EQ(Value("coalesce(metadata.none, metadata.n)", FieldType::kJson),
            FieldValue("2.5"));
}

TEST_F(EvaluateTest, NullInJsonIsThereButHasNoValue) {
  EXPECT_TRUE(Is("EXISTS metadata.none AND metadata.none IS NULL"));
  EXPECT_TRUE(Is("NOT EXISTS metadata.nothing AND metadata.nothing IS NULL"));
  EXPECT_TRUE(Is("EXISTS metadata.a.b[1] AND NOT EXISTS metadata.a.b[2]"));
  EXPECT_FALSE(Is("metadata.none = 5 OR metadata.none != 5"));
  EXPECT_FALSE(EmptyIs("EXISTS metadata OR EXISTS metadata.a"));
}

TEST_F(EvaluateTest, HasAsksForAnElement) {
  EXPECT_TRUE(Is("tags HAS 'sql' AND tags HAS 'a\"b' AND tags HAS ''"));
  EXPECT_FALSE(Is("tags HAS 'SQL' OR tags HAS 'sq' OR tags HAS 'a'"));
  EXPECT_TRUE(
      Is("json.tags HAS 'sql' AND json.tags HAS :x", R"({"x":"a\"b"})"));
  // Not a list, and not a string.
  EXPECT_FALSE(
      Is("json.text HAS 'sql' OR json.tags HAS '5' OR json HAS 'sql'"));
}

TEST_F(EvaluateTest, AConditionAsAValueIsNeverMissing) {
  EXPECT_EQ(Value("count > 5 AND ready", FieldType::kBool),
            FieldValue(int64_t{1}));
  EXPECT_EQ(Value("weight > 5", FieldType::kBool), FieldValue(int64_t{0}));
  EXPECT_EQ(Value("coalesce(metadata.nothing, hidden)", FieldType::kBool),
            FieldValue(int64_t{0}));
}

TEST_F(EvaluateTest, AValueOfAnotherTypeThanTheFieldsIsMissing) {
  // As after another hand changed the file.
  Set("count", "text");
  Set("title", int64_t{5});
  Set("metadata", "{\"a\":[1,{");
  EXPECT_FALSE(MatchesOf(
      record_, *ParseFilter("count > 1 OR title = 'a' OR metadata.a[1].b = 1",
                            SampleScope(), Struct())));
}

}  // namespace
}  // namespace engram::filter
