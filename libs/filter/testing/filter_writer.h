#ifndef ENGRAM_LIBS_FILTER_TESTING_FILTER_WRITER_H_
#define ENGRAM_LIBS_FILTER_TESTING_FILTER_WRITER_H_

#include <cstdlib>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "libs/filter/testing/sample_records.h"
#include "libs/schema/field_value.h"

namespace engram::filter::testing {

// Writes random filters and expressions over the sample fields that mostly
// parse, with their parameters.
class FilterWriter {
 public:
  explicit FilterWriter(std::mt19937& random) : random_(random) {}

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

  std::string Expression(schema::FieldType type, int depth) {
    switch (type) {
      case schema::FieldType::kInt:
        return Int(depth);
      case schema::FieldType::kDouble:
        return Number(depth);
      case schema::FieldType::kBool:
        return Below(2) == 0 ? Condition(depth) : Bool(depth);
      case schema::FieldType::kTimestamp:
        return Time(depth);
      case schema::FieldType::kJson:
        return Below(2) == 0
                   ? Json()
                   : absl::StrCat("coalesce(", Json(), ", ", Json(), ")");
      case schema::FieldType::kBytes:
        return Bytes(depth);
      case schema::FieldType::kStrings:
        return Below(2) == 0
                   ? Field(schema::FieldType::kStrings)
                   : absl::StrCat("coalesce(tags, ",
                                  Field(schema::FieldType::kStrings), ")");
      default:
        return String(depth);
    }
  }

  google::protobuf::Struct TakeParameters() {
    return std::exchange(parameters_, google::protobuf::Struct());
  }

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

  std::string Field(schema::FieldType type) {
    std::vector<std::string> names;
    for (const SampleField& field : SampleFields()) {
      if (field.type == type) names.emplace_back(field.name);
    }
    return Pick(names);
  }

  google::protobuf::Value Telling(schema::FieldType type) {
    google::protobuf::Value value;
    const schema::FieldValue held = Pick(TellingValues(type));
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
  std::string Literal(schema::FieldType type) {
    const google::protobuf::Value value = Telling(type);
    if (Below(2) == 0 || value.has_null_value()) return Parameter(value);
    if (value.has_string_value()) {
      const std::string& text = value.string_value();
      return type == schema::FieldType::kInt ? text : Quoted(text);
    }
    if (value.has_bool_value()) return value.bool_value() ? "TRUE" : "false";
    char digits[40];
    snprintf(digits, sizeof(digits), "%.17g", value.number_value());
    return digits;
  }

  std::string Int(int depth) {
    if (depth <= 0) {
      return Below(3) == 0 ? Literal(schema::FieldType::kInt)
                           : Field(schema::FieldType::kInt);
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
          return Literal(schema::FieldType::kDouble);
        case 2:
          return Path();
        default:
          return Field(schema::FieldType::kDouble);
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
                              Literal(schema::FieldType::kTimestamp), ")");
        default:
          return Field(schema::FieldType::kTimestamp);
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
        return absl::StrCat(Field(schema::FieldType::kDouble), " * ",
                            Duration(0));
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
    const schema::FieldType type = Below(2) == 0   ? schema::FieldType::kString
                                   : Below(2) == 0 ? schema::FieldType::kText
                                                   : schema::FieldType::kRef;
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
    return Below(4) == 0 ? Literal(schema::FieldType::kBool)
                         : Field(schema::FieldType::kBool);
  }

  std::string Bytes(int depth) {
    if (depth > 0) return absl::StrCat("coalesce(hash, ", Bytes(0), ")");
    return Below(2) == 0
               ? "hash"
               : absl::StrCat("coalesce(hash, ",
                              Literal(schema::FieldType::kBytes), ")");
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
    return Below(3) == 0 ? Field(schema::FieldType::kJson) : Path();
  }

  std::string Comparison() {
    static const std::vector<std::string> kComparisons = {
        " = ", " != ", " < ", "<=", " > ", " >= "};
    return Pick(kComparisons);
  }

  std::string List(const std::function<std::string()>& element,
                   schema::FieldType type) {
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

  std::string In(const std::string& left, schema::FieldType type) {
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
        return Below(2) == 0 ? absl::StrCat(Bytes(depth), " = ", Bytes(depth))
                             : absl::StrCat("hash != ",
                                            Literal(schema::FieldType::kBytes));
      case 7:
        return Below(2) == 0 ? Bool(depth)
                             : absl::StrCat(Bool(depth), " != ", Bool(0));
      case 8: {
        static const std::vector<schema::FieldType> kTypes = {
            schema::FieldType::kString,    schema::FieldType::kText,
            schema::FieldType::kInt,       schema::FieldType::kDouble,
            schema::FieldType::kTimestamp, schema::FieldType::kBytes,
            schema::FieldType::kBool};
        const schema::FieldType type = Pick(kTypes);
        return In(Field(type), type);
      }
      case 9:
        return In(Path(), Below(2) == 0 ? schema::FieldType::kString
                                        : schema::FieldType::kDouble);
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
                            Literal(schema::FieldType::kString));
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
                                Literal(schema::FieldType::kString));
          case 2:
            return absl::StrCat(Path(), Comparison(), Int(0));
          default:
            return absl::StrCat(Path(), " = ", Bool(0));
        }
    }
  }

  std::mt19937& random_;
  google::protobuf::Struct parameters_;
};

}  // namespace engram::filter::testing

#endif  // ENGRAM_LIBS_FILTER_TESTING_FILTER_WRITER_H_
