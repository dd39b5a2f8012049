#include "services/storage/record_id.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/storage/random_bits.h"

namespace engram::storage {
namespace {

// Bytes of the character that starts `text`, or 0 if its UTF-8 is invalid.
int CharacterLength(absl::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0;
  };
  const auto follows = [&](size_t i) { return (byte(i) & 0xc0) == 0x80; };
  const int first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (!follows(1) || !follows(2)) return 0;
    if (first == 0xe0 && byte(1) < 0xa0) return 0;  // overlong
    if (first == 0xed && byte(1) > 0x9f) return 0;  // surrogate
    return 3;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (!follows(1) || !follows(2) || !follows(3)) return 0;
    if (first == 0xf0 && byte(1) < 0x90) return 0;  // overlong
    if (first == 0xf4 && byte(1) > 0x8f) return 0;  // beyond U+10FFFF
    return 4;
  }
  return 0;
}

bool IsControlCharacter(absl::string_view character) {
  const auto first = static_cast<unsigned char>(character[0]);
  if (first < 0x20 || first == 0x7f) return true;
  // U+0080 to U+009F.
  return first == 0xc2 && static_cast<unsigned char>(character[1]) < 0xa0;
}

}  // namespace

std::string NewRecordId(int64_t now_us) {
  const uint64_t milliseconds = static_cast<uint64_t>(now_us / 1000);
  const uint64_t high = RandomBits();
  const uint64_t low = RandomBits();
  return absl::StrFormat(
      "%08x-%04x-7%03x-%04x-%012x", milliseconds >> 16, milliseconds & 0xffff,
      high & 0xfff, 0x8000 | ((high >> 12) & 0x3fff), low & 0xffffffffffff);
}

std::optional<std::string> FindRecordIdProblem(absl::string_view id) {
  if (id.empty()) return "must not be empty";
  if (id.size() > kMaxRecordIdBytes) {
    return absl::StrCat("has ", id.size(), " bytes; give at most ",
                        kMaxRecordIdBytes);
  }
  for (absl::string_view rest = id; !rest.empty();) {
    const int length = CharacterLength(rest);
    if (length == 0) return "is not valid UTF-8";
    if (IsControlCharacter(rest)) {
      return absl::StrCat("has a control character at byte ",
                          id.size() - rest.size());
    }
    rest.remove_prefix(length);
  }
  return std::nullopt;
}

}  // namespace engram::storage
