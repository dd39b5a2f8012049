#include "libs/filter/parser.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/filter/lexer.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::filter {
namespace {

using Kind = Token::Kind;

constexpr size_t kShownBytes = 40;
constexpr int kMaxPathSteps = 32;
constexpr int kMaxListIndex = 1'000'000'000;

struct Spelling {
  absl::string_view text;
  Operator op;
};
constexpr Spelling kComparisons[] = {
    {"=", Operator::kEqual},   {"!=", Operator::kNotEqual},
    {"<", Operator::kLess},    {"<=", Operator::kLessOrEqual},
    {">", Operator::kGreater}, {">=", Operator::kGreaterOrEqual}};
constexpr Spelling kMatches[] = {{"HAS", Operator::kHas},
                                 {"LIKE", Operator::kLike},
                                 {"PREFIX", Operator::kPrefix}};
// Those that a field of the same name cannot stand beside; in backticks it can.
constexpr absl::string_view kReserved[] = {"AND", "OR", "NOT", "IN", "IS"};
constexpr Spelling kFunctions[] = {{"min", Operator::kMin},
                                   {"max", Operator::kMax},
                                   {"round", Operator::kRound},
                                   {"coalesce", Operator::kCoalesce}};

// Recursive descent, one function a rule of the grammar in filter.h.
class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  absl::StatusOr<Syntax> Whole() {
    if (token().kind == Kind::kEnd) {
      return ErrorAt(1, "it is empty; write true if all is meant");
    }
    ASSIGN_OR_RETURN(Syntax syntax, Or());
    if (token().kind != Kind::kEnd) return Unexpected("AND, OR or the end");
    return syntax;
  }

 private:
  // One level of what encloses: parentheses, NOT, a sign or a function.
  class Level {
   public:
    explicit Level(int& depth) : depth_(depth) { ++depth_; }
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    absl::Status Check(int column) const {
      return depth_ <= kMaxDepth ? absl::OkStatus() : TooDeep(column);
    }

   private:
    int& depth_;
  };

  static absl::Status TooDeep(int column) {
    return ErrorAt(column, absl::StrCat("nests deeper than ", kMaxDepth,
                                        " levels; make it simpler"));
  }

  const Token& token() const { return tokens_[at_]; }
  const Token& next() const {
    return tokens_[std::min(at_ + 1, tokens_.size() - 1)];
  }
  bool IsSymbol(const Token& token, absl::string_view symbol) const {
    return token.kind == Kind::kSymbol && token.text == symbol;
  }
  bool IsKeyword(const Token& token, absl::string_view word) const {
    return token.kind == Kind::kName &&
           absl::EqualsIgnoreCase(token.text, word);
  }
  bool AcceptSymbol(absl::string_view symbol) {
    return IsSymbol(token(), symbol) && (++at_, true);
  }
  bool AcceptKeyword(absl::string_view word) {
    return IsKeyword(token(), word) && (++at_, true);
  }

  absl::Status Unexpected(absl::string_view wanted) const {
    const Token& token = this->token();
    if (token.kind == Kind::kEnd) {
      return ErrorAt(token.column,
                     absl::StrCat("it ends where ", wanted, " is expected"));
    }
    const std::string shown = token.kind == Kind::kDuration ? "a duration"
                              : token.kind == Kind::kString
                                  ? "a string"
                                  : CutText(token.text, kShownBytes);
    return ErrorAt(token.column, absl::StrCat("unexpected ", shown, " where ",
                                              wanted, " is expected"));
  }
  absl::Status ExpectSymbol(absl::string_view symbol) {
    return AcceptSymbol(symbol) ? absl::OkStatus() : Unexpected(symbol);
  }

  Syntax Begin(Operator op) const {
    Syntax syntax;
    syntax.op = op;
    syntax.column = token().column;
    return syntax;
  }

  // Adds an operand of arithmetic, which makes the tree higher.
  static absl::Status Add(Syntax& to, Syntax operand) {
    to.height = std::max(to.height, operand.height + 1);
    to.operands.push_back(std::move(operand));
    return to.height <= kMaxDepth ? absl::OkStatus() : TooDeep(to.column);
  }

  absl::StatusOr<Syntax> Or() { return Junction(Operator::kOr, "OR"); }

  // A list of operands is one node, so that its length costs no depth.
  absl::StatusOr<Syntax> Junction(Operator op, absl::string_view word) {
    Syntax list = Begin(op);
    do {
      absl::StatusOr<Syntax> operand =
          op == Operator::kOr ? Junction(Operator::kAnd, "AND") : Not();
      RETURN_IF_ERROR(operand.status());
      list.operands.push_back(*std::move(operand));
    } while (AcceptKeyword(word));
    if (list.operands.size() > 1) return list;
    Syntax only = std::move(list.operands[0]);
    return only;
  }

  absl::StatusOr<Syntax> Not() {
    if (!IsKeyword(token(), "NOT")) return Predicate();
    Syntax negation = Begin(Operator::kNot);
    const Level level(depth_);
    RETURN_IF_ERROR(level.Check(token().column));
    ++at_;
    ASSIGN_OR_RETURN(Syntax operand, Not());
    negation.operands.push_back(std::move(operand));
    return negation;
  }

  absl::StatusOr<Syntax> Predicate() {
    // A field may be called `exists`; no name follows one.
    if (IsKeyword(token(), "EXISTS") &&
        (next().kind == Kind::kName || next().kind == Kind::kQuotedName)) {
      Syntax exists = Begin(Operator::kExists);
      ++at_;
      ASSIGN_OR_RETURN(Syntax path, Path());
      exists.operands.push_back(std::move(path));
      return exists;
    }
    ASSIGN_OR_RETURN(Syntax left, Sum());
    if (IsKeyword(token(), "IS")) return IsNull(std::move(left));
    for (const Spelling& comparison : kComparisons) {
      if (!IsSymbol(token(), comparison.text)) continue;
      return Comparison(comparison.op, std::move(left));
    }
    const bool negated = IsKeyword(token(), "NOT");
    if (!negated) return Membership(std::move(left));
    Syntax negation = Begin(Operator::kNot);
    ++at_;
    const size_t begin = at_;
    ASSIGN_OR_RETURN(Syntax positive, Membership(std::move(left)));
    if (at_ == begin) return Unexpected("IN, HAS, LIKE or PREFIX");
    negation.operands.push_back(std::move(positive));
    return negation;
  }

  absl::StatusOr<Syntax> Comparison(Operator op, Syntax left) {
    Syntax comparison = Begin(op);
    ++at_;
    comparison.operands.push_back(std::move(left));
    ASSIGN_OR_RETURN(Syntax right, Sum());
    comparison.operands.push_back(std::move(right));
    for (const Spelling& another : kComparisons) {
      if (IsSymbol(token(), another.text)) {
        return ErrorAt(token().column,
                       "a comparison of a comparison; join two with AND");
      }
    }
    return comparison;
  }

  absl::StatusOr<Syntax> IsNull(Syntax left) {
    Syntax test = Begin(Operator::kIsNull);
    Syntax negation = Begin(Operator::kNot);
    ++at_;
    const bool negated = AcceptKeyword("NOT");
    if (!AcceptKeyword("NULL")) return Unexpected("NULL");
    test.operands.push_back(std::move(left));
    if (!negated) return test;
    negation.operands.push_back(std::move(test));
    return negation;
  }

  // What IN, HAS, LIKE or PREFIX say of `left`; `left` if there is none.
  absl::StatusOr<Syntax> Membership(Syntax left) {
    if (IsKeyword(token(), "IN")) return In(std::move(left));
    for (const Spelling& match : kMatches) {
      if (!IsKeyword(token(), match.text)) continue;
      Syntax test = Begin(match.op);
      ++at_;
      test.operands.push_back(std::move(left));
      ASSIGN_OR_RETURN(Syntax right, Sum());
      test.operands.push_back(std::move(right));
      return test;
    }
    return left;
  }

  absl::StatusOr<Syntax> In(Syntax left) {
    Syntax in = Begin(Operator::kIn);
    ++at_;
    in.operands.push_back(std::move(left));
    if (token().kind == Kind::kParameter) {
      in.parameter = token().text;
      ++at_;
      return in;
    }
    if (!AcceptSymbol("(")) return Unexpected("a list such as (1, 2) or :name");
    if (AcceptSymbol(")")) return in;
    do {
      ASSIGN_OR_RETURN(Syntax element, Factor());
      in.operands.push_back(std::move(element));
    } while (AcceptSymbol(","));
    RETURN_IF_ERROR(ExpectSymbol(")"));
    return in;
  }

  absl::StatusOr<Syntax> Sum() {
    ASSIGN_OR_RETURN(Syntax left, Product());
    while (IsSymbol(token(), "+") || IsSymbol(token(), "-")) {
      Syntax sum =
          Begin(token().text == "+" ? Operator::kAdd : Operator::kSubtract);
      ++at_;
      RETURN_IF_ERROR(Add(sum, std::move(left)));
      ASSIGN_OR_RETURN(Syntax right, Product());
      RETURN_IF_ERROR(Add(sum, std::move(right)));
      left = std::move(sum);
    }
    return left;
  }

  absl::StatusOr<Syntax> Product() {
    ASSIGN_OR_RETURN(Syntax left, Factor());
    while (IsSymbol(token(), "*") || IsSymbol(token(), "/")) {
      Syntax product =
          Begin(token().text == "*" ? Operator::kMultiply : Operator::kDivide);
      ++at_;
      RETURN_IF_ERROR(Add(product, std::move(left)));
      ASSIGN_OR_RETURN(Syntax right, Factor());
      RETURN_IF_ERROR(Add(product, std::move(right)));
      left = std::move(product);
    }
    return left;
  }

  absl::StatusOr<Syntax> Factor() {
    switch (token().kind) {
      case Kind::kName:
        return Word();
      case Kind::kQuotedName:
        return Path();
      case Kind::kNumber:
        return Number("");
      case Kind::kDuration:
        return Duration();
      case Kind::kString:
        return Literal(Type::kString, token().text);
      case Kind::kParameter:
        return Parameter();
      case Kind::kSymbol:
        if (token().text == "-") return Negation();
        if (token().text == "(") return Parentheses();
        break;
      case Kind::kEnd:
        break;
    }
    return Unexpected("a value");
  }

  absl::StatusOr<Syntax> Parentheses() {
    const Level level(depth_);
    RETURN_IF_ERROR(level.Check(token().column));
    ++at_;
    ASSIGN_OR_RETURN(Syntax inner, Or());
    RETURN_IF_ERROR(ExpectSymbol(")"));
    return inner;
  }

  absl::StatusOr<Syntax> Negation() {
    Syntax negation = Begin(Operator::kNegate);
    const Level level(depth_);
    RETURN_IF_ERROR(level.Check(token().column));
    ++at_;
    if (token().kind == Kind::kNumber) {
      ASSIGN_OR_RETURN(Syntax number, Number("-"));
      number.column = negation.column;
      return number;
    }
    ASSIGN_OR_RETURN(Syntax operand, Factor());
    RETURN_IF_ERROR(Add(negation, std::move(operand)));
    return negation;
  }

  Syntax Literal(Type type, schema::FieldValue value) {
    Syntax literal = Begin(Operator::kLiteral);
    literal.type = type;
    literal.value = std::move(value);
    ++at_;
    return literal;
  }

  Syntax Parameter() {
    Syntax parameter = Begin(Operator::kLiteral);
    parameter.parameter = token().text;
    ++at_;
    return parameter;
  }

  // Durations side by side are one: `1h 30m`.
  absl::StatusOr<Syntax> Duration() {
    const int column = token().column;
    int64_t total = 0;
    for (; token().kind == Kind::kDuration; ++at_) {
      if (__builtin_add_overflow(total, token().duration_us, &total)) {
        return ErrorAt(column, "a duration longer than 64 bits hold");
      }
    }
    --at_;
    Syntax literal = Literal(Type::kDuration, total);
    literal.column = column;
    return literal;
  }

  absl::StatusOr<Syntax> Number(absl::string_view sign) {
    const std::string digits = absl::StrCat(sign, token().text);
    const char* const end = digits.data() + digits.size();
    if (digits.find_first_of(".eE") == std::string::npos) {
      int64_t whole = 0;
      if (std::from_chars(digits.data(), end, whole).ec != std::errc()) {
        return ErrorAt(token().column, "an int beyond 64 bits");
      }
      return Literal(Type::kInt, whole);
    }
    double number = 0;
    // Beyond the range SimpleAtod gives infinity.
    if (!absl::SimpleAtod(digits, &number) || !std::isfinite(number)) {
      return ErrorAt(token().column, "a number beyond what a double holds");
    }
    return Literal(Type::kDouble, number);
  }

  absl::StatusOr<Syntax> Word() {
    if (IsSymbol(next(), "(")) {
      for (const auto& [name, op] : kFunctions) {
        if (IsKeyword(token(), name)) return Call(op);
      }
      return ErrorAt(
          token().column,
          absl::StrCat("no function ", CutText(token().text, kShownBytes),
                       "; known are min, max, round and coalesce"));
    }
    for (const absl::string_view reserved : kReserved) {
      if (IsKeyword(token(), reserved)) return Unexpected("a value");
    }
    if (IsKeyword(token(), "true")) return Literal(Type::kBool, int64_t{1});
    if (IsKeyword(token(), "false")) return Literal(Type::kBool, int64_t{0});
    if (IsKeyword(token(), "now")) {
      Syntax now = Begin(Operator::kNow);
      ++at_;
      return now;
    }
    if (IsKeyword(token(), "null")) {
      return ErrorAt(token().column,
                     "nothing equals null; write IS NULL or IS NOT NULL");
    }
    return Path();
  }

  absl::StatusOr<Syntax> Call(Operator op) {
    Syntax call = Begin(op);
    const Level level(depth_);
    RETURN_IF_ERROR(level.Check(token().column));
    at_ += 2;
    do {
      ASSIGN_OR_RETURN(Syntax argument, Sum());
      RETURN_IF_ERROR(Add(call, std::move(argument)));
    } while (AcceptSymbol(","));
    RETURN_IF_ERROR(ExpectSymbol(")"));
    return call;
  }

  absl::StatusOr<Syntax> Path() {
    Syntax path = Begin(Operator::kField);
    const bool plain = token().kind == Kind::kName;
    path.path.push_back({.key = token().text});
    ++at_;
    path.joinable =
        plain && IsSymbol(token(), ".") && next().kind == Kind::kName;
    while (IsSymbol(token(), ".") || IsSymbol(token(), "[")) {
      if (path.path.size() > kMaxPathSteps) {
        return ErrorAt(token().column, absl::StrCat("a path of more than ",
                                                    kMaxPathSteps, " steps"));
      }
      RETURN_IF_ERROR(Step(path));
    }
    return path;
  }

  absl::Status Step(Syntax& path) {
    if (AcceptSymbol("[")) {
      int index = 0;
      if (token().kind != Kind::kNumber ||
          !absl::SimpleAtoi(token().text, &index) || index > kMaxListIndex) {
        return Unexpected("an index, from 0,");
      }
      path.path.push_back({.index = index});
      ++at_;
      return ExpectSymbol("]");
    }
    ++at_;
    const Kind kind = token().kind;
    if (kind != Kind::kName && kind != Kind::kQuotedName &&
        kind != Kind::kString) {
      return Unexpected("a key, in quotes if it is no plain name,");
    }
    // SQLite's paths have no escape for it.
    if (absl::StrContains(token().text, '"')) {
      return ErrorAt(token().column, "a key that holds a quote");
    }
    path.path.push_back({.key = token().text});
    ++at_;
    return absl::OkStatus();
  }

  const std::vector<Token> tokens_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<Syntax> Parse(absl::string_view text) {
  ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(text));
  return Parser(std::move(tokens)).Whole();
}

}  // namespace engram::filter
