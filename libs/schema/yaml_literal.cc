#include "libs/schema/yaml_literal.h"

#include <cmath>

#include "absl/strings/numbers.h"
#include "google/protobuf/struct.pb.h"

namespace engram::schema {
namespace {

using google::protobuf::Value;

// Whether `text` is a number as JSON and YAML both write it; SimpleAtod takes
// "inf", "nan" and hexadecimal too.
bool ReadNumber(const YamlNode& node, double* number) {
  return node.plain &&
         node.text.find_first_not_of("+-.0123456789eE") == std::string::npos &&
         absl::SimpleAtod(node.text, number);
}

// Reads a scalar as YAML means it by itself: plain true, false and numbers are
// what they look like, the rest is text.
void ReadScalar(const YamlNode& node, Value* value) {
  double number = 0;
  if (ReadNumber(node, &number)) {
    value->set_number_value(number);
  } else if (node.plain && (node.text == "true" || node.text == "false")) {
    value->set_bool_value(node.text == "true");
  } else {
    value->set_string_value(node.text);
  }
}

// Recurses no deeper than ReadYaml let the document nest.
void ReadTree(const YamlNode& node, Value* value) {
  switch (node.kind) {
    case YamlNode::Kind::kNull:
      value->set_null_value(google::protobuf::NULL_VALUE);
      break;
    case YamlNode::Kind::kScalar:
      ReadScalar(node, value);
      break;
    case YamlNode::Kind::kSequence:
      value->mutable_list_value();
      for (const YamlNode& child : node.children) {
        ReadTree(child, value->mutable_list_value()->add_values());
      }
      break;
    case YamlNode::Kind::kMap: {
      auto& fields = *value->mutable_struct_value()->mutable_fields();
      for (size_t i = 0; i < node.keys.size(); ++i) {
        ReadTree(node.children[i], &fields[node.keys[i].text]);
      }
    }
  }
}

// A number with a decimal string's exactness.
void ReadInt(const YamlNode& node, Value* value) {
  ReadScalar(node, value);
  if (!value->has_number_value()) return;
  const bool is_whole =
      node.text.find_first_not_of("+-0123456789") == std::string::npos;
  if (!is_whole) return;
  value->set_string_value(node.text[0] == '+' ? node.text.substr(1)
                                              : node.text);
}

}  // namespace

absl::StatusOr<FieldValue> DecodeYaml(FieldType type, const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kNull) {
    return absl::InvalidArgumentError("is null; leave it out");
  }
  Value value;
  if (node.kind != YamlNode::Kind::kScalar) {
    ReadTree(node, &value);
    if (type == FieldType::kStrings && value.has_list_value()) {
      for (size_t i = 0; i < node.children.size(); ++i) {
        if (node.children[i].kind != YamlNode::Kind::kScalar) continue;
        value.mutable_list_value()->mutable_values(i)->set_string_value(
            node.children[i].text);
      }
    }
    return DecodeValue(type, value);
  }
  switch (type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kRef:
    case FieldType::kBytes:
    case FieldType::kTimestamp:
      value.set_string_value(node.text);
      break;
    case FieldType::kInt:
      ReadInt(node, &value);
      break;
    default:
      ReadScalar(node, &value);
  }
  return DecodeValue(type, value);
}

}  // namespace engram::schema
