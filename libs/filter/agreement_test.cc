// Random filters and expressions over records of every type: the evaluator and
// SQLite must say the same of each. ENGRAM_TEST_SEED tries others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "libs/filter/filter.h"
#include "libs/filter/testing/sample_records.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::filter {
namespace {

using google::protobuf::Struct;
using schema::FieldType;
using schema::FieldValue;
using testing::SampleField;
using testing::SampleFields;
using testing::SampleScope;
using testing::SampleTable;
using testing::TellingRecords;
using testing::TellingValues;

constexpr int kCases = 20'000;

uint32_t Seed() {
  uint32_t seed = 20260203;
  const char* const given = std::getenv("ENGRAM_TEST_SEED");
  if (given != nullptr && !absl::SimpleAtoi(given, &seed)) std::abort();
  return seed;
}

// Writes random texts that mostly parse, with their parameters.
class Writer {
 public:
  explicit Writer(std::mt19937& random) : random_(random) {}

  std::string Condition(int depth) {
    if (depth <= 0) return Predicate(0);
    switch (Below(8)) {
      case 0:
        return absl::StrCat(Condition(depth - 1), " AND ",
                            Condition(depth - 1));
      case 1:
        return absl::StrCat("(", Condition(depth - 1), " OR ",
                            Condition(depth - 1), ")");
      case 2:
        return absl::StrCat("(", Condition(depth - 1), ") AND (",
                            Condition(depth - 1), ")");
      case 3:
        return absl::StrCat("NOT (", Condition(depth - 1), ")");
      case 4:
        return absl::StrCat("NOT ", Predicate(depth - 1));
      default:
        return Predicate(depth);
    }
  }

  std::string Expression(FieldType type, int depth) {
    switch (type) {
      case FieldType::kInt:
        return Int(depth);
      case FieldType::kDouble:
        return Number(depth);
      case FieldType::kBool:
        return Below(2) == 0 ? Condition(depth) : Bool(depth);
      case FieldType::kTimestamp:
        return Time(depth);
      case FieldType::kJson:
        return Below(2) == 0
                   ? Json()
                   : absl::StrCat("coalesce(", Json(), ", ", Json(), ")");
      case FieldType::kBytes:
        return Bytes(depth);
      case FieldType::kStrings:
        return Below(2) == 0 ? Field(FieldType::kStrings)
                             : absl::StrCat("coalesce(tags, ",
                                            Field(FieldType::kStrings), ")");
      default:
        return String(depth);
    }
  }

  Struct TakeParameters() { return std::exchange(parameters_, Struct()); }

 private:
  int Below(int bound) {
    return std::uniform_int_distribution<int>(0, bound - 1)(random_);
  }
  template <typename T>
  const T& Pick(const std::vector<T>& from) {
    return from[Below(static_cast<int>(from.size()))];
  }

  std::string Parameter(const google::protobuf::Value& value) {
    const std::string name = absl::StrCat("p", parameters_.fields_size());
    (*parameters_.mutable_fields())[name] = value;
    return ":" + name;
  }

  std::string Field(FieldType type) {
    std::vector<std::string> names;
    for (const SampleField& field : SampleFields()) {
      if (field.type == type) names.emplace_back(field.name);
    }
    return Pick(names);
  }

  google::protobuf::Value Telling(FieldType type) {
    google::protobuf::Value value;
    const FieldValue held = Pick(TellingValues(type));
    if (!EncodeValue(type, held, &value).ok()) std::abort();
    return value;
  }

  static std::string Quoted(const std::string& text) {
    std::string quoted = "'";
    for (const char c : text) {
      if (c == '\'' || c == '\\') quoted.push_back('\\');
      quoted.push_back(c);
    }
    return quoted + "'";
  }

  // A telling value, as a literal if it can be written as one.
  std::string Literal(FieldType type) {
    const google::protobuf::Value value = Telling(type);
    if (Below(2) == 0 || value.has_null_value()) return Parameter(value);
    if (value.has_string_value()) {
      const std::string& text = value.string_value();
      return type == FieldType::kInt ? text : Quoted(text);
    }
    if (value.has_bool_value()) return value.bool_value() ? "TRUE" : "false";
    char digits[40];
    snprintf(digits, sizeof(digits), "%.17g", value.number_value());
    return digits;
  }

  std::string Int(int depth) {
    if (depth <= 0) {
      return Below(3) == 0 ? Literal(FieldType::kInt) : Field(FieldType::kInt);
    }
    switch (Below(6)) {
      case 0:
        return absl::StrCat("(", Int(depth - 1), " + ", Int(depth - 1), ")");
      case 1:
        return absl::StrCat(Int(depth - 1), " - ", Int(0));
      case 2:
        return absl::StrCat(Int(0), " * (", Int(depth - 1), ")");
      case 3:
        return absl::StrCat(Below(2) == 0 ? "min(" : "MAX(", Int(depth - 1),
                            ", ", Int(depth - 1), ")");
      case 4:
        return absl::StrCat("coalesce(", Int(depth - 1), ", ", Int(depth - 1),
                            ")");
      default:
        return absl::StrCat("-(", Int(depth - 1), ")");
    }
  }

  std::string Number(int depth) {
    if (depth <= 0) {
      switch (Below(6)) {
        case 0:
          return Int(0);
        case 1:
          return Literal(FieldType::kDouble);
        case 2:
          return Path();
        default:
          return Field(FieldType::kDouble);
      }
    }
    static const std::vector<std::string> kOperators = {" + ", " - ", " * ",
                                                        " / "};
    switch (Below(8)) {
      case 0:
        return absl::StrCat("round(", Number(depth - 1), ")");
      case 1:
        return absl::StrCat("round(", Number(depth - 1), ", ", Below(4), ")");
      case 2:
        return absl::StrCat(Below(2) == 0 ? "min(" : "max(", Number(depth - 1),
                            ", ", Number(depth - 1), ", ", Number(0), ")");
      case 3:
        return absl::StrCat("coalesce(", Number(depth - 1), ", ",
                            Number(depth - 1), ")");
      case 4:
        return absl::StrCat("(", Time(depth - 1), " - (", Time(depth - 1),
                            ")) / ", Duration(0));
      case 5:
        return absl::StrCat(Number(depth - 1), Pick(kOperators), "(",
                            Number(depth - 1), ")");
      default:
        return absl::StrCat("(", Number(depth - 1), Pick(kOperators),
                            Number(depth - 1), ")");
    }
  }

  std::string Time(int depth) {
    if (depth <= 0) {
      switch (Below(4)) {
        case 0:
          return "now";
        case 1:
          return absl::StrCat("coalesce(created, ",
                              Literal(FieldType::kTimestamp), ")");
        default:
          return Field(FieldType::kTimestamp);
      }
    }
    switch (Below(4)) {
      case 0:
        return absl::StrCat(Time(depth - 1), " + ", Duration(depth - 1));
      case 1:
        return absl::StrCat("(", Time(depth - 1), " - (", Duration(depth - 1),
                            "))");
      case 2:
        return absl::StrCat("max(", Time(depth - 1), ", ", Time(depth - 1),
                            ")");
      default:
        return Time(depth - 1);
    }
  }

  std::string Duration(int depth) {
    static const std::vector<std::string> kDurations = {
        "7d", "1h30m", "10s 500ms", "0s", "36500d", "3000000d", "100000000d"};
    if (depth <= 0) {
      if (Below(5) > 0) return Pick(kDurations);
      google::protobuf::Value value;
      value.set_string_value("2d 3h");
      return Parameter(value);
    }
    switch (Below(6)) {
      case 0:
        return absl::StrCat("(", Time(depth - 1), " - (", Time(depth - 1),
                            "))");
      case 1:
        return absl::StrCat(Duration(0), " * ", Int(0));
      case 2:
        return absl::StrCat(Field(FieldType::kDouble), " * ", Duration(0));
      case 3:
        return absl::StrCat(Duration(0), " / (", Number(depth - 1), ")");
      case 4:
        return absl::StrCat("-", Duration(0));
      default:
        return absl::StrCat("min(", Duration(depth - 1), ", ",
                            Duration(depth - 1), ")");
    }
  }

  std::string String(int depth) {
    const FieldType type = Below(2) == 0   ? FieldType::kString
                           : Below(2) == 0 ? FieldType::kText
                                           : FieldType::kRef;
    if (depth > 0 && Below(3) == 0) {
      return absl::StrCat("coalesce(", String(depth - 1), ", ", String(0), ")");
    }
    if (Below(6) == 0) return absl::StrCat("coalesce(", Path(), ", title)");
    return Below(4) == 0 ? Literal(type) : Field(type);
  }

  std::string Bool(int depth) {
    if (depth > 0) {
      return absl::StrCat("coalesce(", Bool(0), ", ", Bool(depth - 1), ")");
    }
    return Below(4) == 0 ? Literal(FieldType::kBool) : Field(FieldType::kBool);
  }

  std::string Bytes(int depth) {
    if (depth > 0) return absl::StrCat("coalesce(hash, ", Bytes(0), ")");
    return Below(2) == 0 ? "hash"
                         : absl::StrCat("coalesce(hash, ",
                                        Literal(FieldType::kBytes), ")");
  }

  std::string Path() {
    static const std::vector<std::string> kPaths = {
        "metadata.a",    "metadata.b",           "metadata.c",
        "json.a",        "metadata.a.b[1]",      "json[1]",
        "json.a[0]",     "metadata.\"odd key\"", "json.a.b[3][0]",
        "metadata.type", "json.value",           "metadata.\"\"",
        "metadata.d"};
    return Pick(kPaths);
  }

  std::string Json() {
    return Below(3) == 0 ? Field(FieldType::kJson) : Path();
  }

  std::string Comparison() {
    static const std::vector<std::string> kComparisons = {
        " = ", " != ", " < ", "<=", " > ", " >= "};
    return Pick(kComparisons);
  }

  std::string List(const std::function<std::string()>& element,
                   FieldType type) {
    if (Below(3) > 0) {
      std::string list = "(";
      for (int count = Below(4); count > 0; --count) {
        absl::StrAppend(&list, list.size() > 1 ? ", " : "", element());
      }
      return list + ")";
    }
    google::protobuf::Value list;
    list.mutable_list_value();
    for (int count = Below(20); count > 0; --count) {
      *list.mutable_list_value()->add_values() = Telling(type);
    }
    return Parameter(list);
  }

  std::string In(const std::string& left, FieldType type) {
    return absl::StrCat(left, Below(3) == 0 ? " NOT IN " : " in ",
                        List([&] { return Literal(type); }, type));
  }

  std::string Predicate(int depth) {
    switch (Below(16)) {
      case 0:
        return absl::StrCat(Int(depth), Comparison(), Int(depth));
      case 1:
        return absl::StrCat(Number(depth), Comparison(), Number(depth));
      case 2:
        return absl::StrCat(Int(depth), Comparison(), Number(depth));
      case 3:
        return absl::StrCat(String(depth), Comparison(), String(depth));
      case 4:
        return absl::StrCat(Time(depth), Comparison(), Time(depth));
      case 5:
        return absl::StrCat(Duration(depth), Comparison(), Duration(0));
      case 6:
        return Below(2) == 0
                   ? absl::StrCat(Bytes(depth), " = ", Bytes(depth))
                   : absl::StrCat("hash != ", Literal(FieldType::kBytes));
      case 7:
        return Below(2) == 0 ? Bool(depth)
                             : absl::StrCat(Bool(depth), " != ", Bool(0));
      case 8: {
        static const std::vector<FieldType> kTypes = {
            FieldType::kString, FieldType::kText,      FieldType::kInt,
            FieldType::kDouble, FieldType::kTimestamp, FieldType::kBytes,
            FieldType::kBool};
        const FieldType type = Pick(kTypes);
        return In(Field(type), type);
      }
      case 9:
        return In(Path(),
                  Below(2) == 0 ? FieldType::kString : FieldType::kDouble);
      case 10: {
        static const std::vector<std::string> kElements = {
            "'sql'",  "'SQL'", "'a\\\"b'", "','",
            "'\\\\'", "'ü'",   "''",       "'\\u0001'"};
        static const std::vector<std::string> kLists = {
            "tags", "labels", "type", "metadata.list", "json", "json.a.b"};
        return absl::StrCat(Pick(kLists), " HAS ", Pick(kElements));
      }
      case 11: {
        static const std::vector<std::string> kPatterns = {
            "'a%'", "'%B%'",     "'_b_'",     "'%'",
            "''",   "'ab\\\\%'", "'a\\\\_b'", "'%\\\\\\\\%'",
            "'_'",  "'%\\'%'",   "'%a%b%'"};
        return absl::StrCat(String(depth), " LIKE ", Pick(kPatterns));
      }
      case 12:
        return absl::StrCat(Below(2) == 0 ? String(depth) : Path(), " PREFIX ",
                            Literal(FieldType::kString));
      case 13:
        return absl::StrCat(Below(2) == 0
                                ? Number(depth)
                                : Field(SampleFields()[Below(15)].type),
                            Below(2) == 0 ? " IS NULL" : " IS NOT NULL");
      case 14:
        return absl::StrCat("EXISTS ", Json());
      default:
        switch (Below(4)) {
          case 0:
            return absl::StrCat(Path(), Comparison(), Path());
          case 1:
            return absl::StrCat(Path(), Comparison(),
                                Literal(FieldType::kString));
          case 2:
            return absl::StrCat(Path(), Comparison(), Int(0));
          default:
            return absl::StrCat(Path(), " = ", Bool(0));
        }
    }
  }

  std::mt19937& random_;
  Struct parameters_;
};

class AgreementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        table_,
        SampleTable::Create(directory_.File("sample.db"), TellingRecords(120)));
  }

  engram::testing::TempDirectory directory_;
  std::unique_ptr<SampleTable> table_;
  std::mt19937 random_{Seed()};
  const SampleScope scope_;
};

TEST_F(AgreementTest, OnRandomConditions) {
  Writer writer(random_);
  int refused = 0;
  for (int i = 0; i < kCases; ++i) {
    const std::string text = writer.Condition(i % 4);
    const Struct parameters = writer.TakeParameters();
    const auto node = ParseFilter(text, scope_, parameters);
    if (!node.ok()) {
      ++refused;
      continue;
    }
    ASSERT_OK(table_->CheckCondition(*node)) << text << "\n"
                                             << parameters.ShortDebugString();
  }
  // Such as a parameter that is a string of digits beside a double.
  EXPECT_LT(refused, kCases / 5);
}

TEST_F(AgreementTest, OnRandomExpressions) {
  static constexpr FieldType kTypes[] = {
      FieldType::kString, FieldType::kInt,       FieldType::kDouble,
      FieldType::kBool,   FieldType::kTimestamp, FieldType::kJson,
      FieldType::kBytes,  FieldType::kStrings};
  Writer writer(random_);
  int refused = 0;
  for (int i = 0; i < kCases; ++i) {
    const FieldType type = kTypes[i % 8];
    const std::string text = writer.Expression(type, i / 8 % 5);
    const Struct parameters = writer.TakeParameters();
    const auto node = ParseExpression(text, scope_, type, parameters);
    if (!node.ok()) {
      ++refused;
      continue;
    }
    ASSERT_OK(table_->CheckValue(*node)) << text << "\n"
                                         << parameters.ShortDebugString();
  }
  EXPECT_LT(refused, kCases / 5);
}

}  // namespace
}  // namespace engram::filter
