#include "libs/chunk/pieces.h"

#include <algorithm>
#include <utility>

#include "libs/chunk/characters.h"

namespace engram::chunk {
namespace {

// Reads pieces off a text, from front to back.
class PieceReader {
 public:
  explicit PieceReader(absl::string_view text) : text_(text) { SkipBlanks(); }

  bool at_end() const { return at_ == text_.size(); }
  size_t at() const { return at_; }

  // The end of the word, or the like, that begins here.
  size_t ReadText() {
    const size_t begin = at_;
    const Character first = CharacterAt(text_, at_);
    at_ += first.size;
    last_ = first.kind;
    while (at_ < text_.size()) {
      const Character next = CharacterAt(text_, at_);
      const bool goes_on = first.kind == CharacterKind::kWord
                               ? next.kind == CharacterKind::kWord
                               : next.kind == first.kind &&
                                     first.kind != CharacterKind::kIdeograph &&
                                     text_[at_] == text_[begin];
      if (!goes_on) break;
      if (at_ + next.size - begin > Pieces::kMaxBytes) {
        was_cut_ = true;
        break;
      }
      at_ += next.size;
    }
    return at_;
  }

  // What kind of place comes next, after the blanks.
  Break ReadBreak() {
    // A quote or a bracket after it is of the sentence still.
    if (last_ != CharacterKind::kClosing) {
      ends_sentence_ = last_ == CharacterKind::kSentenceEnd;
    }
    const bool was_cut = std::exchange(was_cut_, false);
    const size_t begin = at_;
    const size_t newlines = SkipBlanks();
    if (newlines > 1) return Break::kParagraph;
    if (newlines == 1) return Break::kLine;
    const bool has_blank = at_ > begin;
    // `3.5` is no sentence's end, but ideographs follow one without a blank.
    if (ends_sentence_ && (has_blank || NextIsIdeograph())) {
      return Break::kSentence;
    }
    if (has_blank) return Break::kWord;
    return was_cut ? Break::kInside : Break::kJoint;
  }

 private:
  // Returns how many lines end on the way.
  size_t SkipBlanks() {
    size_t newlines = 0;
    while (at_ < text_.size()) {
      const Character next = CharacterAt(text_, at_);
      if (next.kind != CharacterKind::kBlank) break;
      if (text_[at_] == '\n') ++newlines;
      at_ += next.size;
    }
    return newlines;
  }

  bool NextIsIdeograph() const {
    return at_ < text_.size() &&
           CharacterAt(text_, at_).kind == CharacterKind::kIdeograph;
  }

  const absl::string_view text_;
  size_t at_ = 0;
  CharacterKind last_ = CharacterKind::kBlank;
  bool was_cut_ = false;
  bool ends_sentence_ = false;
};

}  // namespace

Pieces::Pieces(absl::string_view text, TokenCounter count_tokens) {
  PieceReader reader(text);
  Piece piece{.before = Break::kParagraph};
  uint32_t tokens = 0;
  while (!reader.at_end()) {
    piece.begin = static_cast<uint32_t>(reader.at());
    piece.text_end = static_cast<uint32_t>(reader.ReadText());
    piece.tokens_before = tokens;
    pieces_.push_back(piece);
    const size_t bytes = piece.text_end - piece.begin;
    const int counted =
        count_tokens(text.substr(piece.begin, piece.text_end - piece.begin));
    tokens += std::clamp<int>(counted, 1, static_cast<int>(bytes));
    piece.before = reader.ReadBreak();
    tokens += (reader.at() - piece.text_end) / kBlanksPerToken;
  }
  piece.begin = piece.text_end = static_cast<uint32_t>(text.size());
  piece.tokens_before = tokens;
  pieces_.push_back(piece);
}

size_t Pieces::At(size_t offset) const {
  const auto end = pieces_.end() - 1;
  return std::lower_bound(pieces_.begin(), end, offset,
                          [](const Piece& piece, size_t wanted) {
                            return piece.begin < wanted;
                          }) -
         pieces_.begin();
}

}  // namespace engram::chunk
