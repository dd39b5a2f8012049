#include "libs/filter/sql_piece.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace engram::filter {
namespace {

constexpr size_t kMaxGroup = 64;
// Below this a reordering is not worth a text that reads otherwise than it was
// written.
constexpr int kCheapStack = 8;

// Whether every reader of decimals that errs by less than one part in 2^61 gets
// `number`, which is positive, from `text`.
bool IsReadAlike(double number, const std::string& text) {
  if (number < 1e-15 || number > 1e15) return false;
  const long double error =
      std::fabs(std::strtold(text.c_str(), nullptr) - number);
  const long double half =
      (static_cast<long double>(std::nextafter(number, HUGE_VAL)) - number) / 2;
  return error < half - number * 0x1p-61L;
}

// A positive double as SQL text. SQLite reads some decimals as a neighbour:
// these are written as a whole number times a power of two.
std::string DoubleLiteral(double number) {
  char digits[32];
  char* const end = std::to_chars(digits, digits + sizeof(digits), number).ptr;
  std::string text(digits, end);
  if (text.find_first_of(".e") == std::string::npos) text += ".0";
  if (number == 0 || IsReadAlike(number, text)) return text;
  int exponent = 0;
  const double fraction = std::frexp(number, &exponent);
  exponent -= std::numeric_limits<double>::digits;
  const auto whole = static_cast<int64_t>(
      std::ldexp(fraction, std::numeric_limits<double>::digits));
  text = absl::StrCat("(CAST(", whole, " AS REAL)");
  for (const char* op = exponent < 0 ? " / " : " * "; exponent != 0;) {
    const int step = std::min(std::abs(exponent), 62);
    absl::StrAppend(&text, op, int64_t{1} << step);
    exponent += exponent < 0 ? step : -step;
  }
  return text + ")";
}

}  // namespace

PieceBuilder& PieceBuilder::Text(absl::string_view text) {
  absl::StrAppend(&piece_.text, text);
  return *this;
}

PieceBuilder& PieceBuilder::Part(const Piece& part, int before) {
  absl::StrAppend(&piece_.text, part.text);
  piece_.parameters.insert(piece_.parameters.end(), part.parameters.begin(),
                           part.parameters.end());
  piece_.stack = std::max(piece_.stack, before + part.stack);
  piece_.height = std::max(piece_.height, part.height + 1);
  return *this;
}

PieceBuilder& PieceBuilder::Part(const Piece& part, int before, Binding least) {
  if (part.binding >= least) return Part(part, before);
  return Text("(").Part(part, before + 1).Needs(before + 3).Text(")");
}

PieceBuilder& PieceBuilder::Parameter(schema::FieldValue value) {
  Text("?");
  piece_.parameters.push_back(std::move(value));
  return *this;
}

PieceBuilder& PieceBuilder::Needs(int entries) {
  piece_.stack = std::max(piece_.stack, entries);
  return *this;
}

Piece Join(Binding binding, std::vector<Piece> pieces) {
  while (pieces.size() > kMaxGroup) {
    std::vector<Piece> groups;
    for (size_t begin = 0; begin < pieces.size(); begin += kMaxGroup) {
      const size_t end = std::min(begin + kMaxGroup, pieces.size());
      const std::vector<Piece> group(
          std::make_move_iterator(pieces.begin() + begin),
          std::make_move_iterator(pieces.begin() + end));
      groups.push_back(PieceBuilder(Binding::kPrimary)
                           .Part(Join(binding, group), 1, Binding::kPrimary)
                           .Build());
    }
    pieces = std::move(groups);
  }
  if (pieces.size() == 1) return std::move(pieces[0]);
  const auto deepest = std::max_element(
      pieces.begin(), pieces.end(),
      [](const Piece& a, const Piece& b) { return a.stack < b.stack; });
  if (deepest->stack > kCheapStack) {
    std::rotate(pieces.begin(), deepest, deepest + 1);
  }
  const Binding least =
      binding == Binding::kOr ? Binding::kAnd : Binding::kComparison;
  PieceBuilder builder(binding);
  const int count = static_cast<int>(pieces.size());
  for (int i = 0; i < count; ++i) {
    if (i > 0) builder.Text(binding == Binding::kOr ? " OR " : " AND ");
    builder.Part(pieces[i], i == 0 ? 0 : 2, least);
  }
  Piece joined = builder.Build();
  joined.height += count;
  return joined;
}

Piece CompareBy(absl::string_view symbol, const Piece& left,
                const Piece& right) {
  return PieceBuilder(Binding::kComparison)
      .Part(left, 0, Binding::kSum)
      .Text(" ")
      .Text(symbol)
      .Text(" ")
      .Part(right, 2, Binding::kSum)
      .Build();
}

Piece Call(absl::string_view name, const std::vector<Piece>& arguments) {
  PieceBuilder builder(Binding::kPrimary);
  builder.Text(name).Text("(").Needs(5);
  for (size_t i = 0; i < arguments.size(); ++i) {
    if (i > 0) builder.Text(", ");
    builder.Part(arguments[i], i == 0 ? 3 : 5);
  }
  return builder.Text(")").Build();
}

std::string SqlLiteral(const schema::FieldValue& value) {
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    return *whole < 0 ? absl::StrCat("(", *whole, ")") : absl::StrCat(*whole);
  }
  if (const auto* number = std::get_if<double>(&value)) {
    const std::string size = DoubleLiteral(std::fabs(*number));
    return *number < 0 ? absl::StrCat("(-", size, ")") : size;
  }
  if (const auto* text = std::get_if<std::string>(&value)) {
    return absl::StrCat("'", absl::StrReplaceAll(*text, {{"'", "''"}}), "'");
  }
  if (const auto* blob = std::get_if<schema::Blob>(&value)) {
    return absl::StrCat("x'", absl::BytesToHexString(blob->bytes), "'");
  }
  return "NULL";
}

}  // namespace engram::filter
