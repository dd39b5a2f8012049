#include "services/embedding/wordpiece_tokenizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/inlined_vector.h"

namespace engram::embedding {
namespace {

// What the tokenizer does with an ASCII character. The value of a letter or a
// digit is its lower case, which is larger than any of these.
enum AsciiAction : uint8_t {
  kSeparate = 0,     // White space: ends a word.
  kRemove = 1,       // A control character: vanishes, and joins its neighbours.
  kPunctuation = 2,  // A word of its own.
  kNotAscii = 3,
  kFirstWordByte = '0',
};

constexpr std::array<uint8_t, 256> MakeAsciiActions() {
  std::array<uint8_t, 256> actions{};
  for (int c = 0; c < 256; ++c) {
    if (c >= 0x80) {
      actions[c] = kNotAscii;
    } else if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
      actions[c] = kSeparate;
    } else if (c < 0x20 || c == 0x7f) {
      actions[c] = kRemove;
    } else if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')) {
      actions[c] = c;
    } else if (c >= 'A' && c <= 'Z') {
      actions[c] = c - 'A' + 'a';
    } else {
      actions[c] = kPunctuation;
    }
  }
  return actions;
}

constexpr std::array<uint8_t, 256> kAsciiActions = MakeAsciiActions();

uint8_t ActionOf(char byte) {
  return kAsciiActions[static_cast<uint8_t>(byte)];
}

// The ranges of the reference, its gap at 2B820 included.
bool IsCjk(int32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

bool IsRemoved(int32_t c, int category) {
  return c == 0xFFFD || category == UTF8PROC_CATEGORY_CC ||
         category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CS ||
         category == UTF8PROC_CATEGORY_CO;
}

// The White_Space characters beyond ASCII that are not control characters.
bool IsWhiteSpace(int category) {
  return category == UTF8PROC_CATEGORY_ZS || category == UTF8PROC_CATEGORY_ZL ||
         category == UTF8PROC_CATEGORY_ZP;
}

bool IsPunctuation(int32_t c, int category) {
  // A decomposition can end in ASCII, such as U+037E in a semicolon.
  if (c < 0x80) return kAsciiActions[c] == kPunctuation;
  return category >= UTF8PROC_CATEGORY_PC && category <= UTF8PROC_CATEGORY_PO;
}

}  // namespace

// Tokenizes one text: gathers a word, lower-cased, and cuts it into tokens when
// it ends.
class WordPieceTokenizer::Run {
 public:
  Run(const WordPieceTokenizer& tokenizer, size_t max_tokens,
      std::vector<int32_t>& ids)
      : tokenizer_(tokenizer), max_tokens_(max_tokens), ids_(ids) {}

  void Tokenize(absl::string_view text) {
    const char* at = text.data();
    const char* const end = at + text.size();
    while (at != end && !IsFull()) {
      const uint8_t action = ActionOf(*at);
      if (action >= kFirstWordByte) {
        AddAscii(action);
        ++at;
      } else if (action == kSeparate) {
        EndWord();
        ++at;
      } else if (action == kPunctuation) {
        AddPunctuation(absl::string_view(at, 1));
        ++at;
      } else {
        at = AddUnicode(at, end);
      }
    }
    EndWord();
    if (IsFull()) ids_.resize(max_tokens_);
  }

 private:
  static constexpr int kMaxCodePointBytes = 4;

  bool IsFull() const { return max_tokens_ != 0 && ids_.size() >= max_tokens_; }

  void AddAscii(char c) {
    if (characters_++ < kMaxWordCharacters) word_[bytes_++] = c;
  }

  // Adds the characters from `at` up to the next ASCII character that stays,
  // and returns where that is. No step of the normalisation looks across such a
  // character: each is a starter that composes with nothing. Control characters
  // are gone before that, so they do not end the stretch.
  const char* AddUnicode(const char* at, const char* end) {
    while (at != end) {
      const uint8_t action = ActionOf(*at);
      if (action == kRemove) {
        ++at;
        continue;
      }
      if (action != kNotAscii) break;
      int32_t c;
      const ptrdiff_t size =
          utf8proc_iterate(reinterpret_cast<const uint8_t*>(at), end - at, &c);
      at += std::max<ptrdiff_t>(size, 1);
      if (size > 0) AddCodePoint(c);
    }
    FlushMarks();
    return at;
  }

  // Cleans, separates and decomposes.
  void AddCodePoint(int32_t c) {
    const int category = utf8proc_category(c);
    if (IsRemoved(c, category)) return;
    if (IsWhiteSpace(category)) {
      FlushMarks();
      EndWord();
      return;
    }
    int32_t parts[16];
    int boundary_class = 0;
    const ptrdiff_t count = utf8proc_decompose_char(
        c, parts, std::size(parts), UTF8PROC_DECOMPOSE, &boundary_class);
    const bool is_cjk = IsCjk(c);
    if (is_cjk) {
      FlushMarks();
      EndWord();
    }
    for (ptrdiff_t i = 0; i < count; ++i) AddDecomposed(parts[i]);
    if (is_cjk) EndWord();
  }

  // Puts into canonical order and drops accents. Dropping an accent before the
  // sort leaves the others in the order that they had after it.
  void AddDecomposed(int32_t c) {
    const utf8proc_property_t& property = *utf8proc_get_property(c);
    const bool is_accent = property.category == UTF8PROC_CATEGORY_MN;
    if (property.combining_class == 0) {
      FlushMarks();
      if (!is_accent) AddNormalized(c);
    } else if (!is_accent) {
      marks_.emplace_back(property.combining_class, c);
    }
  }

  void FlushMarks() {
    if (marks_.empty()) return;
    std::stable_sort(
        marks_.begin(), marks_.end(),
        [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [combining_class, c] : marks_) AddNormalized(c);
    marks_.clear();
  }

  // Lower-cases and splits.
  void AddNormalized(int32_t c) {
    c = utf8proc_tolower(c);
    char utf8[kMaxCodePointBytes];
    const ptrdiff_t size =
        utf8proc_encode_char(c, reinterpret_cast<uint8_t*>(utf8));
    if (IsPunctuation(c, utf8proc_category(c))) {
      AddPunctuation(absl::string_view(utf8, size));
    } else if (characters_++ < kMaxWordCharacters) {
      std::copy_n(utf8, size, word_ + bytes_);
      bytes_ += size;
    }
  }

  void AddPunctuation(absl::string_view character) {
    EndWord();
    AddTokens(character);
  }

  void EndWord() {
    if (characters_ == 0) return;
    if (characters_ > tokenizer_.max_word_characters_) {
      ids_.push_back(tokenizer_.unknown_);
    } else {
      AddTokens(absl::string_view(word_, bytes_));
    }
    characters_ = 0;
    bytes_ = 0;
  }

  // Tokens are whole characters, so a match never ends inside of one.
  void AddTokens(absl::string_view word) {
    const size_t first = ids_.size();
    VocabularyTrie::Node from = tokenizer_.trie_.root();
    do {
      const auto match = tokenizer_.trie_.LongestPrefix(from, word);
      if (match.token < 0) {
        ids_.resize(first);
        ids_.push_back(tokenizer_.unknown_);
        return;
      }
      ids_.push_back(match.token);
      word.remove_prefix(match.bytes);
      from = tokenizer_.continuation_;
    } while (!word.empty());
  }

  const WordPieceTokenizer& tokenizer_;
  const size_t max_tokens_;
  std::vector<int32_t>& ids_;
  // The word so far, cut at kMaxWordCharacters, and how long it really is.
  char word_[kMaxWordCharacters * kMaxCodePointBytes];
  size_t bytes_ = 0;
  size_t characters_ = 0;
  // Combining marks that wait for the next starter, with their classes.
  absl::InlinedVector<std::pair<int, int32_t>, 8> marks_;
};

WordPieceTokenizer::WordPieceTokenizer(
    absl::Span<const absl::string_view> vocabulary, int32_t unknown,
    int max_word_characters)
    : trie_(vocabulary),
      continuation_(trie_.Walk("##")),
      unknown_(unknown),
      max_word_characters_(max_word_characters) {}

void WordPieceTokenizer::Tokenize(absl::string_view text, size_t max_tokens,
                                  std::vector<int32_t>& ids) const {
  ids.clear();
  Run(*this, max_tokens, ids).Tokenize(text);
}

}  // namespace engram::embedding
