#include "libs/filter/value_checker.h"

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/filter/lexer.h"
#include "libs/filter/literal.h"
#include "libs/filter/make_node.h"
#include "libs/schema/nearest_name.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::filter {
namespace {

constexpr size_t kShownBytes = 64;
constexpr int64_t kMaxDigits = 15;

bool IsJson(const Node& node) { return node.type == Type::kJson; }

void ToDouble(Node& node) {
  node = MakeNode(Operator::kToDouble, Type::kDouble, std::move(node));
}

absl::Status Mismatch(const Syntax& syntax, Type left, Type right) {
  return ErrorAt(syntax.column, absl::StrCat("cannot combine ", TypeName(left),
                                             " with ", TypeName(right)));
}

}  // namespace

absl::StatusOr<Node> ValueChecker::Value(const Syntax& syntax) {
  switch (syntax.op) {
    case Operator::kField:
      return Field(syntax);
    case Operator::kLiteral:
      return Literal(syntax);
    case Operator::kNow: {
      Node now;
      now.op = Operator::kNow;
      now.type = Type::kTimestamp;
      return now;
    }
    case Operator::kAdd:
    case Operator::kSubtract:
    case Operator::kMultiply:
    case Operator::kDivide:
      return Arithmetic(syntax);
    case Operator::kNegate:
      return Negate(syntax);
    case Operator::kRound:
      return Round(syntax);
    case Operator::kMin:
    case Operator::kMax:
    case Operator::kCoalesce:
      return Choice(syntax);
    default:
      return ErrorAt(syntax.column,
                     "a value is wanted; this is a condition, which has none");
  }
}

absl::StatusOr<Node> ValueChecker::Field(const Syntax& syntax) {
  const std::string& first = syntax.path[0].key;
  size_t steps = 1;
  std::optional<Name> name;
  if (syntax.joinable) {
    name = scope_.Find(absl::StrCat(first, ".", syntax.path[1].key));
    if (name.has_value()) steps = 2;
  }
  if (!name.has_value()) name = scope_.Find(first);
  if (!name.has_value()) {
    const std::vector<std::string> names = scope_.Names();
    return ErrorAt(
        syntax.column,
        absl::StrCat("no field \"", CutText(first, kShownBytes), "\"",
                     schema::DidYouMean(first, {names.begin(), names.end()})));
  }
  Node field;
  field.op = Operator::kField;
  field.type = TypeOf(name->type);
  field.place = name->place;
  field.nocase = name->nocase;
  field.path.assign(syntax.path.begin() + static_cast<ptrdiff_t>(steps),
                    syntax.path.end());
  if (!field.path.empty() && !IsJson(field)) {
    return ErrorAt(syntax.column,
                   absl::StrCat("\"", first, "\" is ", TypeName(field.type),
                                ", which no path leads into"));
  }
  return field;
}

absl::StatusOr<Node> ValueChecker::Literal(const Syntax& syntax) {
  if (syntax.parameter.empty()) {
    Node literal;
    literal.type = syntax.type;
    literal.value = syntax.value;
    return literal;
  }
  ASSIGN_OR_RETURN(const google::protobuf::Value* value, Parameter(syntax));
  return LiteralOf(*value, syntax.column);
}

absl::StatusOr<const google::protobuf::Value*> ValueChecker::Parameter(
    const Syntax& syntax) {
  const google::protobuf::Value* value = parameters_.Use(syntax.parameter);
  if (value != nullptr) return value;
  return ErrorAt(
      syntax.column,
      absl::StrCat("the parameter \"", CutText(syntax.parameter, kShownBytes),
                   "\" has no value; send one"));
}

absl::Status ValueChecker::Fit(Node& node, Type type,
                               const Syntax& syntax) const {
  if (IsLiteral(node)) return Adapt(node, type, syntax);
  if (node.type == type) return absl::OkStatus();
  if (node.type == Type::kInt && type == Type::kDouble) {
    ToDouble(node);
    return absl::OkStatus();
  }
  if (IsJson(node) && node.op == Operator::kCoalesce) {
    for (Node& operand : node.operands) {
      RETURN_IF_ERROR(Fit(operand, type, syntax));
    }
    node.type = type;
    return absl::OkStatus();
  }
  if (IsJson(node)) {
    if (node.op != Operator::kField || node.path.empty()) {
      return ErrorAt(syntax.column,
                     "name what is meant inside the json, such as "
                     "metadata.key");
    }
    if (type == Type::kDouble || type == Type::kString || type == Type::kBool) {
      node.type = type;
      return absl::OkStatus();
    }
    return ErrorAt(syntax.column,
                   absl::StrCat("json holds numbers, strings and bools, not ",
                                TypeName(type)));
  }
  return ErrorAt(syntax.column, absl::StrCat(TypeName(type), " is wanted; got ",
                                             TypeName(node.type)));
}

absl::StatusOr<ValueChecker::Operands> ValueChecker::Values(
    const Syntax& syntax) {
  Operands operands;
  for (const Syntax& operand : syntax.operands) {
    ASSIGN_OR_RETURN(Node node, Value(operand));
    operands.push_back(std::move(node));
  }
  return operands;
}

absl::StatusOr<Node> ValueChecker::Arithmetic(const Syntax& syntax) {
  ASSIGN_OR_RETURN(Node left, Value(syntax.operands[0]));
  ASSIGN_OR_RETURN(Node right, Value(syntax.operands[1]));
  const auto is_time = [](const Node& node) {
    return node.type == Type::kTimestamp || node.type == Type::kDuration;
  };
  if (is_time(left) || is_time(right)) {
    return syntax.op == Operator::kAdd || syntax.op == Operator::kSubtract
               ? TimeArithmetic(syntax, std::move(left), std::move(right))
               : ScaleDuration(syntax, std::move(left), std::move(right));
  }
  // A parameter that is a string may be an int in digits.
  const auto may_be_int = [](const Node& node, const Syntax& its) {
    return node.type == Type::kInt || IsMissing(node) ||
           (IsLiteral(node) && node.type == Type::kString &&
            !its.parameter.empty());
  };
  const bool ints = syntax.op != Operator::kDivide &&
                    may_be_int(left, syntax.operands[0]) &&
                    may_be_int(right, syntax.operands[1]);
  const Type type = ints ? Type::kInt : Type::kDouble;
  RETURN_IF_ERROR(Fit(left, type, syntax.operands[0]));
  RETURN_IF_ERROR(Fit(right, type, syntax.operands[1]));
  return MakeNode(syntax.op, type, std::move(left), std::move(right));
}

// A string beside a time is a duration if it reads as one, else a timestamp.
absl::StatusOr<Node> ValueChecker::TimeArithmetic(const Syntax& syntax,
                                                  Node left, Node right) const {
  for (Node* node : {&left, &right}) {
    const Syntax& its = syntax.operands[node == &left ? 0 : 1];
    if (!IsLiteral(*node) || node->type != Type::kString) continue;
    if (!Adapt(*node, Type::kDuration, its).ok()) {
      RETURN_IF_ERROR(Adapt(*node, Type::kTimestamp, its));
    }
  }
  const bool adds = syntax.op == Operator::kAdd;
  const bool left_is_time = left.type == Type::kTimestamp;
  const bool right_is_time = right.type == Type::kTimestamp;
  const bool left_is_span = left.type == Type::kDuration;
  const bool right_is_span = right.type == Type::kDuration;
  Type type = Type::kDuration;
  if ((left_is_time && right_is_span) ||
      (adds && left_is_span && right_is_time)) {
    type = Type::kTimestamp;
  } else if (!(left_is_span && right_is_span) &&
             !(!adds && left_is_time && right_is_time)) {
    return ErrorAt(syntax.column,
                   absl::StrCat("cannot ", adds ? "add " : "subtract ",
                                TypeName(adds ? left.type : right.type),
                                adds ? " and " : " from ",
                                TypeName(adds ? right.type : left.type)));
  }
  return MakeNode(syntax.op, type, std::move(left), std::move(right));
}

absl::StatusOr<Node> ValueChecker::ScaleDuration(const Syntax& syntax,
                                                 Node left, Node right) const {
  const bool multiplies = syntax.op == Operator::kMultiply;
  const Syntax* factor = &syntax.operands[1];
  if (multiplies && right.type == Type::kDuration) {
    std::swap(left, right);
    factor = &syntax.operands[0];
  }
  if (left.type != Type::kDuration) {
    return Mismatch(syntax, left.type, right.type);
  }
  if (!multiplies && right.type == Type::kDuration) {
    ToDouble(left);
    ToDouble(right);
    return MakeNode(syntax.op, Type::kDouble, std::move(left),
                    std::move(right));
  }
  const bool stays_whole = multiplies && right.type == Type::kInt;
  RETURN_IF_ERROR(
      Fit(right, stays_whole ? Type::kInt : Type::kDouble, *factor));
  return MakeNode(syntax.op, Type::kDuration, std::move(left),
                  std::move(right));
}

absl::StatusOr<Node> ValueChecker::Negate(const Syntax& syntax) {
  ASSIGN_OR_RETURN(Node operand, Value(syntax.operands[0]));
  if (IsJson(operand) || IsMissing(operand)) {
    RETURN_IF_ERROR(Fit(operand, Type::kDouble, syntax.operands[0]));
  }
  const Type type = operand.type;
  if (!IsNumber(type) && type != Type::kDuration) {
    return ErrorAt(syntax.column, absl::StrCat(TypeName(type), " has no sign"));
  }
  return MakeNode(Operator::kNegate, type, std::move(operand));
}

absl::StatusOr<Node> ValueChecker::Round(const Syntax& syntax) {
  if (syntax.operands.size() > 2) {
    return ErrorAt(syntax.column, "round takes a number, and digits if wanted");
  }
  ASSIGN_OR_RETURN(Operands operands, Values(syntax));
  RETURN_IF_ERROR(Fit(operands[0], Type::kDouble, syntax.operands[0]));
  if (operands.size() == 2) {
    const auto* digits = std::get_if<int64_t>(&operands[1].value);
    if (!IsLiteral(operands[1]) || operands[1].type != Type::kInt ||
        digits == nullptr || *digits < 0 || *digits > kMaxDigits) {
      return ErrorAt(
          syntax.operands[1].column,
          absl::StrCat("the digits are a literal from 0 to ", kMaxDigits));
    }
  }
  return MakeNode(Operator::kRound, Type::kDouble, std::move(operands));
}

// min, max and coalesce: one of the operands.
absl::StatusOr<Node> ValueChecker::Choice(const Syntax& syntax) {
  const bool coalesces = syntax.op == Operator::kCoalesce;
  if (syntax.operands.size() < 2) {
    return ErrorAt(syntax.column, "this function takes two values or more");
  }
  ASSIGN_OR_RETURN(Operands operands, Values(syntax));
  ASSIGN_OR_RETURN(Type type, CommonType(syntax, operands));
  if (!coalesces && type == Type::kJson) type = Type::kDouble;
  bool nocase = false;
  for (size_t i = 0; i < operands.size(); ++i) {
    RETURN_IF_ERROR(Fit(operands[i], type, syntax.operands[i]));
    nocase = nocase || operands[i].nocase;
  }
  if (!coalesces && !IsNumber(type) && !IsInteger(type)) {
    return ErrorAt(syntax.column,
                   absl::StrCat("min and max want numbers or times; got ",
                                TypeName(type)));
  }
  Node choice = MakeNode(syntax.op, type, std::move(operands));
  choice.nocase = nocase;
  return choice;
}

// The type that all operands can have: that of the first which is neither a
// literal nor json, else of a literal; double if ints and doubles meet.
absl::StatusOr<Type> ValueChecker::CommonType(const Syntax& syntax,
                                              const Operands& operands) const {
  std::optional<Type> type;
  bool is_of_literal = false;
  bool has_json = false;
  for (const bool literals : {false, true}) {
    for (size_t i = 0; i < operands.size(); ++i) {
      const Node& node = operands[i];
      has_json = has_json || IsJson(node);
      if (IsJson(node) || IsMissing(node) || IsLiteral(node) != literals) {
        continue;
      }
      if (!type.has_value()) {
        type = node.type;
        is_of_literal = literals;
      } else if (IsNumber(*type) && IsNumber(node.type)) {
        if (node.type == Type::kDouble) type = Type::kDouble;
      } else if (is_of_literal && *type == Type::kString) {
        type = node.type;  // A string literal bends to the other.
      } else if (*type != node.type && !literals) {
        return Mismatch(syntax.operands[i], *type, node.type);
      }
    }
  }
  if (!type.has_value()) return has_json ? Type::kJson : Type::kString;
  return has_json && *type == Type::kInt ? Type::kDouble : *type;
}

}  // namespace engram::filter
