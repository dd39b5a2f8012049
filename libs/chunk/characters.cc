#include "libs/chunk/characters.h"

#include <cstdint>

#include "absl/strings/ascii.h"

namespace engram::chunk {
namespace {

bool IsContinuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xc0) == 0x80;
}

struct Decoded {
  int size;
  uint32_t code;
};

// A byte that begins no character of UTF-8 is decoded as U+FFFD.
Decoded Decode(absl::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return {1, first};
  const int size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() - at < size) {
    return {1, 0xfffd};
  }
  uint32_t code = first & (0xff >> (size + 1));
  for (int i = 1; i < size; ++i) {
    if (!IsContinuation(text[at + i])) return {1, 0xfffd};
    code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3f);
  }
  return {size, code};
}

CharacterKind KindOfAscii(char c) {
  if (absl::ascii_isalnum(c) || c == '_') return CharacterKind::kWord;
  if (absl::ascii_isspace(c) || absl::ascii_iscntrl(c)) {
    return CharacterKind::kBlank;
  }
  switch (c) {
    case '.':
    case '!':
    case '?':
      return CharacterKind::kSentenceEnd;
    case '"':
    case '\'':
    case ')':
    case ']':
      return CharacterKind::kClosing;
    default:
      return CharacterKind::kPunctuation;
  }
}

// Spaces, and what tokenizers drop: format characters, those for private use,
// and what stands for a damaged one.
bool IsBlank(uint32_t code) {
  return (code >= 0x80 && code <= 0xa0) || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200f) ||
         (code >= 0x2028 && code <= 0x202f) ||
         (code >= 0x205f && code <= 0x206f) || code == 0x3000 ||
         code == 0xfeff || (code >= 0xe000 && code <= 0xf8ff) ||
         (code >= 0xfff9 && code <= 0xfffd);
}

// Scripts that write no space between words.
bool IsIdeograph(uint32_t code) {
  return (code >= 0x2e80 && code <= 0x2fff) ||
         (code >= 0x3040 && code <= 0x30ff) ||
         (code >= 0x3400 && code <= 0x9fff) ||
         (code >= 0xf900 && code <= 0xfaff) || code >= 0x20000;
}

CharacterKind KindOf(uint32_t code) {
  if (IsBlank(code)) return CharacterKind::kBlank;
  if (IsIdeograph(code)) return CharacterKind::kIdeograph;
  switch (code) {
    case 0x2026:  // …
    case 0x3002:  // 。
    case 0xff01:  // ！
    case 0xff1f:  // ？
      return CharacterKind::kSentenceEnd;
    case 0xbb:    // »
    case 0x2019:  // ’
    case 0x201d:  // ”
    case 0x300d:  // 」
    case 0x300f:  // 』
    case 0xff09:  // ）
      return CharacterKind::kClosing;
    default:
      break;
  }
  const bool is_punctuation =
      (code >= 0xa1 && code <= 0xbf) || (code >= 0x2010 && code <= 0x27bf) ||
      (code >= 0x3001 && code <= 0x303f) || (code >= 0xff00 && code <= 0xff0f);
  return is_punctuation ? CharacterKind::kPunctuation : CharacterKind::kWord;
}

}  // namespace

Character CharacterAt(absl::string_view text, size_t at) {
  const Decoded decoded = Decode(text, at);
  if (decoded.code < 0x80) return {1, KindOfAscii(text[at])};
  return {decoded.size, KindOf(decoded.code)};
}

}  // namespace engram::chunk
