#include "services/storage/text_query.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "services/storage/collection_table.h"
#include "services/storage/text_lexer.h"

namespace engram::storage {
namespace {

using Kind = TextNode::Kind;

// Leaves out closing parentheses that were never opened, and those too deep.
std::vector<TextToken> Balance(std::vector<TextToken> tokens) {
  std::vector<TextToken> balanced;
  int depth = 0;
  int left_out = 0;
  for (TextToken& token : tokens) {
    if (token.kind == TextToken::Kind::kOpen) {
      if (depth == kMaxTextDepth) {
        ++left_out;
        continue;
      }
      ++depth;
    } else if (token.kind == TextToken::Kind::kClose) {
      if (left_out > 0) {
        --left_out;
        continue;
      }
      if (depth == 0) continue;
      --depth;
    }
    balanced.push_back(std::move(token));
  }
  return balanced;
}

TextNode Negate(TextNode node) {
  if (node.kind == Kind::kNot) return std::move(node.operands[0]);
  TextNode negated;
  negated.kind = Kind::kNot;
  negated.operands.push_back(std::move(node));
  return negated;
}

// Adds to the operands of an AND or OR; one of the same kind gives its own.
void AddOperand(Kind kind, TextNode operand, std::vector<TextNode>& operands) {
  if (operand.kind != kind) {
    operands.push_back(std::move(operand));
    return;
  }
  for (TextNode& inner : operand.operands) {
    operands.push_back(std::move(inner));
  }
}

std::optional<TextNode> Join(Kind kind, std::vector<TextNode> operands) {
  if (operands.empty()) return std::nullopt;
  if (operands.size() == 1) return std::move(operands[0]);
  TextNode node;
  node.kind = kind;
  node.operands = std::move(operands);
  return node;
}

//   or      = and { OR and }
//   and     = { [ AND ] operand }
//   operand = { NOT } ( words | "(" or ")" )
//
// Each may turn out to be nothing.
class Parser {
 public:
  Parser(std::vector<TextToken> tokens,
         absl::FunctionRef<bool(absl::string_view)> has_words)
      : tokens_(std::move(tokens)), has_words_(has_words) {}

  std::optional<TextNode> Parse() { return ParseOr(-1); }

 private:
  using Token = TextToken::Kind;

  bool Next(Token kind) const {
    return at_ < tokens_.size() && tokens_[at_].kind == kind;
  }
  bool Take(Token kind) {
    if (!Next(kind)) return false;
    ++at_;
    return true;
  }

  // `column` is that of a group which is in one, else -1.
  std::optional<TextNode> ParseOr(int column) {
    std::vector<TextNode> operands;
    do {
      std::optional<TextNode> operand = ParseAnd(column);
      if (operand.has_value()) {
        AddOperand(Kind::kOr, *std::move(operand), operands);
      }
    } while (Take(Token::kOr));
    return Join(Kind::kOr, std::move(operands));
  }

  std::optional<TextNode> ParseAnd(int column) {
    std::vector<TextNode> operands;
    while (at_ < tokens_.size() && !Next(Token::kOr) && !Next(Token::kClose)) {
      if (Take(Token::kAnd)) continue;
      std::optional<TextNode> operand = ParseOperand(column);
      if (operand.has_value()) {
        AddOperand(Kind::kAnd, *std::move(operand), operands);
      }
    }
    return Join(Kind::kAnd, std::move(operands));
  }

  std::optional<TextNode> ParseOperand(int column) {
    bool negated = false;
    while (Take(Token::kNot)) negated = !negated;
    std::optional<TextNode> operand;
    if (Next(Token::kOpen)) {
      const int inner = tokens_[at_++].column;
      operand = ParseOr(inner >= 0 ? inner : column);
      Take(Token::kClose);
    } else if (Next(Token::kWords)) {
      operand = ParseWords(column);
    }
    if (!operand.has_value() || !negated) return operand;
    return Negate(*std::move(operand));
  }

  std::optional<TextNode> ParseWords(int column) {
    TextToken& token = tokens_[at_++];
    if (words_ == kMaxTextWords || !has_words_(token.text)) return std::nullopt;
    ++words_;
    TextNode node;
    node.text = std::move(token.text);
    node.is_prefix = token.is_prefix;
    node.column = token.column >= 0 ? token.column : column;
    return node;
  }

  std::vector<TextToken> tokens_;
  const absl::FunctionRef<bool(absl::string_view)> has_words_;
  size_t at_ = 0;
  int words_ = 0;
};

// A set of records as FTS5 can state it: those that `text` matches, or all
// others. The latter FTS5 has no word for, but two of them, or one and a
// stated set, can be combined exactly.
struct MatchSet {
  std::string text;
  // Whether `text` needs parentheses within another.
  bool compound = false;
  bool complement = false;
};

std::string Operand(const MatchSet& set) {
  return set.compound ? absl::StrCat("(", set.text, ")") : set.text;
}

MatchSet Union(const std::vector<MatchSet>& sets) {
  if (sets.size() == 1) return sets[0];
  const auto append = [](std::string* out, const MatchSet& set) {
    absl::StrAppend(out, Operand(set));
  };
  return {.text = absl::StrJoin(sets, " OR ", append), .compound = true};
}

// What is in all of `sets`, of which there is one at least, and in none of
// `others`. NOT binds closer than AND, so that no parentheses are needed.
MatchSet Difference(const std::vector<MatchSet>& sets,
                    const std::vector<MatchSet>& others) {
  if (sets.size() == 1 && others.empty()) return sets[0];
  std::string text = Operand(sets[0]);
  for (const MatchSet& other : others) {
    absl::StrAppend(&text, " NOT ", Operand(other));
  }
  for (size_t i = 1; i < sets.size(); ++i) {
    absl::StrAppend(&text, " AND ", Operand(sets[i]));
  }
  return {.text = std::move(text), .compound = true};
}

MatchSet Complement(MatchSet set) {
  set.complement = !set.complement;
  return set;
}

class MatchCompiler {
 public:
  explicit MatchCompiler(absl::Span<const std::string> columns)
      : columns_(columns) {}

  MatchSet Compile(const TextNode& node) const {
    if (node.kind == Kind::kWords) return CompileWords(node);
    if (node.kind == Kind::kNot) return Complement(Compile(node.operands[0]));
    std::vector<MatchSet> stated, complements;
    for (const TextNode& operand : node.operands) {
      MatchSet set = Compile(operand);
      const bool complement = std::exchange(set.complement, false);
      (complement ? complements : stated).push_back(std::move(set));
    }
    if (node.kind == Kind::kAnd) {
      return stated.empty() ? Complement(Union(complements))
                            : Difference(stated, complements);
    }
    // De Morgan: a OR NOT b is NOT (b NOT a).
    return complements.empty() ? Union(stated)
                               : Complement(Difference(complements, stated));
  }

 private:
  MatchSet CompileWords(const TextNode& node) const {
    return {
        .text = absl::StrCat(
            node.column < 0 ? "" : QuoteIdentifier(columns_[node.column]) + ":",
            "\"", node.text, "\"", node.is_prefix ? "*" : "")};
  }

  const absl::Span<const std::string> columns_;
};

}  // namespace

std::optional<TextNode> ParseTextQuery(
    absl::string_view query, absl::Span<const std::string> columns,
    absl::FunctionRef<bool(absl::string_view)> has_words) {
  return Parser(Balance(ReadTextTokens(query, columns)), has_words).Parse();
}

std::optional<std::string> MatchExpression(
    const TextNode& query, absl::Span<const std::string> columns) {
  MatchSet set = MatchCompiler(columns).Compile(query);
  if (set.complement) return std::nullopt;
  return std::move(set.text);
}

}  // namespace engram::storage
