#include "libs/filter/lexer.h"

#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/filter/filter.h"
#include "libs/schema/field_value.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::filter {
namespace {

using Kind = Token::Kind;

// As much of a wrong piece as a message repeats.
constexpr size_t kShownBytes = 40;

struct Unit {
  absl::string_view name;
  int64_t microseconds;
};
constexpr Unit kUnits[] = {{"d", 86'400'000'000},
                           {"h", 3'600'000'000},
                           {"m", 60'000'000},
                           {"s", 1'000'000},
                           {"ms", 1'000}};
constexpr absl::string_view kKnownUnits = "known are d, h, m, s and ms";

constexpr absl::string_view kLongSymbols[] = {"!=", "<=", ">="};
constexpr absl::string_view kSymbols = "()[],.=<>+-*/";

// What other languages write, and what is written here.
struct Foreign {
  absl::string_view symbol;
  absl::string_view ours;
};
constexpr Foreign kForeign[] = {{"==", "="},  {"<>", "!="}, {"&&", "AND"},
                                {"||", "OR"}, {"!", "NOT"}, {"&", "AND"},
                                {"|", "OR"}};

bool BeginsName(char c) { return absl::ascii_isalpha(c) || c == '_'; }
bool ContinuesName(char c) { return absl::ascii_isalnum(c) || c == '_'; }

size_t CountWhile(absl::string_view text, bool (*holds)(char)) {
  const auto end = std::find_if_not(text.begin(), text.end(), holds);
  return static_cast<size_t>(end - text.begin());
}

bool IsDigit(char c) { return absl::ascii_isdigit(c); }
bool IsLetter(char c) { return absl::ascii_isalpha(c); }

// Reads one `<digits><unit>` from the front of `text` and adds it to `total`.
// False if there is none, or no room.
bool ReadDurationPart(absl::string_view& text, int64_t& total) {
  const size_t digits = CountWhile(text, IsDigit);
  int64_t count = 0;
  if (!absl::SimpleAtoi(text.substr(0, digits), &count)) return false;
  const size_t letters = CountWhile(text.substr(digits), IsLetter);
  const absl::string_view name = text.substr(digits, letters);
  for (const Unit& unit : kUnits) {
    if (name != unit.name) continue;
    text.remove_prefix(digits + letters);
    int64_t part = 0;
    return !__builtin_mul_overflow(count, unit.microseconds, &part) &&
           !__builtin_add_overflow(total, part, &total);
  }
  return false;
}

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
    return;
  }
  if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | code >> 6));
  } else {
    if (code < 0x10000) {
      out->push_back(static_cast<char>(0xE0 | code >> 12));
    } else {
      out->push_back(static_cast<char>(0xF0 | code >> 18));
      out->push_back(static_cast<char>(0x80 | (code >> 12 & 0x3F)));
    }
    out->push_back(static_cast<char>(0x80 | (code >> 6 & 0x3F)));
  }
  out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
}

class Lexer {
 public:
  explicit Lexer(absl::string_view text) : text_(text) {}

  absl::StatusOr<Token> Next() {
    while (at_ < text_.size() && absl::ascii_isspace(text_[at_])) ++at_;
    Token token;
    token.column = Column(at_);
    if (at_ == text_.size()) return token;
    const char c = text_[at_];
    if (BeginsName(c)) return Take(Kind::kName, NameLength(), token);
    if (IsDigit(c)) return Number(std::move(token));
    if (c == '"' || c == '\'') return String(c, std::move(token));
    if (c == '`') return QuotedName(std::move(token));
    if (c == ':') return Parameter(std::move(token));
    return Symbol(std::move(token));
  }

 private:
  absl::string_view rest() const { return text_.substr(at_); }
  size_t NameLength() const { return CountWhile(rest(), ContinuesName); }

  // The column of the character at byte `at`, which only grows.
  int Column(size_t at) {
    column_ += static_cast<int>(
        schema::CountCharacters(text_.substr(counted_, at - counted_)));
    counted_ = at;
    return column_;
  }

  Token Take(Kind kind, size_t bytes, Token token) {
    token.kind = kind;
    token.text = std::string(text_.substr(at_, bytes));
    at_ += bytes;
    return token;
  }

  absl::StatusOr<Token> Parameter(Token token) {
    ++at_;
    if (at_ == text_.size() || !BeginsName(text_[at_])) {
      return ErrorAt(token.column,
                     "a parameter's name follows the colon, such as :name");
    }
    return Take(Kind::kParameter, NameLength(), std::move(token));
  }

  absl::StatusOr<Token> QuotedName(Token token) {
    const size_t end = text_.find('`', at_ + 1);
    if (end == absl::string_view::npos) {
      return ErrorAt(token.column, "the backtick is never closed");
    }
    ++at_;
    token = Take(Kind::kQuotedName, end - at_, std::move(token));
    ++at_;
    return token;
  }

  absl::StatusOr<Token> Symbol(Token token) {
    for (const Foreign& foreign : kForeign) {
      if (!absl::StartsWith(rest(), foreign.symbol)) continue;
      if (absl::StartsWith(rest(), "!=")) break;
      return ErrorAt(token.column, absl::StrCat("no operator ", foreign.symbol,
                                                "; write ", foreign.ours));
    }
    for (const absl::string_view symbol : kLongSymbols) {
      if (absl::StartsWith(rest(), symbol)) {
        return Take(Kind::kSymbol, symbol.size(), std::move(token));
      }
    }
    if (kSymbols.find(text_[at_]) != absl::string_view::npos) {
      return Take(Kind::kSymbol, 1, std::move(token));
    }
    size_t end = at_ + 1;
    while (end < text_.size() && (text_[end] & 0xC0) == 0x80) ++end;
    std::string shown(text_.substr(at_, end - at_));
    if (absl::ascii_iscntrl(shown[0])) shown = "a control character";
    return ErrorAt(token.column, absl::StrCat("unexpected ", shown));
  }

  // Whether an exponent such as e5 or e-5 begins at byte `at`.
  bool HasExponent(size_t at) const {
    if (at >= text_.size() || (text_[at] != 'e' && text_[at] != 'E')) {
      return false;
    }
    ++at;
    if (at < text_.size() && (text_[at] == '+' || text_[at] == '-')) ++at;
    return at < text_.size() && IsDigit(text_[at]);
  }

  absl::StatusOr<Token> Number(Token token) {
    size_t end = at_ + CountWhile(rest(), IsDigit);
    const bool fraction =
        end + 1 < text_.size() && text_[end] == '.' && IsDigit(text_[end + 1]);
    if (fraction) end += 1 + CountWhile(text_.substr(end + 1), IsDigit);
    if (HasExponent(end)) {
      end += 2;  // The letter, and the sign or the first digit.
      end += CountWhile(text_.substr(end), IsDigit);
    } else if (end < text_.size() && ContinuesName(text_[end])) {
      if (!fraction) return Duration(std::move(token));
      return ErrorAt(token.column,
                     "a duration wants whole numbers, such as 1h30m");
    }
    if (end < text_.size() && ContinuesName(text_[end])) {
      return ErrorAt(token.column, "a malformed number");
    }
    return Take(Kind::kNumber, end - at_, std::move(token));
  }

  absl::StatusOr<Token> Duration(Token token) {
    const absl::string_view whole = text_.substr(at_, NameLength());
    const std::optional<int64_t> duration = ReadDuration(whole);
    if (!duration.has_value()) {
      return ErrorAt(
          token.column,
          absl::StrCat("cannot read the duration ", CutText(whole, kShownBytes),
                       "; ", kKnownUnits, ", such as 7d or 1h30m"));
    }
    token = Take(Kind::kDuration, whole.size(), std::move(token));
    token.duration_us = *duration;
    return token;
  }

  absl::StatusOr<Token> String(char quote, Token token) {
    std::string decoded;
    for (++at_; at_ < text_.size() && text_[at_] != quote;) {
      if (text_[at_] == '\\') {
        RETURN_IF_ERROR(Escape(&decoded));
      } else {
        decoded.push_back(text_[at_++]);
      }
    }
    if (at_ == text_.size()) {
      return ErrorAt(token.column, "the quote is never closed");
    }
    ++at_;
    token.kind = Kind::kString;
    token.text = std::move(decoded);
    return token;
  }

  // Decodes what a backslash begins.
  absl::Status Escape(std::string* decoded) {
    static constexpr absl::string_view kEscapes = "\"'\\/nrtbf";
    static constexpr absl::string_view kMeanings = "\"'\\/\n\r\t\b\f";
    const size_t begin = at_++;
    const char c = at_ < text_.size() ? text_[at_++] : '\0';
    if (c == 'u') return UnicodeEscape(begin, decoded);
    const size_t known = kEscapes.find(c);
    if (known == absl::string_view::npos) {
      return ErrorAt(Column(begin),
                     "no such escape; a backslash itself is written \\\\");
    }
    decoded->push_back(kMeanings[known]);
    return absl::OkStatus();
  }

  // Reads four hexadecimal digits; -1 if there are none.
  int64_t HexDigits() {
    uint32_t code = 0;
    const absl::string_view digits = rest().substr(0, 4);
    const bool valid = digits.size() == 4 &&
                       std::all_of(digits.begin(), digits.end(), [](char c) {
                         return absl::ascii_isxdigit(c);
                       });
    if (!valid || !absl::SimpleHexAtoi(digits, &code)) return -1;
    at_ += 4;
    return code;
  }

  absl::Status UnicodeEscape(size_t begin, std::string* decoded) {
    int64_t code = HexDigits();
    if (code >= 0xD800 && code < 0xDC00 && absl::StartsWith(rest(), "\\u")) {
      at_ += 2;
      const int64_t low = HexDigits();
      code = low >= 0xDC00 && low < 0xE000
                 ? 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                 : -1;
    }
    // Half a surrogate pair is no character, and no string holds NUL.
    if (code <= 0 || (code >= 0xD800 && code < 0xE000)) {
      return ErrorAt(Column(begin),
                     "four hexadecimal digits of a character follow \\u");
    }
    AppendUtf8(static_cast<uint32_t>(code), decoded);
    return absl::OkStatus();
  }

  const absl::string_view text_;
  size_t at_ = 0;
  // The character at byte `counted_` has the column `column_`.
  size_t counted_ = 0;
  int column_ = 1;
};

}  // namespace

absl::Status ErrorAt(int column, absl::string_view message) {
  return absl::InvalidArgumentError(
      absl::StrCat("column ", column, ": ", message));
}

std::optional<int64_t> ReadDuration(absl::string_view text) {
  int64_t total = 0;
  text = absl::StripAsciiWhitespace(text);
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    if (!ReadDurationPart(text, total)) return std::nullopt;
    text = absl::StripLeadingAsciiWhitespace(text);
  }
  return total;
}

absl::StatusOr<std::vector<Token>> Tokenize(absl::string_view text) {
  if (text.size() > kMaxBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", text.size(), " bytes; at most ", kMaxBytes,
                     " are allowed; move values into parameters"));
  }
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    return absl::InvalidArgumentError("is not valid UTF-8");
  }
  if (absl::StrContains(text, absl::string_view("\0", 1))) {
    return absl::InvalidArgumentError("holds a NUL character; remove it");
  }
  std::vector<Token> tokens;
  Lexer lexer(text);
  do {
    ASSIGN_OR_RETURN(Token token, lexer.Next());
    tokens.push_back(std::move(token));
  } while (tokens.back().kind != Kind::kEnd);
  return tokens;
}

}  // namespace engram::filter
