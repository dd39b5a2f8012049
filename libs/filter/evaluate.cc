#include "libs/filter/evaluate.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "libs/filter/arithmetic.h"
#include "libs/filter/json_path.h"

namespace engram::filter {
namespace {

using schema::Blob;
using schema::FieldValue;

// A value while it is computed; text belongs to the record, to the tree, or to
// the evaluator. `monostate` is missing.
using Value = std::variant<std::monostate, int64_t, double, absl::string_view>;

bool IsMissing(const Value& value) { return value.index() == 0; }

// -1, 0 or 1.
int CompareText(absl::string_view a, absl::string_view b, const Node& node) {
  if (!node.nocase) return a < b ? -1 : a == b ? 0 : 1;
  const auto below = [](char x, char y) {
    return static_cast<unsigned char>(absl::ascii_tolower(x)) <
           static_cast<unsigned char>(absl::ascii_tolower(y));
  };
  if (absl::EqualsIgnoreCase(a, b)) return 0;
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(),
                                      below)
             ? -1
             : 1;
}

template <typename T>
int ThreeWay(T a, T b) {
  return a < b ? -1 : a == b ? 0 : 1;
}

// Of two values that `node` compares, neither missing.
int Compare(const Value& a, const Value& b, const Node& node) {
  if (const auto* text = std::get_if<absl::string_view>(&a)) {
    return CompareText(*text, std::get<absl::string_view>(b), node);
  }
  const auto* left = std::get_if<int64_t>(&a);
  const auto* right = std::get_if<int64_t>(&b);
  if (left != nullptr && right != nullptr) return ThreeWay(*left, *right);
  if (left != nullptr) return CompareExactly(*left, std::get<double>(b));
  if (right != nullptr) return -CompareExactly(*right, std::get<double>(a));
  return ThreeWay(std::get<double>(a), std::get<double>(b));
}

bool Holds(Operator op, int order) {
  switch (op) {
    case Operator::kEqual:
      return order == 0;
    case Operator::kNotEqual:
      return order != 0;
    case Operator::kLess:
      return order < 0;
    case Operator::kLessOrEqual:
      return order <= 0;
    case Operator::kGreater:
      return order > 0;
    default:
      return order >= 0;
  }
}

Value Finite(double number) {
  return std::isfinite(number) ? Value(number) : Value();
}

Value IntArithmetic(Operator op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflows = false;
  if (op == Operator::kAdd) {
    overflows = __builtin_add_overflow(a, b, &result);
  } else if (op == Operator::kSubtract) {
    overflows = __builtin_sub_overflow(a, b, &result);
  } else {
    overflows = __builtin_mul_overflow(a, b, &result);
  }
  return overflows ? Value() : Value(result);
}

Value DoubleArithmetic(Operator op, double a, double b) {
  switch (op) {
    case Operator::kAdd:
      return Finite(a + b);
    case Operator::kSubtract:
      return Finite(a - b);
    case Operator::kMultiply:
      return Finite(a * b);
    default:
      return b == 0 ? Value() : Finite(a / b);
  }
}

// A duration, in whole microseconds.
Value WholeDuration(double microseconds) {
  constexpr double kTwoTo63 = 9223372036854775808.0;
  const double rounded = RoundHalfAway(microseconds);
  if (!(rounded > -kTwoTo63 && rounded < kTwoTo63)) return Value();
  return static_cast<int64_t>(rounded);
}

class Evaluator {
 public:
  Evaluator(Fields fields, int64_t now_us) : fields_(fields), now_us_(now_us) {}

  // Whether `node`, of type kBool, is true.
  bool IsTrue(const Node& node) {
    switch (node.op) {
      case Operator::kAnd:
        return std::all_of(node.operands.begin(), node.operands.end(),
                           [&](const Node& one) { return IsTrue(one); });
      case Operator::kOr:
        return std::any_of(node.operands.begin(), node.operands.end(),
                           [&](const Node& one) { return IsTrue(one); });
      case Operator::kNot:
        return !IsTrue(node.operands[0]);
      case Operator::kEqual:
      case Operator::kNotEqual:
      case Operator::kLess:
      case Operator::kLessOrEqual:
      case Operator::kGreater:
      case Operator::kGreaterOrEqual: {
        const Value left = Of(node.operands[0]);
        if (IsMissing(left)) return false;
        const Value right = Of(node.operands[1]);
        return !IsMissing(right) && Holds(node.op, Compare(left, right, node));
      }
      case Operator::kIn:
        return IsIn(node);
      case Operator::kHas:
        return Has(node);
      case Operator::kLike:
      case Operator::kPrefix:
        return MatchesPattern(node);
      case Operator::kIsNull:
        return IsMissing(Of(node.operands[0]));
      case Operator::kExists:
        return JsonAt(node.operands[0]).has_value();
      default: {
        const Value value = Of(node);
        const auto* truth = std::get_if<int64_t>(&value);
        return truth != nullptr && *truth != 0;
      }
    }
  }

  Value Of(const Node& node) {
    Value value = Unchecked(node);
    // Within a chain a timestamp may be of any year.
    const auto* time = std::get_if<int64_t>(&value);
    if (time != nullptr && node.type == Type::kTimestamp && IsChained(node) &&
        (*time < kMinTimestamp || *time > kMaxTimestamp)) {
      return Value();
    }
    return value;
  }

 private:
  Value Unchecked(const Node& node) {
    switch (node.op) {
      case Operator::kField:
        return node.path.empty() ? Held(fields_(node.place), node.type)
                                 : InJson(node);
      case Operator::kLiteral:
        return Held(node.value, node.type);
      case Operator::kNow:
        return now_us_;
      case Operator::kAdd:
      case Operator::kSubtract:
      case Operator::kMultiply:
      case Operator::kDivide:
        return Arithmetic(node);
      case Operator::kNegate:
        return Negated(node);
      case Operator::kMin:
      case Operator::kMax:
        return Extreme(node);
      case Operator::kRound:
        return Rounded(node);
      case Operator::kCoalesce:
        return FirstPresent(node);
      case Operator::kToDouble: {
        const Value value = Of(node.operands[0]);
        const auto* whole = std::get_if<int64_t>(&value);
        return whole == nullptr ? Value() : static_cast<double>(*whole);
      }
      default:
        return int64_t{IsTrue(node)};
    }
  }

  // A field's value as what it should be; a file that another hand changed may
  // hold something else, which is missing.
  static Value Held(const FieldValue& held, Type type) {
    switch (type) {
      case Type::kBool:
      case Type::kInt:
      case Type::kTimestamp:
      case Type::kDuration:
        if (const auto* whole = std::get_if<int64_t>(&held)) return *whole;
        break;
      case Type::kDouble:
        if (const auto* number = std::get_if<double>(&held)) return *number;
        break;
      case Type::kBytes:
        if (const auto* blob = std::get_if<Blob>(&held)) {
          return absl::string_view(blob->bytes);
        }
        break;
      case Type::kString:
      case Type::kStrings:
      case Type::kJson:
        if (const auto* text = std::get_if<std::string>(&held)) {
          return absl::string_view(*text);
        }
        break;
    }
    return Value();
  }

  // The JSON text at the path of a field.
  std::optional<absl::string_view> JsonAt(const Node& node) const {
    const auto* text = std::get_if<std::string>(&fields_(node.place));
    if (text == nullptr) return std::nullopt;
    return FindJson(*text, node.path);
  }

  // The value at the path if it is of the node's type.
  Value InJson(const Node& node) {
    const std::optional<absl::string_view> found = JsonAt(node);
    if (!found.has_value() || *found == "null") return Value();
    switch (node.type) {
      case Type::kBool: {
        const std::optional<bool> truth = JsonBool(*found);
        return truth.has_value() ? Value(int64_t{*truth}) : Value();
      }
      case Type::kDouble: {
        const std::optional<double> number = JsonNumber(*found);
        return number.has_value() ? Value(*number) : Value();
      }
      case Type::kString: {
        std::optional<std::string> text = JsonString(*found);
        if (!text.has_value()) return Value();
        texts_.push_back(*std::move(text));
        return absl::string_view(texts_.back());
      }
      default:
        return *found;
    }
  }

  bool IsIn(const Node& node) {
    const Value value = Of(node.operands[0]);
    FieldValue wanted;
    if (const auto* whole = std::get_if<int64_t>(&value)) {
      wanted = *whole;
    } else if (const auto* number = std::get_if<double>(&value)) {
      wanted = *number;
    } else if (const auto* text = std::get_if<absl::string_view>(&value)) {
      std::string copy(*text);
      if (node.nocase) absl::AsciiStrToLower(&copy);
      if (node.operands[0].type == Type::kBytes) {
        wanted = Blob{std::move(copy)};
      } else {
        wanted = std::move(copy);
      }
    } else {
      return false;
    }
    return std::binary_search(node.values.begin(), node.values.end(), wanted);
  }

  bool Has(const Node& node) {
    const std::optional<absl::string_view> list = JsonAt(node.operands[0]);
    const auto* wanted = std::get_if<std::string>(&node.operands[1].value);
    if (!list.has_value() || wanted == nullptr) return false;
    return AnyElement(*list, [&](absl::string_view element) {
      const std::optional<std::string> text = JsonString(element);
      return text.has_value() && CompareText(*text, *wanted, node) == 0;
    });
  }

  bool MatchesPattern(const Node& node) {
    const Value value = Of(node.operands[0]);
    const auto* text = std::get_if<absl::string_view>(&value);
    const auto* pattern = std::get_if<std::string>(&node.operands[1].value);
    if (text == nullptr || pattern == nullptr) return false;
    return node.op == Operator::kLike ? MatchesLike(*text, *pattern)
                                      : absl::StartsWith(*text, *pattern);
  }

  // An operand of arithmetic: within a chain as it comes.
  Value Operand(const Node& node) {
    return IsChained(node) ? Unchecked(node) : Of(node);
  }

  Value Arithmetic(const Node& node) {
    const Value left = Operand(node.operands[0]);
    const Value right = Operand(node.operands[1]);
    if (IsMissing(left) || IsMissing(right)) return Value();
    if (ScalesByDouble(node)) {
      const auto span = static_cast<double>(std::get<int64_t>(left));
      const Value scaled =
          DoubleArithmetic(node.op, span, std::get<double>(right));
      if (IsMissing(scaled)) return Value();
      return WholeDuration(std::get<double>(scaled));
    }
    if (node.type == Type::kDouble) {
      return DoubleArithmetic(node.op, std::get<double>(left),
                              std::get<double>(right));
    }
    return IntArithmetic(node.op, std::get<int64_t>(left),
                         std::get<int64_t>(right));
  }

  Value Negated(const Node& node) {
    const Value value = Operand(node.operands[0]);
    if (const auto* number = std::get_if<double>(&value)) return -*number;
    if (const auto* whole = std::get_if<int64_t>(&value)) {
      return IntArithmetic(Operator::kSubtract, 0, *whole);
    }
    return Value();
  }

  Value Extreme(const Node& node) {
    Value best = Of(node.operands[0]);
    for (size_t i = 1; i < node.operands.size() && !IsMissing(best); ++i) {
      Value other = Of(node.operands[i]);
      if (IsMissing(other)) return Value();
      const int order = Compare(other, best, node);
      if (node.op == Operator::kMin ? order < 0 : order > 0) {
        best = std::move(other);
      }
    }
    return best;
  }

  Value Rounded(const Node& node) {
    const Value value = Operand(node.operands[0]);
    const auto* number = std::get_if<double>(&value);
    if (number == nullptr) return Value();
    if (node.operands.size() == 1) return RoundHalfAway(*number);
    const double scale = PowerOfTen(std::get<int64_t>(node.operands[1].value));
    return Finite(RoundHalfAway(*number * scale) / scale);
  }

  Value FirstPresent(const Node& node) {
    for (const Node& operand : node.operands) {
      Value value = Of(operand);
      if (!IsMissing(value)) return value;
    }
    return Value();
  }

  const Fields fields_;
  const int64_t now_us_;
  // Strings out of json, which are not in the record as they are.
  std::deque<std::string> texts_;
};

}  // namespace

bool Matches(const Node& condition, Fields fields, int64_t now_us) {
  return Evaluator(fields, now_us).IsTrue(condition);
}

FieldValue Evaluate(const Node& expression, Fields fields, int64_t now_us) {
  Evaluator evaluator(fields, now_us);
  const Value value = evaluator.Of(expression);
  if (const auto* whole = std::get_if<int64_t>(&value)) return *whole;
  if (const auto* number = std::get_if<double>(&value)) return *number;
  if (const auto* text = std::get_if<absl::string_view>(&value)) {
    if (expression.type == Type::kBytes) return Blob{std::string(*text)};
    return std::string(*text);
  }
  return FieldValue();
}

}  // namespace engram::filter
