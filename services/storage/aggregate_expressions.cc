#include "services/storage/aggregate_expressions.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/filter/literal.h"

namespace engram::storage {
namespace {

using filter::Node;
using filter::Type;
using schema::FieldType;

// What answers hold values of `type` as.
FieldType AnswerType(Type type) {
  switch (type) {
    case Type::kBool:
      return FieldType::kBool;
    case Type::kInt:
      return FieldType::kInt;
    case Type::kDouble:
    case Type::kDuration:
      return FieldType::kDouble;
    case Type::kTimestamp:
      return FieldType::kTimestamp;
    case Type::kBytes:
      return FieldType::kBytes;
    case Type::kJson:
      return FieldType::kJson;
    case Type::kString:
    case Type::kStrings:
      return FieldType::kString;
  }
  return FieldType::kString;
}

bool IsQuantity(Type type) {
  return type == Type::kBool || type == Type::kInt || type == Type::kDouble ||
         type == Type::kDuration;
}

bool IsOrdered(Type type) {
  return type == Type::kInt || type == Type::kDouble ||
         type == Type::kTimestamp || type == Type::kDuration ||
         type == Type::kString;
}

// Whether the node is a condition, or a choice that ends with a literal: it has
// a value in every record.
bool IsNeverMissing(const Node& node) {
  return node.op == filter::Operator::kCoalesce &&
         filter::IsLiteral(node.operands.back()) &&
         !filter::IsMissing(node.operands.back());
}

bool IsPlainField(const Node& node) {
  return node.op == filter::Operator::kField && node.path.empty();
}

}  // namespace

std::optional<Node> AggregateExpressions::Key(const std::string& text,
                                              const std::string& path) {
  if (text.empty()) {
    violations_.Add(path, "is empty; name a field");
    return std::nullopt;
  }
  absl::StatusOr<Node> node =
      filter::ParseValue(text, scope_, parameters_.Of(text));
  if (node.ok()) return *std::move(node);
  violations_.Add(path, node.status().message());
  return std::nullopt;
}

std::optional<Node> AggregateExpressions::ValueOf(
    v1::Aggregation::Function function, const std::string& text,
    const std::string& path) {
  if (text.empty()) {
    violations_.Add(path, "is empty; only a count can be of nothing");
    return std::nullopt;
  }
  switch (function) {
    case v1::Aggregation::FUNCTION_COUNT:
      return Counted(text, path);
    case v1::Aggregation::FUNCTION_COUNT_DISTINCT:
      return Distinct(text, path);
    case v1::Aggregation::FUNCTION_MIN:
    case v1::Aggregation::FUNCTION_MAX:
      return Ordered(text, path);
    default:
      return Quantity(text, path);
  }
}

std::optional<Node> AggregateExpressions::Counted(const std::string& text,
                                                  const std::string& path) {
  std::optional<Node> node = Key(text, path);
  if (!node.has_value() || !IsNeverMissing(*node)) return node;
  violations_.Add(path,
                  node->type == Type::kBool
                      ? "is a condition, which always has a value; sum it to "
                        "count the records where it is true"
                      : "always has a value; leave it out to count all "
                        "records");
  return std::nullopt;
}

std::optional<Node> AggregateExpressions::Distinct(const std::string& text,
                                                   const std::string& path) {
  std::optional<Node> node = Key(text, path);
  if (!node.has_value() || node->type != Type::kStrings) return node;
  violations_.Add(path,
                  "is a list of strings; group by it to tell its elements "
                  "apart");
  return std::nullopt;
}

std::optional<Node> AggregateExpressions::Typed(const std::string& text,
                                                const std::string& path) {
  std::optional<Node> node = Key(text, path);
  if (!node.has_value() || node->type != Type::kJson) return node;
  absl::StatusOr<Node> number = filter::ParseExpression(
      text, scope_, FieldType::kDouble, parameters_.Of(text));
  if (number.ok()) return *std::move(number);
  violations_.Add(path, number.status().message());
  return std::nullopt;
}

std::optional<Node> AggregateExpressions::Quantity(const std::string& text,
                                                   const std::string& path) {
  std::optional<Node> node = Typed(text, path);
  if (!node.has_value() || IsQuantity(node->type)) return node;
  violations_.Add(path, absl::StrCat("is ", filter::TypeName(node->type),
                                     "; give a number, a duration or a "
                                     "condition"));
  return std::nullopt;
}

std::optional<Node> AggregateExpressions::Ordered(const std::string& text,
                                                  const std::string& path) {
  std::optional<Node> node = Typed(text, path);
  if (!node.has_value() || IsOrdered(node->type)) return node;
  violations_.Add(path, absl::StrCat("is ", filter::TypeName(node->type),
                                     "; give a number, a time or a string"));
  return std::nullopt;
}

void AggregateExpressions::Describe(const Node& node,
                                    AggregateColumn& column) const {
  column.type = AnswerType(node.type);
  column.nocase = node.nocase && column.type == FieldType::kString;
  column.render_string = IsPlainField(node) && node.place >= 0 &&
                         spec_.fields[node.place].render_string;
}

std::optional<std::string> AggregateExpressions::FieldName(
    const Node& node) const {
  if (!IsPlainField(node)) return std::nullopt;
  for (std::string& name : scope_.Names()) {
    if (scope_.Find(name)->place == node.place) return std::move(name);
  }
  return std::nullopt;
}

}  // namespace engram::storage
