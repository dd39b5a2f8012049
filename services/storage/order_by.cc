#include "services/storage/order_by.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/schema/field_value.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// What a message repeats of a text at most.
constexpr size_t kShownBytes = 64;

absl::Status ErrorAt(int column, absl::string_view problem) {
  return absl::InvalidArgumentError(
      absl::StrCat("column ", column, ": ", problem));
}

// Reads what stands between two commas; `column` is its first character's.
absl::StatusOr<OrderTerm> ParseTerm(absl::string_view text, int column) {
  const absl::string_view term = absl::StripLeadingAsciiWhitespace(text);
  column += static_cast<int>(text.size() - term.size());
  const std::vector<absl::string_view> words =
      absl::StrSplit(term, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty());
  if (words.empty()) return ErrorAt(column, "a name is missing");
  OrderTerm result = {.name = std::string(words[0]), .column = column};
  if (words.size() == 1) return result;
  result.descending = absl::EqualsIgnoreCase(words[1], "desc");
  const bool is_direction =
      result.descending || absl::EqualsIgnoreCase(words[1], "asc");
  if (words.size() == 2 && is_direction) return result;
  const absl::string_view wrong = words[is_direction ? 2 : 1];
  return ErrorAt(
      column + static_cast<int>(schema::CountCharacters(
                   term.substr(0, wrong.data() - term.data()))),
      absl::StrCat("\"", CutText(wrong, kShownBytes),
                   "\" is neither desc nor asc; put a comma between names"));
}

}  // namespace

absl::StatusOr<std::vector<OrderTerm>> ParseOrderBy(absl::string_view text) {
  std::vector<OrderTerm> terms;
  if (absl::StripAsciiWhitespace(text).empty()) return terms;
  int column = 1;
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    ASSIGN_OR_RETURN(OrderTerm term, ParseTerm(part, column));
    column += static_cast<int>(schema::CountCharacters(part)) + 1;
    if (terms.size() == kMaxOrderTerms) {
      return ErrorAt(term.column,
                     absl::StrCat("more than ", kMaxOrderTerms, " names"));
    }
    const bool is_named = std::any_of(
        terms.begin(), terms.end(),
        [&](const OrderTerm& other) { return other.name == term.name; });
    if (is_named) {
      return ErrorAt(term.column,
                     absl::StrCat("\"", CutText(term.name, kShownBytes),
                                  "\" is named twice"));
    }
    terms.push_back(std::move(term));
  }
  return terms;
}

}  // namespace engram::storage
