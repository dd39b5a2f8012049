#include "libs/filter/type_checker.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/filter/lexer.h"
#include "libs/filter/literal.h"
#include "libs/schema/nearest_name.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::filter {
namespace {

using google::protobuf::Value;
using schema::FieldValue;

constexpr size_t kShownBytes = 64;
// A double or bytes value in a list is one parameter of SQL each.
constexpr size_t kMaxBoundValues = 10'000;
constexpr int64_t kMaxDigits = 15;
constexpr absl::string_view kKeywords[] = {
    "and", "or", "not", "in", "has", "is", "like", "prefix", "null"};

Node MakeNode(Operator op, Type type, std::vector<Node> operands) {
  Node node;
  node.op = op;
  node.type = type;
  node.operands = std::move(operands);
  return node;
}

Node MakeNode(Operator op, Type type, Node first, Node second) {
  std::vector<Node> operands;
  operands.push_back(std::move(first));
  operands.push_back(std::move(second));
  return MakeNode(op, type, std::move(operands));
}

Node MakeNode(Operator op, Type type, Node only) {
  std::vector<Node> operands;
  operands.push_back(std::move(only));
  return MakeNode(op, type, std::move(operands));
}

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

void ToDouble(Node& node) {
  node = MakeNode(Operator::kToDouble, Type::kDouble, std::move(node));
}

absl::Status Mismatch(const Syntax& syntax, Type left, Type right) {
  return ErrorAt(syntax.column, absl::StrCat("cannot combine ", TypeName(left),
                                             " with ", TypeName(right)));
}

class TypeChecker {
 public:
  TypeChecker(const Scope& scope, Parameters& parameters)
      : scope_(scope), parameters_(parameters) {}

  absl::StatusOr<Node> Condition(const Syntax& syntax);
  // A value of whatever type it is.
  absl::StatusOr<Node> Value(const Syntax& syntax);
  // Makes `node`, which `syntax` is, one of `type`.
  absl::Status Fit(Node& node, Type type, const Syntax& syntax) const;

 private:
  using Operands = std::vector<Node>;
  // Of a list, each with what it was written as.
  struct Element {
    Node node;
    const Syntax* syntax;
  };
  using Elements = std::vector<Element>;

  absl::StatusOr<Node> Comparison(const Syntax& syntax);
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
  absl::StatusOr<Node> BoolValue(const Syntax& syntax);

  absl::StatusOr<Node> Field(const Syntax& syntax);
  absl::StatusOr<Node> Literal(const Syntax& syntax);
  absl::StatusOr<const google::protobuf::Value*> Parameter(
      const Syntax& syntax);
  absl::StatusOr<Node> Arithmetic(const Syntax& syntax);
  absl::StatusOr<Node> TimeArithmetic(const Syntax& syntax, Node left,
                                      Node right) const;
  absl::StatusOr<Node> ScaleDuration(const Syntax& syntax, Node left,
                                     Node right) const;
  absl::StatusOr<Node> Negate(const Syntax& syntax);
  absl::StatusOr<Node> Round(const Syntax& syntax);
  absl::StatusOr<Node> Choice(const Syntax& syntax);
  absl::StatusOr<Type> CommonType(const Syntax& syntax,
                                  const Operands& operands) const;

  const Scope& scope_;
  Parameters& parameters_;
};

absl::StatusOr<Node> TypeChecker::Condition(const Syntax& syntax) {
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

absl::StatusOr<Node> TypeChecker::BoolValue(const Syntax& syntax) {
  ASSIGN_OR_RETURN(Node node, Value(syntax));
  if (node.type != Type::kBool && !IsJson(node) && !IsMissing(node)) {
    return ErrorAt(syntax.column,
                   absl::StrCat("a condition is wanted; got ",
                                TypeName(node.type), "; compare it"));
  }
  RETURN_IF_ERROR(Fit(node, Type::kBool, syntax));
  return node;
}

absl::StatusOr<Node> TypeChecker::Comparison(const Syntax& syntax) {
  const Syntax& left_syntax = syntax.operands[0];
  const Syntax& right_syntax = syntax.operands[1];
  ASSIGN_OR_RETURN(Node left, Value(left_syntax));
  ASSIGN_OR_RETURN(Node right, Value(right_syntax));
  if (IsJson(left) && IsJson(right)) return CompareJson(syntax, left, right);
  const auto settle = [&](Node& node, const Syntax& node_syntax,
                          const Node& other) {
    const bool numbers = IsNumber(node.type) && IsNumber(other.type);
    if (IsLiteral(node) && numbers) {
      return AdaptExactly(node, other.type, node_syntax);
    }
    if (IsLiteral(node)) return Fit(node, other.type, node_syntax);
    if (!IsJson(node)) return absl::OkStatus();
    return Fit(node, other.type == Type::kInt ? Type::kDouble : other.type,
               node_syntax);
  };
  // A literal bends to what is none; of two, a string does to the other.
  const bool right_first =
      IsJson(right) || (IsLiteral(right) && !IsLiteral(left)) ||
      (IsLiteral(left) && right.type == Type::kString && !IsMissing(left));
  if (right_first && !IsJson(left)) {
    RETURN_IF_ERROR(settle(right, right_syntax, left));
  } else {
    RETURN_IF_ERROR(settle(left, left_syntax, right));
  }
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

// Two values whose types are both known only at run time: they compare if they
// are of one type.
absl::StatusOr<Node> TypeChecker::CompareJson(const Syntax& syntax,
                                              const Node& left,
                                              const Node& right) const {
  Operands by_type;
  for (const Type type : {Type::kDouble, Type::kString, Type::kBool}) {
    if (!IsOrdered(type) && !IsEqualityOnly(syntax.op)) continue;
    Node one = left;
    Node other = right;
    RETURN_IF_ERROR(Fit(one, type, syntax.operands[0]));
    RETURN_IF_ERROR(Fit(other, type, syntax.operands[1]));
    by_type.push_back(
        MakeNode(syntax.op, Type::kBool, std::move(one), std::move(other)));
  }
  return MakeNode(Operator::kOr, Type::kBool, std::move(by_type));
}

absl::StatusOr<Node> TypeChecker::In(const Syntax& syntax) {
  const Syntax& left_syntax = syntax.operands[0];
  ASSIGN_OR_RETURN(Node left, Value(left_syntax));
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
absl::StatusOr<TypeChecker::Elements> TypeChecker::ElementsOf(
    const Syntax& syntax) {
  Elements elements;
  const auto add = [&](absl::StatusOr<Node> node, const Syntax& its) {
    if (node.ok() && !IsMissing(*node)) {
      elements.push_back({*std::move(node), &its});
    }
    return node.status();
  };
  const auto add_list = [&](const google::protobuf::Value& list,
                            const Syntax& its) -> absl::Status {
    for (const auto& value : list.list_value().values()) {
      RETURN_IF_ERROR(add(LiteralOf(value, its.column), its));
    }
    return absl::OkStatus();
  };
  if (!syntax.parameter.empty()) {
    ASSIGN_OR_RETURN(const google::protobuf::Value* list, Parameter(syntax));
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
                       Parameter(operand));
      if (value->has_list_value()) {
        RETURN_IF_ERROR(add_list(*value, operand));
        continue;
      }
    }
    RETURN_IF_ERROR(add(Literal(operand), operand));
  }
  return elements;
}

// An IN for each type among the elements.
absl::StatusOr<Node> TypeChecker::InJson(const Syntax& syntax, const Node& left,
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
    RETURN_IF_ERROR(Fit(coerced, type, syntax.operands[0]));
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

absl::StatusOr<Node> TypeChecker::InOne(const Syntax& syntax, Node left,
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

absl::StatusOr<Node> TypeChecker::Has(const Syntax& syntax) {
  const Syntax& list_syntax = syntax.operands[0];
  const Syntax& element_syntax = syntax.operands[1];
  ASSIGN_OR_RETURN(Node list, Value(list_syntax));
  ASSIGN_OR_RETURN(Node element, Value(element_syntax));
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

absl::StatusOr<Node> TypeChecker::Match(const Syntax& syntax) {
  const Syntax& pattern_syntax = syntax.operands[1];
  const absl::string_view name =
      syntax.op == Operator::kLike ? "LIKE" : "PREFIX";
  ASSIGN_OR_RETURN(Node text, Value(syntax.operands[0]));
  ASSIGN_OR_RETURN(Node pattern, Value(pattern_syntax));
  if (IsJson(text) || IsMissing(text)) {
    RETURN_IF_ERROR(Fit(text, Type::kString, syntax.operands[0]));
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

absl::StatusOr<Node> TypeChecker::IsNull(const Syntax& syntax) {
  ASSIGN_OR_RETURN(Node operand, Value(syntax.operands[0]));
  return MakeNode(Operator::kIsNull, Type::kBool, std::move(operand));
}

absl::StatusOr<Node> TypeChecker::Exists(const Syntax& syntax) {
  ASSIGN_OR_RETURN(Node path, Field(syntax.operands[0]));
  if (!IsJson(path)) {
    return ErrorAt(syntax.operands[0].column,
                   "EXISTS wants a path into a json field; use IS NOT NULL");
  }
  return MakeNode(Operator::kExists, Type::kBool, std::move(path));
}

absl::StatusOr<Node> TypeChecker::Value(const Syntax& syntax) {
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

absl::StatusOr<Node> TypeChecker::Field(const Syntax& syntax) {
  const std::string& first = syntax.path[0].key;
  size_t steps = 1;
  std::optional<Name> name;
  if (syntax.joinable) {
    name = scope_.Find(absl::StrCat(first, ".", syntax.path[1].key));
    if (name.has_value()) steps = 2;
  }
  if (!name.has_value()) name = scope_.Find(first);
  if (!name.has_value()) {
    for (const absl::string_view keyword : kKeywords) {
      if (!absl::EqualsIgnoreCase(first, keyword)) continue;
      return ErrorAt(syntax.column, absl::StrCat("unexpected ", first,
                                                 " where a value is expected"));
    }
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

absl::StatusOr<Node> TypeChecker::Literal(const Syntax& syntax) {
  if (syntax.parameter.empty()) {
    Node literal;
    literal.type = syntax.type;
    literal.value = syntax.value;
    return literal;
  }
  ASSIGN_OR_RETURN(const google::protobuf::Value* value, Parameter(syntax));
  return LiteralOf(*value, syntax.column);
}

absl::StatusOr<const google::protobuf::Value*> TypeChecker::Parameter(
    const Syntax& syntax) {
  const google::protobuf::Value* value = parameters_.Use(syntax.parameter);
  if (value != nullptr) return value;
  return ErrorAt(
      syntax.column,
      absl::StrCat("the parameter \"", CutText(syntax.parameter, kShownBytes),
                   "\" has no value; send one"));
}

absl::Status TypeChecker::Fit(Node& node, Type type,
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

absl::StatusOr<Node> TypeChecker::Arithmetic(const Syntax& syntax) {
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
absl::StatusOr<Node> TypeChecker::TimeArithmetic(const Syntax& syntax,
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

absl::StatusOr<Node> TypeChecker::ScaleDuration(const Syntax& syntax, Node left,
                                                Node right) const {
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

absl::StatusOr<Node> TypeChecker::Negate(const Syntax& syntax) {
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

absl::StatusOr<Node> TypeChecker::Round(const Syntax& syntax) {
  if (syntax.operands.size() > 2) {
    return ErrorAt(syntax.column, "round takes a number, and digits if wanted");
  }
  Operands operands;
  for (const Syntax& operand : syntax.operands) {
    ASSIGN_OR_RETURN(Node node, Value(operand));
    operands.push_back(std::move(node));
  }
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
absl::StatusOr<Node> TypeChecker::Choice(const Syntax& syntax) {
  const bool coalesces = syntax.op == Operator::kCoalesce;
  if (syntax.operands.size() < 2) {
    return ErrorAt(syntax.column, "this function takes two values or more");
  }
  Operands operands;
  for (const Syntax& operand : syntax.operands) {
    ASSIGN_OR_RETURN(Node node, Value(operand));
    operands.push_back(std::move(node));
  }
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
absl::StatusOr<Type> TypeChecker::CommonType(const Syntax& syntax,
                                             const Operands& operands) const {
  std::optional<Type> type;
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
      } else if (IsNumber(*type) && IsNumber(node.type)) {
        if (node.type == Type::kDouble) type = Type::kDouble;
      } else if (literals && *type == Type::kString) {
        type = node.type;  // A string literal bends to the other.
      } else if (*type != node.type && !literals) {
        return Mismatch(syntax.operands[i], *type, node.type);
      }
    }
  }
  if (!type.has_value()) return has_json ? Type::kJson : Type::kString;
  return has_json && *type == Type::kInt ? Type::kDouble : *type;
}

}  // namespace

const Value* Parameters::Use(const std::string& name) {
  const auto found = values_.fields().find(name);
  if (found == values_.fields().end()) return nullptr;
  used_.insert(name);
  return &found->second;
}

absl::Status Parameters::CheckAllUsed() const {
  for (const auto& [name, value] : values_.fields()) {
    if (used_.count(name) > 0) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("the parameter \"", CutText(name, kShownBytes),
                     "\" is used nowhere; write :name or leave it out"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Node> CheckCondition(const Syntax& syntax, const Scope& scope,
                                    Parameters& parameters) {
  return TypeChecker(scope, parameters).Condition(syntax);
}

absl::StatusOr<Node> CheckExpression(const Syntax& syntax, const Scope& scope,
                                     schema::FieldType type,
                                     Parameters& parameters) {
  TypeChecker checker(scope, parameters);
  if (type == schema::FieldType::kBool && IsConditionOperator(syntax.op)) {
    ASSIGN_OR_RETURN(Node condition, checker.Condition(syntax));
    Node otherwise;
    otherwise.type = Type::kBool;
    otherwise.value = int64_t{0};
    // As a value, what is not true is false, never missing.
    return MakeNode(Operator::kCoalesce, Type::kBool, std::move(condition),
                    std::move(otherwise));
  }
  ASSIGN_OR_RETURN(Node node, checker.Value(syntax));
  RETURN_IF_ERROR(checker.Fit(node, TypeOf(type), syntax));
  return node;
}

}  // namespace engram::filter
