#include "libs/filter/type_checker.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/filter/lexer.h"
#include "libs/filter/literal.h"
#include "libs/filter/make_node.h"
#include "libs/filter/value_checker.h"
#include "libs/status/status_macros.h"

namespace engram::filter {
namespace {

using schema::FieldValue;

// A double or bytes value in a list is one parameter of SQL each.
constexpr size_t kMaxBoundValues = 10'000;

bool IsJson(const Node& node) { return node.type == Type::kJson; }

bool IsOrdered(Type type) {
  return IsNumber(type) || IsInteger(type) || type == Type::kString;
}

bool IsEqualityOnly(Operator op) {
  return op == Operator::kEqual || op == Operator::kNotEqual;
}

bool IsConditionOperator(Operator op) {
  switch (op) {
    case Operator::kAnd:
    case Operator::kOr:
    case Operator::kNot:
    case Operator::kEqual:
    case Operator::kNotEqual:
    case Operator::kLess:
    case Operator::kLessOrEqual:
    case Operator::kGreater:
    case Operator::kGreaterOrEqual:
    case Operator::kIn:
    case Operator::kHas:
    case Operator::kLike:
    case Operator::kPrefix:
    case Operator::kIsNull:
    case Operator::kExists:
      return true;
    default:
      return false;
  }
}

class ConditionChecker {
 public:
  explicit ConditionChecker(ValueChecker& values) : values_(values) {}

  absl::StatusOr<Node> Condition(const Syntax& syntax);

 private:
  using Operands = std::vector<Node>;
  // Of a list, each with what it was written as.
  struct Element {
    Node node;
    const Syntax* syntax;
  };
  using Elements = std::vector<Element>;

  absl::StatusOr<Node> BoolValue(const Syntax& syntax);
  absl::StatusOr<Node> Comparison(const Syntax& syntax);
  absl::Status Settle(const Syntax& syntax, Node& left, Node& right) const;
  absl::Status SettleOne(Node& node, const Syntax& syntax,
                         const Node& other) const;
  absl::StatusOr<Node> CompareJson(const Syntax& syntax, const Node& left,
                                   const Node& right) const;
  absl::StatusOr<Node> In(const Syntax& syntax);
  absl::StatusOr<Elements> ElementsOf(const Syntax& syntax);
  absl::StatusOr<Node> InJson(const Syntax& syntax, const Node& left,
                              Elements elements) const;
  absl::StatusOr<Node> InOne(const Syntax& syntax, Node left,
                             Elements elements) const;
  absl::StatusOr<Node> Has(const Syntax& syntax);
  absl::StatusOr<Node> Match(const Syntax& syntax);
  absl::StatusOr<Node> IsNull(const Syntax& syntax);
  absl::StatusOr<Node> Exists(const Syntax& syntax);

  ValueChecker& values_;
};

absl::StatusOr<Node> ConditionChecker::Condition(const Syntax& syntax) {
  switch (syntax.op) {
    case Operator::kAnd:
    case Operator::kOr:
    case Operator::kNot: {
      Operands operands;
      for (const Syntax& operand : syntax.operands) {
        ASSIGN_OR_RETURN(Node node, Condition(operand));
        operands.push_back(std::move(node));
      }
      return MakeNode(syntax.op, Type::kBool, std::move(operands));
    }
    case Operator::kEqual:
    case Operator::kNotEqual:
    case Operator::kLess:
    case Operator::kLessOrEqual:
    case Operator::kGreater:
    case Operator::kGreaterOrEqual:
      return Comparison(syntax);
    case Operator::kIn:
      return In(syntax);
    case Operator::kHas:
      return Has(syntax);
    case Operator::kLike:
    case Operator::kPrefix:
      return Match(syntax);
    case Operator::kIsNull:
      return IsNull(syntax);
    case Operator::kExists:
      return Exists(syntax);
    default:
      return BoolValue(syntax);
  }
}

absl::StatusOr<Node> ConditionChecker::BoolValue(const Syntax& syntax) {
  ASSIGN_OR_RETURN(Node node, values_.Value(syntax));
  if (node.type != Type::kBool && !IsJson(node) && !IsMissing(node)) {
    return ErrorAt(syntax.column,
                   absl::StrCat("a condition is wanted; got ",
                                TypeName(node.type), "; compare it"));
  }
  RETURN_IF_ERROR(values_.Fit(node, Type::kBool, syntax));
  return node;
}

absl::StatusOr<Node> ConditionChecker::Comparison(const Syntax& syntax) {
  ASSIGN_OR_RETURN(Node left, values_.Value(syntax.operands[0]));
  ASSIGN_OR_RETURN(Node right, values_.Value(syntax.operands[1]));
  if (IsJson(left) && IsJson(right)) return CompareJson(syntax, left, right);
  RETURN_IF_ERROR(Settle(syntax, left, right));
  if (left.type != right.type &&
      !(IsNumber(left.type) && IsNumber(right.type))) {
    return ErrorAt(syntax.column,
                   absl::StrCat("cannot compare ", TypeName(left.type),
                                " with ", TypeName(right.type)));
  }
  if (left.type == Type::kStrings) {
    return ErrorAt(syntax.column,
                   "a list is not compared; ask for an element with HAS");
  }
  if (!IsOrdered(left.type) && !IsEqualityOnly(syntax.op)) {
    return ErrorAt(syntax.column, absl::StrCat(TypeName(left.type),
                                               " has no order; use = or !="));
  }
  const bool nocase = left.nocase || right.nocase;
  Node node =
      MakeNode(syntax.op, Type::kBool, std::move(left), std::move(right));
  node.nocase = nocase;
  return node;
}

// Bends a literal or json to the type that it is compared with.
absl::Status ConditionChecker::Settle(const Syntax& syntax, Node& left,
                                      Node& right) const {
  // A literal bends to what is none; of two, a string does to the other.
  const bool right_bends =
      !IsJson(left) &&
      (IsJson(right) || (IsLiteral(right) && !IsLiteral(left)) ||
       (IsLiteral(right) && right.type == Type::kString && !IsMissing(left)));
  return right_bends ? SettleOne(right, syntax.operands[1], left)
                     : SettleOne(left, syntax.operands[0], right);
}

absl::Status ConditionChecker::SettleOne(Node& node, const Syntax& syntax,
                                         const Node& other) const {
  if (IsLiteral(node) && IsNumber(node.type) && IsNumber(other.type)) {
    return AdaptExactly(node, other.type, syntax);
  }
  if (IsLiteral(node)) return values_.Fit(node, other.type, syntax);
  if (!IsJson(node)) return absl::OkStatus();
  return values_.Fit(
      node, other.type == Type::kInt ? Type::kDouble : other.type, syntax);
}

// Two values whose types are both known only at run time: they compare if they
// are of one type.
absl::StatusOr<Node> ConditionChecker::CompareJson(const Syntax& syntax,
                                                   const Node& left,
                                                   const Node& right) const {
  Operands by_type;
  for (const Type type : {Type::kDouble, Type::kString, Type::kBool}) {
    if (!IsOrdered(type) && !IsEqualityOnly(syntax.op)) continue;
    Node one = left;
    Node other = right;
    RETURN_IF_ERROR(values_.Fit(one, type, syntax.operands[0]));
    RETURN_IF_ERROR(values_.Fit(other, type, syntax.operands[1]));
    by_type.push_back(
        MakeNode(syntax.op, Type::kBool, std::move(one), std::move(other)));
  }
  return MakeNode(Operator::kOr, Type::kBool, std::move(by_type));
}

absl::StatusOr<Node> ConditionChecker::In(const Syntax& syntax) {
  const Syntax& left_syntax = syntax.operands[0];
  ASSIGN_OR_RETURN(Node left, values_.Value(left_syntax));
  if (left.type == Type::kStrings) {
    return ErrorAt(left_syntax.column,
                   "a list is not IN a list; ask for an element with HAS");
  }
  ASSIGN_OR_RETURN(Elements elements, ElementsOf(syntax));
  if (IsJson(left)) return InJson(syntax, left, std::move(elements));
  return InOne(syntax, std::move(left), std::move(elements));
}

// The literals of the list, parameters that are lists taken apart. What is
// missing equals nothing, so it is left out.
absl::StatusOr<ConditionChecker::Elements> ConditionChecker::ElementsOf(
    const Syntax& syntax) {
  Elements elements;
  const auto add = [&](absl::StatusOr<Node> node, const Syntax& its) {
    RETURN_IF_ERROR(node.status());
    if (!IsMissing(*node)) elements.push_back({*std::move(node), &its});
    return absl::OkStatus();
  };
  const auto add_list = [&](const google::protobuf::Value& list,
                            const Syntax& its) -> absl::Status {
    for (const auto& value : list.list_value().values()) {
      RETURN_IF_ERROR(add(LiteralOf(value, its.column), its));
    }
    return absl::OkStatus();
  };
  if (!syntax.parameter.empty()) {
    ASSIGN_OR_RETURN(const google::protobuf::Value* list,
                     values_.Parameter(syntax));
    if (!list->has_list_value()) {
      return ErrorAt(syntax.column, "IN wants a list; the parameter is none");
    }
    RETURN_IF_ERROR(add_list(*list, syntax));
  }
  for (size_t i = 1; i < syntax.operands.size(); ++i) {
    const Syntax& operand = syntax.operands[i];
    if (operand.op != Operator::kLiteral) {
      return ErrorAt(operand.column, "a list holds literals and parameters");
    }
    if (!operand.parameter.empty()) {
      ASSIGN_OR_RETURN(const google::protobuf::Value* value,
                       values_.Parameter(operand));
      if (value->has_list_value()) {
        RETURN_IF_ERROR(add_list(*value, operand));
        continue;
      }
    }
    RETURN_IF_ERROR(add(values_.Literal(operand), operand));
  }
  return elements;
}

// An IN for each type among the elements.
absl::StatusOr<Node> ConditionChecker::InJson(const Syntax& syntax,
                                              const Node& left,
                                              Elements elements) const {
  Operands by_type;
  for (const Type type : {Type::kDouble, Type::kString, Type::kBool}) {
    Elements of_type;
    for (Element& element : elements) {
      const Type its =
          element.node.type == Type::kInt ? Type::kDouble : element.node.type;
      if (its == type) of_type.push_back(std::move(element));
    }
    // One is needed, if only to say that nothing is in the list.
    if (of_type.empty() && (type != Type::kString || !elements.empty())) {
      continue;
    }
    Node coerced = left;
    RETURN_IF_ERROR(values_.Fit(coerced, type, syntax.operands[0]));
    ASSIGN_OR_RETURN(Node in,
                     InOne(syntax, std::move(coerced), std::move(of_type)));
    by_type.push_back(std::move(in));
  }
  if (by_type.empty()) {
    return ErrorAt(syntax.column,
                   "json holds numbers, strings and bools; the list has none");
  }
  if (by_type.size() > 1) {
    return MakeNode(Operator::kOr, Type::kBool, std::move(by_type));
  }
  Node only = std::move(by_type[0]);
  return only;
}

absl::StatusOr<Node> ConditionChecker::InOne(const Syntax& syntax, Node left,
                                             Elements elements) const {
  std::vector<FieldValue> values;
  for (auto& [element, element_syntax] : elements) {
    if (IsNumber(left.type) && IsNumber(element.type)) {
      RETURN_IF_ERROR(AdaptExactly(element, left.type, *element_syntax));
      // A number that the type cannot hold equals none that it can.
      if (element.type != left.type) continue;
    } else {
      RETURN_IF_ERROR(Adapt(element, left.type, *element_syntax));
    }
    if (auto* text = std::get_if<std::string>(&element.value);
        text != nullptr && left.nocase) {
      absl::AsciiStrToLower(text);
    }
    values.push_back(std::move(element.value));
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.size() > kMaxBoundValues &&
      (left.type == Type::kDouble || left.type == Type::kBytes)) {
    return ErrorAt(syntax.column,
                   absl::StrCat("a list of ", TypeName(left.type),
                                " has at most ", kMaxBoundValues, " elements"));
  }
  const bool nocase = left.nocase;
  Node in = MakeNode(Operator::kIn, Type::kBool, std::move(left));
  in.nocase = nocase;
  in.values = std::move(values);
  return in;
}

absl::StatusOr<Node> ConditionChecker::Has(const Syntax& syntax) {
  const Syntax& list_syntax = syntax.operands[0];
  const Syntax& element_syntax = syntax.operands[1];
  ASSIGN_OR_RETURN(Node list, values_.Value(list_syntax));
  ASSIGN_OR_RETURN(Node element, values_.Value(element_syntax));
  if (list.op != Operator::kField ||
      (list.type != Type::kStrings && !IsJson(list))) {
    return ErrorAt(list_syntax.column,
                   "HAS wants a strings field, or a path to a json list");
  }
  if (!IsLiteral(element) || element.type != Type::kString) {
    return ErrorAt(element_syntax.column,
                   "HAS wants a string, as a literal or a parameter");
  }
  const bool nocase = list.nocase;
  Node has =
      MakeNode(syntax.op, Type::kBool, std::move(list), std::move(element));
  has.nocase = nocase;
  return has;
}

absl::StatusOr<Node> ConditionChecker::Match(const Syntax& syntax) {
  const Syntax& pattern_syntax = syntax.operands[1];
  const absl::string_view name =
      syntax.op == Operator::kLike ? "LIKE" : "PREFIX";
  ASSIGN_OR_RETURN(Node text, values_.Value(syntax.operands[0]));
  ASSIGN_OR_RETURN(Node pattern, values_.Value(pattern_syntax));
  if (IsJson(text) || IsMissing(text)) {
    RETURN_IF_ERROR(values_.Fit(text, Type::kString, syntax.operands[0]));
  }
  if (text.type != Type::kString) {
    return ErrorAt(
        syntax.operands[0].column,
        absl::StrCat(name, " wants a string; got ", TypeName(text.type)));
  }
  if (!IsLiteral(pattern) || pattern.type != Type::kString) {
    return ErrorAt(pattern_syntax.column,
                   absl::StrCat(name,
                                " wants a string, as a literal or a "
                                "parameter"));
  }
  if (syntax.op == Operator::kLike && !IsMissing(pattern)) {
    RETURN_IF_ERROR(CheckPattern(std::get<std::string>(pattern.value),
                                 pattern_syntax.column));
  }
  return MakeNode(syntax.op, Type::kBool, std::move(text), std::move(pattern));
}

absl::StatusOr<Node> ConditionChecker::IsNull(const Syntax& syntax) {
  ASSIGN_OR_RETURN(Node operand, values_.Value(syntax.operands[0]));
  return MakeNode(Operator::kIsNull, Type::kBool, std::move(operand));
}

absl::StatusOr<Node> ConditionChecker::Exists(const Syntax& syntax) {
  ASSIGN_OR_RETURN(Node path, values_.Field(syntax.operands[0]));
  if (!IsJson(path)) {
    return ErrorAt(syntax.operands[0].column,
                   "EXISTS wants a path into a json field; use IS NOT NULL");
  }
  return MakeNode(Operator::kExists, Type::kBool, std::move(path));
}

// A condition as a value: what is not true is false, never missing.
absl::StatusOr<Node> ConditionAsValue(const Syntax& syntax,
                                      ValueChecker& values) {
  ASSIGN_OR_RETURN(Node condition, ConditionChecker(values).Condition(syntax));
  Node otherwise;
  otherwise.type = Type::kBool;
  otherwise.value = int64_t{0};
  return MakeNode(Operator::kCoalesce, Type::kBool, std::move(condition),
                  std::move(otherwise));
}

}  // namespace

absl::StatusOr<Node> CheckCondition(const Syntax& syntax, const Scope& scope,
                                    Parameters& parameters) {
  ValueChecker values(scope, parameters);
  return ConditionChecker(values).Condition(syntax);
}

absl::StatusOr<Node> CheckExpression(const Syntax& syntax, const Scope& scope,
                                     schema::FieldType type,
                                     Parameters& parameters) {
  ValueChecker values(scope, parameters);
  if (type == schema::FieldType::kBool && IsConditionOperator(syntax.op)) {
    return ConditionAsValue(syntax, values);
  }
  ASSIGN_OR_RETURN(Node node, values.Value(syntax));
  RETURN_IF_ERROR(values.Fit(node, TypeOf(type), syntax));
  return node;
}

absl::StatusOr<Node> CheckValue(const Syntax& syntax, const Scope& scope,
                                Parameters& parameters) {
  ValueChecker values(scope, parameters);
  if (IsConditionOperator(syntax.op)) return ConditionAsValue(syntax, values);
  return values.Value(syntax);
}

}  // namespace engram::filter
