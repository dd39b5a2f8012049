#include "tests/systems/rule_breaker.h"

#include <re2/re2.h>

#include <cstdint>
#include <variant>

#include "absl/strings/str_cat.h"

namespace engram::systems {
namespace {

using google::protobuf::Struct;
using google::protobuf::Value;
using schema::FieldSpec;
using schema::FieldType;

Value NullValue() {
  Value value;
  value.set_null_value(google::protobuf::NULL_VALUE);
  return value;
}

Value StringValue(const std::string& text) {
  Value value;
  value.set_string_value(text);
  return value;
}

Value NumberValue(double number) {
  Value value;
  value.set_number_value(number);
  return value;
}

// A value that is none of the type's.
Value WrongType(FieldType type) {
  switch (type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kRef:
    case FieldType::kBytes:
      return NumberValue(7);
    default:
      return StringValue("neither number nor time");
  }
}

// A value of the type, whatever the field's rules are.
Value AnyOf(FieldType type) {
  switch (type) {
    case FieldType::kInt:
    case FieldType::kDouble:
      return NumberValue(7);
    case FieldType::kBool: {
      Value value;
      value.set_bool_value(true);
      return value;
    }
    case FieldType::kTimestamp:
      return StringValue("2001-02-03T04:05:06Z");
    case FieldType::kStrings: {
      Value value;
      value.mutable_list_value();
      return value;
    }
    default:
      return StringValue("seven");
  }
}

// `text` as the field carries a string: the only element of a strings field.
Value Text(const FieldSpec& field, const std::string& text) {
  if (field.type != FieldType::kStrings) return StringValue(text);
  Value value;
  value.mutable_list_value()->add_values()->set_string_value(text);
  return value;
}

// The number that lies `distance` beyond a bound.
Value Beyond(const schema::FieldValue& bound, int distance) {
  if (const auto* whole = std::get_if<int64_t>(&bound)) {
    return NumberValue(static_cast<double>(*whole + distance));
  }
  return NumberValue(std::get<double>(bound) + distance);
}

Value TooLong(const FieldSpec& field) {
  const int64_t length = *field.max_length + 1;
  if (field.type == FieldType::kStrings) {
    Value value;
    for (int64_t i = 0; i < length; ++i) {
      value.mutable_list_value()->add_values()->set_string_value("x");
    }
    return value;
  }
  if (field.type == FieldType::kBytes) {
    return StringValue(std::string((length + 2) / 3 * 4, 'A'));
  }
  return StringValue(std::string(length, 'x'));
}

std::string Unmatched(const std::string& pattern) {
  for (const char* text : {"NO MATCH!", "", "0", "x"}) {
    if (!RE2::FullMatch(text, RE2(pattern))) return text;
  }
  return "";
}

}  // namespace

void SetField(const std::string& field, const Value& value, Struct& fields) {
  if (value.has_null_value()) {
    fields.mutable_fields()->erase(field);
  } else {
    (*fields.mutable_fields())[field] = value;
  }
}

bool CanBeSent(const System& system, const schema::CollectionSpec& spec,
               const FieldSpec& field) {
  return field.generated.empty() && field.extract.empty() &&
         !system.IsRolledUp(spec.name, field.name);
}

std::vector<Breach> BreachesOf(
    const schema::CollectionSpec& spec,
    const std::function<bool(const std::string& field)>& is_rolled_up) {
  std::vector<Breach> breaches;
  for (const FieldSpec& field : spec.fields) {
    const auto add = [&](const char* rule, const Value& value) {
      breaches.push_back({absl::StrCat(spec.name, ".", field.name, ": ", rule),
                          field.name, value});
    };
    if (!field.generated.empty() || !field.extract.empty() ||
        is_rolled_up(field.name)) {
      add("cannot be sent", AnyOf(field.type));
      continue;
    }
    if (field.type != FieldType::kJson) add("type", WrongType(field.type));
    // One with a default is only without a value if null is sent; that is
    // another test's.
    const bool has_default =
        field.default_now ||
        !std::holds_alternative<std::monostate>(field.default_value);
    if (field.required && !has_default) add("required", NullValue());
    if (!field.one_of.empty()) {
      add("one_of", field.type == FieldType::kInt
                        ? Beyond(field.one_of.back(), 1)
                        : Text(field, "none of these"));
    }
    if (!std::holds_alternative<std::monostate>(field.min)) {
      add("min", Beyond(field.min, -1));
    }
    if (!std::holds_alternative<std::monostate>(field.max)) {
      add("max", Beyond(field.max, 1));
    }
    if (field.max_length.has_value()) add("max_length", TooLong(field));
    if (!field.pattern.empty()) {
      add("pattern", Text(field, Unmatched(field.pattern)));
    }
  }
  return breaches;
}

Value AnotherValue(const FieldSpec& field, const Value& value) {
  switch (field.type) {
    case FieldType::kInt:
    case FieldType::kDouble:
      return NumberValue(value.number_value() + 1);
    case FieldType::kBool: {
      Value other;
      other.set_bool_value(!value.bool_value());
      return other;
    }
    case FieldType::kTimestamp:
      return StringValue("2001-02-03T04:05:06Z");
    case FieldType::kJson: {
      Value other;
      (*other.mutable_struct_value()->mutable_fields())["changed"] =
          NumberValue(1);
      return other;
    }
    case FieldType::kStrings: {
      Value other = value;
      other.mutable_list_value()->add_values()->set_string_value("another");
      return other;
    }
    default:
      return StringValue(absl::StrCat(value.string_value(), "-2"));
  }
}

}  // namespace engram::systems
