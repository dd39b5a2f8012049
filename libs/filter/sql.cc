#include "libs/filter/sql.h"

#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/filter/arithmetic.h"
#include "libs/filter/json_path.h"
#include "libs/filter/sql_piece.h"
#include "libs/json/json.h"

namespace engram::filter {
namespace {

using schema::FieldValue;

// What SQLite's parser has, without what the statement around needs.
constexpr int kMaxStack = 78;
constexpr int kMaxHeight = 850;
constexpr size_t kMaxTextBytes = 1 << 20;
// A longer list is one parameter: JSON, whose text does not depend on it.
constexpr size_t kMaxListedValues = 8;
// The entries of the stack that EXISTS with its subquery needs.
constexpr int kSubqueryStack = 16;

// Infinity, as SQL; a bound one would do, but not in a generated column.
constexpr absl::string_view kInfinity = "9e999";

// Writes nodes as SQL; see sql.h.
class SqlWriter {
 public:
  enum class Purpose { kQuery, kText, kMeasure };

  SqlWriter(const SqlNames& names, Purpose purpose, int64_t now_us)
      : names_(names), purpose_(purpose), now_us_(now_us) {}

  // A value or a condition, whole.
  Piece Write(const Node& node) {
    return IsCondition(node) ? Condition(node) : Value(node);
  }
  // The same, where a condition is likely wanted: a bool column as one that its
  // index finds, and that has the same value.
  Piece WriteRoot(const Node& node) {
    return node.op == Operator::kField && node.type == Type::kBool
               ? Condition(node)
               : Write(node);
  }
  bool too_large() const { return too_large_; }

 private:
  static bool IsCondition(const Node& node) {
    switch (node.op) {
      case Operator::kField:
      case Operator::kLiteral:
      case Operator::kNow:
      case Operator::kCoalesce:
        return false;
      default:
        return node.type == Type::kBool;
    }
  }

  // True where the node is, else false or NULL.
  Piece Condition(const Node& node);
  Piece Junction(const Node& node);
  Piece Not(const Node& node);
  Piece Comparison(const Node& node);
  Piece In(const Node& node);
  Piece Has(const Node& node);
  Piece HasInJson(const Node& node);
  Piece Like(const Node& node);
  Piece Prefix(const Node& node);

  // The node's value, NULL if missing. Chained ones may have overflowed.
  Piece Value(const Node& node);
  Piece Unchecked(const Node& node);
  Piece Operand(const Node& node) {
    return IsChained(node) ? Unchecked(node) : Value(node);
  }
  Piece Checked(const Node& node, const Piece& value);
  Piece Arithmetic(const Node& node);
  Piece Negated(const Node& node);
  Piece ScaledDuration(const Node& node);
  Piece Rounded(const Node& node);
  Piece InJson(const Node& node);

  Piece Column(const Node& node);
  Piece Bound(FieldValue value);
  Piece Path(const Node& node) {
    return Bound(FieldValue(SqlitePath(node.path)));
  }
  Piece JsonCall(absl::string_view function, const Node& node) {
    return Call(function, {Column(node), Path(node)});
  }
  Piece Plain(absl::string_view text) {
    return PieceBuilder(Binding::kPrimary).Text(text).Build();
  }
  // Replaces what has grown too large, which some nests would exponentially.
  Piece Bounded(Piece piece) {
    if (piece.text.size() <= kMaxTextBytes && piece.stack <= kMaxStack &&
        piece.height <= kMaxHeight) {
      return piece;
    }
    too_large_ = true;
    return purpose_ == Purpose::kMeasure ? Plain("NULL") : std::move(piece);
  }

  const SqlNames names_;
  const Purpose purpose_;
  const int64_t now_us_;
  bool too_large_ = false;
};

Piece SqlWriter::Condition(const Node& node) {
  switch (node.op) {
    case Operator::kAnd:
    case Operator::kOr:
      return Bounded(Junction(node));
    case Operator::kNot:
      return Bounded(Not(node));
    case Operator::kIn:
      return Bounded(In(node));
    case Operator::kHas:
      return Bounded(Has(node));
    case Operator::kLike:
      return Bounded(Like(node));
    case Operator::kPrefix:
      return Bounded(Prefix(node));
    case Operator::kIsNull:
      return Bounded(PieceBuilder(Binding::kComparison)
                         .Part(Value(node.operands[0]), 0, Binding::kSum)
                         .Text(" IS NULL")
                         .Build());
    case Operator::kExists:
      return Bounded(PieceBuilder(Binding::kComparison)
                         .Part(JsonCall("json_type", node.operands[0]), 0)
                         .Text(" IS NOT NULL")
                         .Build());
    case Operator::kLiteral:
      // Constant, so that the planner sees it.
      return Plain(node.value == FieldValue(int64_t{1}) ? "1" : "0");
    case Operator::kField:
      if (!node.path.empty()) return Value(node);
      // A bare column would use no index.
      return CompareBy("=", Column(node), Plain("1"));
    case Operator::kCoalesce:
      return Value(node);
    default:
      return Bounded(Comparison(node));
  }
}

Piece SqlWriter::Junction(const Node& node) {
  std::vector<Piece> pieces;
  pieces.reserve(node.operands.size());
  for (const Node& operand : node.operands) {
    pieces.push_back(Condition(operand));
  }
  return Join(node.op == Operator::kAnd ? Binding::kAnd : Binding::kOr,
              std::move(pieces));
}

Piece SqlWriter::Not(const Node& node) {
  const Node& operand = node.operands[0];
  if (operand.op == Operator::kIsNull) {
    return PieceBuilder(Binding::kComparison)
        .Part(Value(operand.operands[0]), 0, Binding::kSum)
        .Text(" IS NOT NULL")
        .Build();
  }
  return PieceBuilder(Binding::kComparison)
      .Part(Condition(operand), 0, Binding::kPrimary)
      .Text(" IS NOT TRUE")
      .Needs(4)
      .Build();
}

absl::string_view SymbolOf(Operator op) {
  switch (op) {
    case Operator::kEqual:
      return "=";
    case Operator::kNotEqual:
      return "!=";
    case Operator::kLess:
      return "<";
    case Operator::kLessOrEqual:
      return "<=";
    case Operator::kGreater:
      return ">";
    default:
      return ">=";
  }
}

Piece SqlWriter::Comparison(const Node& node) {
  // To look an int up in an index over doubles, SQLite rounds it. A plus makes
  // the column a value without affinity and index, which compares exactly.
  const auto side = [&](const Node& one, const Node& other) {
    Piece piece = Value(one);
    if (one.op != Operator::kField || one.type != Type::kDouble ||
        other.type != Type::kInt || !one.path.empty()) {
      return piece;
    }
    return PieceBuilder(Binding::kPrimary).Text("+").Part(piece, 1).Build();
  };
  const Node& left = node.operands[0];
  const Node& right = node.operands[1];
  Piece comparison =
      CompareBy(SymbolOf(node.op), side(left, right), side(right, left));
  if (node.nocase) comparison.text += " COLLATE NOCASE";
  return comparison;
}

// A list of strings or ints as a JSON array.
std::string JsonList(const std::vector<FieldValue>& values) {
  std::string list = "[";
  for (const FieldValue& value : values) {
    if (list.size() > 1) list.push_back(',');
    if (const auto* text = std::get_if<std::string>(&value)) {
      json::AppendQuoted(*text, &list);
    } else {
      absl::StrAppend(&list, std::get<int64_t>(value));
    }
  }
  list.push_back(']');
  return list;
}

Piece SqlWriter::In(const Node& node) {
  if (node.values.empty()) return Plain("0");
  PieceBuilder builder(Binding::kComparison);
  builder.Part(Value(node.operands[0]), 0, Binding::kPrimary)
      .Text(node.nocase ? " COLLATE NOCASE IN (" : " IN (");
  const Type type = node.operands[0].type;
  if (purpose_ != Purpose::kText && node.values.size() > kMaxListedValues &&
      type != Type::kDouble && type != Type::kBytes) {
    return builder.Text("SELECT value FROM json_each(")
        .Parameter(JsonList(node.values))
        .Text("))")
        .Needs(kSubqueryStack)
        .Build();
  }
  for (size_t i = 0; i < node.values.size(); ++i) {
    if (i > 0) builder.Text(", ");
    builder.Part(Bound(node.values[i]), 5);
  }
  return builder.Text(")").Build();
}

Piece SqlWriter::Has(const Node& node) {
  const Node& list = node.operands[0];
  const FieldValue& element = node.operands[1].value;
  if (list.type == Type::kJson) return HasInJson(node);
  const std::string rows =
      node.nocase ? "" : names_.rows_with_element(list.place);
  if (!rows.empty()) {
    return PieceBuilder(Binding::kComparison)
        .Text("_row IN (")
        .Text(absl::StrCat(rows.substr(0, rows.find('?'))))
        .Part(Bound(element), kSubqueryStack)
        .Text(rows.substr(rows.find('?') + 1))
        .Text(")")
        .Build();
  }
  return HasInJson(node);
}

// The list's text goes through a subquery: as json_each's own argument, a
// column called `value` would be taken for json_each's.
Piece SqlWriter::HasInJson(const Node& node) {
  const Node& list = node.operands[0];
  const FieldValue& element = node.operands[1].value;
  return PieceBuilder(Binding::kComparison)
      .Part(JsonCall("json_type", list), 0)
      .Text(" = 'array' AND EXISTS (SELECT 1 FROM (SELECT ")
      .Part(Column(list), kSubqueryStack)
      .Text(" AS list) AS field, json_each(field.list, ")
      .Part(Path(list), kSubqueryStack)
      .Text(") AS element WHERE element.type = 'text' AND element.value = ")
      .Part(Bound(element), kSubqueryStack)
      .Text(node.nocase ? " COLLATE NOCASE)" : ")")
      .Build();
}

Piece SqlWriter::Like(const Node& node) {
  Piece like =
      CompareBy("LIKE", Value(node.operands[0]), Bound(node.operands[1].value));
  like.text += " ESCAPE '\\'";
  return PieceBuilder(Binding::kComparison).Part(like, 0).Needs(5).Build();
}

// The first string after all that begin with `prefix`: its last character
// replaced by the next one. Nothing if there is none.
std::optional<std::string> AfterPrefix(std::string prefix) {
  while (!prefix.empty()) {
    size_t begin = prefix.size() - 1;
    while (begin > 0 && (prefix[begin] & 0xC0) == 0x80) --begin;
    const std::string last = prefix.substr(begin);
    prefix.resize(begin);
    if (last == "\xF4\x8F\xBF\xBF") continue;  // U+10FFFF, the very last.
    if (last == "\x7F") return prefix + "\xC2\x80";
    if (last == "\xDF\xBF") return prefix + "\xE0\xA0\x80";
    if (last == "\xED\x9F\xBF") return prefix + "\xEE\x80\x80";
    if (last == "\xEF\xBF\xBF") return prefix + "\xF0\x90\x80\x80";
    std::string next = last;
    for (size_t i = next.size(); i-- > 0;) {
      if (next[i] != '\xBF' || i == 0) {
        ++next[i];
        break;
      }
      next[i] = '\x80';
    }
    return prefix + next;
  }
  return std::nullopt;
}

Piece SqlWriter::Prefix(const Node& node) {
  const Node& operand = node.operands[0];
  const auto* prefix = std::get_if<std::string>(&node.operands[1].value);
  if (prefix == nullptr) return Plain("0");
  Piece text = Value(operand);
  // The bytes count, whatever the column's collation.
  if (operand.op != Operator::kField || !operand.path.empty()) {
    // Not a column, which no index is over and which is costly to repeat.
    const Piece start = Call(
        "substr", {text, Plain("1"), Bound(schema::CountCharacters(*prefix))});
    return CompareBy("=", start, Bound(*prefix));
  }
  if (operand.nocase) text.text += " COLLATE BINARY";
  std::vector<Piece> bounds;
  bounds.push_back(CompareBy(">=", text, Bound(*prefix)));
  if (const std::optional<std::string> after = AfterPrefix(*prefix)) {
    bounds.push_back(CompareBy("<", text, Bound(*after)));
  }
  return Join(Binding::kAnd, std::move(bounds));
}

Piece SqlWriter::Value(const Node& node) {
  Piece value = Unchecked(node);
  return Bounded(IsChained(node) ? Checked(node, value) : std::move(value));
}

// NULL where the last of a chain shows that one of it overflowed.
Piece SqlWriter::Checked(const Node& node, const Piece& value) {
  if (node.type == Type::kDouble) {
    const Piece not_infinite = Call("nullif", {value, Plain(kInfinity)});
    return Call("nullif", {not_infinite, Plain(absl::StrCat("-", kInfinity))});
  }
  PieceBuilder builder(Binding::kPrimary);
  if (node.type == Type::kTimestamp) {
    builder.Text("CASE WHEN typeof(")
        .Part(value, 6)
        .Text(") = 'integer' AND ")
        .Part(value, 5, Binding::kSum)
        .Text(absl::StrCat(" BETWEEN ", kMinTimestamp, " AND ", kMaxTimestamp,
                           " THEN "))
        .Needs(10);
  } else {
    builder.Text("CASE typeof(").Part(value, 4).Text(") WHEN 'integer' THEN ");
  }
  return builder.Part(value, 5).Text(" END").Needs(6).Build();
}

Piece SqlWriter::Unchecked(const Node& node) {
  switch (node.op) {
    case Operator::kField:
      return node.path.empty() ? Column(node) : InJson(node);
    case Operator::kLiteral:
      return Bound(node.value);
    case Operator::kNow:
      // Our own mistake: see CompileSqlText.
      if (purpose_ == Purpose::kText) std::abort();
      return Bound(now_us_);
    case Operator::kAdd:
    case Operator::kSubtract:
    case Operator::kMultiply:
    case Operator::kDivide:
      return Bounded(ScalesByDouble(node) ? ScaledDuration(node)
                                          : Arithmetic(node));
    case Operator::kNegate:
      return Bounded(Negated(node));
    case Operator::kRound:
      return Bounded(Rounded(node));
    case Operator::kMin:
    case Operator::kMax:
    case Operator::kCoalesce: {
      std::vector<Piece> operands;
      for (const Node& operand : node.operands)
        operands.push_back(Write(operand));
      const absl::string_view name = node.op == Operator::kMin   ? "min"
                                     : node.op == Operator::kMax ? "max"
                                                                 : "coalesce";
      return Call(name, operands);
    }
    case Operator::kToDouble:
      return PieceBuilder(Binding::kPrimary)
          .Text("CAST(")
          .Part(Value(node.operands[0]), 2)
          .Text(" AS REAL)")
          .Needs(6)
          .Build();
    default:
      return Condition(node);
  }
}

Piece SqlWriter::Arithmetic(const Node& node) {
  const bool is_sum =
      node.op == Operator::kAdd || node.op == Operator::kSubtract;
  const Binding binding = is_sum ? Binding::kSum : Binding::kProduct;
  Piece left = Operand(node.operands[0]);
  // A divisor that is infinite would make the result finite again.
  Piece right = node.op == Operator::kDivide ? Value(node.operands[1])
                                             : Operand(node.operands[1]);
  const bool commutes =
      node.op == Operator::kAdd || node.op == Operator::kMultiply;
  if (commutes && right.stack > left.stack) std::swap(left, right);
  const absl::string_view symbol = node.op == Operator::kAdd        ? " + "
                                   : node.op == Operator::kSubtract ? " - "
                                   : node.op == Operator::kMultiply ? " * "
                                                                    : " / ";
  return PieceBuilder(binding)
      .Part(left, 0, binding)
      .Text(symbol)
      .Part(right, 2, is_sum ? Binding::kProduct : Binding::kPrimary)
      .Build();
}

Piece SqlWriter::Negated(const Node& node) {
  Piece operand = Operand(node.operands[0]);
  // Two signs together begin a comment.
  if (operand.text[0] == '-') operand.binding = Binding::kOr;
  return PieceBuilder(Binding::kPrimary)
      .Text("-")
      .Part(operand, 1, Binding::kPrimary)
      .Build();
}

Piece SqlWriter::ScaledDuration(const Node& node) {
  const bool divides = node.op == Operator::kDivide;
  const Piece span = PieceBuilder(Binding::kPrimary)
                         .Text("CAST(")
                         .Part(Value(node.operands[0]), 2)
                         .Text(" AS REAL)")
                         .Needs(6)
                         .Build();
  const Piece scaled =
      PieceBuilder(Binding::kProduct)
          .Part(span, 0)
          .Text(divides ? " / " : " * ")
          .Part(divides ? Value(node.operands[1]) : Operand(node.operands[1]),
                2, Binding::kPrimary)
          .Build();
  const Piece whole = PieceBuilder(Binding::kPrimary)
                          .Text("CAST(")
                          .Part(Call("round", {scaled}), 2)
                          .Text(" AS INTEGER)")
                          .Needs(6)
                          .Build();
  // The cast ends at these where the duration would go beyond.
  const auto end = [&](int64_t value) { return Plain(SqlLiteral(value)); };
  const Piece below =
      Call("nullif", {whole, end(std::numeric_limits<int64_t>::max())});
  return Call("nullif", {below, end(std::numeric_limits<int64_t>::min())});
}

Piece SqlWriter::Rounded(const Node& node) {
  const Piece number = Operand(node.operands[0]);
  if (node.operands.size() == 1) return Call("round", {number});
  // SQLite's own digits are those of a decimal that it rounds by itself.
  const double power = PowerOfTen(std::get<int64_t>(node.operands[1].value));
  const Piece scale = Plain(absl::StrCat(static_cast<int64_t>(power), ".0"));
  const Piece scaled = PieceBuilder(Binding::kProduct)
                           .Part(number, 0, Binding::kProduct)
                           .Text(" * ")
                           .Part(scale, 2)
                           .Build();
  return PieceBuilder(Binding::kProduct)
      .Part(Call("round", {scaled}), 0)
      .Text(" / ")
      .Part(scale, 2)
      .Build();
}

Piece SqlWriter::InJson(const Node& node) {
  const Piece type = JsonCall("json_type", node);
  PieceBuilder builder(Binding::kPrimary);
  builder.Text("CASE ").Part(type, 1).Needs(7);
  switch (node.type) {
    case Type::kBool:
      return builder.Text(" WHEN 'true' THEN 1 WHEN 'false' THEN 0 END")
          .Build();
    case Type::kDouble:
      builder.Text(" WHEN 'integer' THEN CAST(")
          .Part(JsonCall("json_extract", node), 7)
          .Text(" AS REAL) WHEN 'real' THEN ")
          .Part(JsonCall("json_extract", node), 6);
      return builder.Text(" END").Build();
    case Type::kString:
      return builder.Text(" WHEN 'text' THEN ")
          .Part(JsonCall("json_extract", node), 5)
          .Text(" END")
          .Build();
    default:
      // Its JSON text.
      return builder.Text(" WHEN 'null' THEN NULL ELSE ")
          .Part(Column(node), 5)
          .Text(" -> ")
          .Part(Path(node), 7)
          .Text(" END")
          .Build();
  }
}

Piece SqlWriter::Column(const Node& node) {
  return PieceBuilder(Binding::kPrimary)
      .Text(names_.column(node.place))
      .Needs(5)
      .Build();
}

Piece SqlWriter::Bound(FieldValue value) {
  if (purpose_ == Purpose::kText) {
    return PieceBuilder(Binding::kPrimary)
        .Text(SqlLiteral(value))
        .Needs(8)
        .Build();
  }
  if (value.index() == 0) return Plain("NULL");
  return PieceBuilder(Binding::kPrimary).Parameter(std::move(value)).Build();
}

}  // namespace

Sql CompileSql(const Node& node, const SqlNames& names, int64_t now_us) {
  Piece piece =
      SqlWriter(names, SqlWriter::Purpose::kQuery, now_us).WriteRoot(node);
  return {std::move(piece.text), std::move(piece.parameters)};
}

std::string CompileSqlText(const Node& node,
                           absl::FunctionRef<std::string(int place)> column) {
  const auto no_elements = [](int) { return std::string(); };
  return SqlWriter({column, no_elements}, SqlWriter::Purpose::kText, 0)
      .WriteRoot(node)
      .text;
}

bool FitsSql(const Node& node) {
  // As long as a qualified name gets.
  const auto column = [](int) { return std::string(2 * 64 + 5, 'c'); };
  const auto no_elements = [](int) { return std::string(); };
  SqlWriter writer({column, no_elements}, SqlWriter::Purpose::kMeasure, 0);
  writer.WriteRoot(node);
  return !writer.too_large();
}

}  // namespace engram::filter
