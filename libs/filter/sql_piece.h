#ifndef ENGRAM_LIBS_FILTER_SQL_PIECE_H_
#define ENGRAM_LIBS_FILTER_SQL_PIECE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/schema/field_value.h"

namespace engram::filter {

// How tightly a piece of SQL holds together, loosest first.
enum class Binding { kOr, kAnd, kComparison, kSum, kProduct, kPrimary };

// An expression of SQL with its parameters, and what SQLite's parser needs for
// it: its stack has 100 entries, its trees 1,000 levels.
struct Piece {
  std::string text;
  std::vector<schema::FieldValue> parameters;
  Binding binding = Binding::kPrimary;
  // The most entries of the parser's stack while it reads the piece.
  int stack = 1;
  int height = 1;
};

// Puts a piece together from left to right.
class PieceBuilder {
 public:
  explicit PieceBuilder(Binding binding) { piece_.binding = binding; }

  PieceBuilder& Text(absl::string_view text);
  // Adds `part`; `before` is how many entries of the stack what stands before
  // it, from the beginning of this piece, is worth.
  PieceBuilder& Part(const Piece& part, int before);
  // The same, in parentheses if it binds less tightly than `least`.
  PieceBuilder& Part(const Piece& part, int before, Binding least);
  PieceBuilder& Parameter(schema::FieldValue value);
  // For what reads `entries` of the stack without any part.
  PieceBuilder& Needs(int entries);

  Piece Build() { return std::move(piece_); }

 private:
  Piece piece_;
};

// Joins conditions by AND or OR. What is nested deepest goes first, where it
// costs the parser least; a long list goes into groups, as a list is as high a
// tree as it is long.
Piece Join(Binding binding, std::vector<Piece> pieces);

// `left <symbol> right`, whose operands bind more tightly than a comparison.
Piece CompareBy(absl::string_view symbol, const Piece& left,
                const Piece& right);

// A function of one or more arguments.
Piece Call(absl::string_view name, const std::vector<Piece>& arguments);

// A value as SQL text, which SQLite reads as exactly that.
std::string SqlLiteral(const schema::FieldValue& value);

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_SQL_PIECE_H_
