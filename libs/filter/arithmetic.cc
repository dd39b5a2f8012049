#include "libs/filter/arithmetic.h"

#include <cmath>

#include "absl/strings/ascii.h"

namespace engram::filter {
namespace {

constexpr double kTwoTo52 = 4503599627370496.0;
constexpr double kTwoTo63 = 9223372036854775808.0;

// The bytes of the character at the front of `text`.
size_t CharacterLength(absl::string_view text) {
  size_t length = 1;
  while (length < text.size() && (text[length] & 0xC0) == 0x80) ++length;
  return length;
}

// Matches the first thing of `pattern`, which is not %, and goes past it.
bool MatchOne(absl::string_view& text, absl::string_view& pattern) {
  if (text.empty()) return false;
  if (pattern[0] == '_') {
    text.remove_prefix(CharacterLength(text));
    pattern.remove_prefix(1);
    return true;
  }
  const size_t escape = pattern[0] == '\\' && pattern.size() > 1 ? 1 : 0;
  if (absl::ascii_tolower(text[0]) != absl::ascii_tolower(pattern[escape])) {
    return false;
  }
  text.remove_prefix(1);
  pattern.remove_prefix(escape + 1);
  return true;
}

}  // namespace

bool ScalesByDouble(const Node& node) {
  return node.type == Type::kDuration &&
         (node.op == Operator::kMultiply || node.op == Operator::kDivide) &&
         node.operands[1].type == Type::kDouble;
}

bool IsChained(const Node& node) {
  switch (node.op) {
    case Operator::kAdd:
    case Operator::kSubtract:
    case Operator::kNegate:
      return true;
    case Operator::kMultiply:
      return !ScalesByDouble(node);
    case Operator::kDivide:
    case Operator::kRound:
      return node.type == Type::kDouble;
    default:
      return false;
  }
}

double RoundHalfAway(double number) {
  if (!(number >= -kTwoTo52 && number <= kTwoTo52)) return number;
  return static_cast<double>(
      static_cast<int64_t>(number + (number < 0 ? -0.5 : 0.5)));
}

double PowerOfTen(int64_t digits) {
  double power = 1;
  while (digits-- > 0) power *= 10;
  return power;
}

int CompareExactly(int64_t whole, double number) {
  if (number >= kTwoTo63) return -1;
  if (number < -kTwoTo63) return 1;
  const auto truncated = static_cast<int64_t>(number);
  if (whole != truncated) return whole < truncated ? -1 : 1;
  const double fraction = number - std::trunc(number);
  return fraction > 0 ? -1 : fraction < 0 ? 1 : 0;
}

bool MatchesLike(absl::string_view text, absl::string_view pattern) {
  // Where to go on after a mismatch: past the last %, one character later.
  absl::string_view retry_text;
  absl::string_view retry_pattern;
  bool may_retry = false;
  while (!text.empty() || !pattern.empty()) {
    if (!pattern.empty() && pattern[0] == '%') {
      pattern.remove_prefix(1);
      retry_text = text;
      retry_pattern = pattern;
      may_retry = true;
      continue;
    }
    if (!pattern.empty() && MatchOne(text, pattern)) continue;
    if (!may_retry || retry_text.empty()) return false;
    retry_text.remove_prefix(CharacterLength(retry_text));
    text = retry_text;
    pattern = retry_pattern;
  }
  return true;
}

}  // namespace engram::filter
