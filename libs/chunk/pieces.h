#ifndef ENGRAM_LIBS_CHUNK_PIECES_H_
#define ENGRAM_LIBS_CHUNK_PIECES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/chunk/token_count.h"

namespace engram::chunk {

// How good a place for a cut is, the better the larger.
enum class Break : uint8_t {
  kInside,     // in a word too long to be one piece
  kJoint,      // between a word and a punctuation mark, or two ideographs
  kWord,       // at a blank
  kSentence,   // after a sentence
  kLine,       // at the end of a line
  kParagraph,  // at an empty line
};

// A word, or a part of a long one, or punctuation, with the blanks after it.
struct Piece {
  uint32_t begin = 0;
  // Where its blanks begin.
  uint32_t text_end = 0;
  // Tokens of all pieces before it.
  uint32_t tokens_before = 0;
  // What kind of place its beginning is.
  Break before = Break::kInside;
};

// A text as the smallest parts that chunks are put together of. All of it but
// the blanks that it begins with; nothing if there are only blanks.
//
// A piece has a token or more and at most kMaxBytes bytes beside its blanks, so
// no more tokens than that; every kBlanksPerToken of its blanks beyond the
// first count as one, so that chunks are bounded in bytes too.
class Pieces {
 public:
  static constexpr size_t kMaxBytes = 16;
  static constexpr size_t kBlanksPerToken = 64;

  // `text` has less than 256 MiB.
  Pieces(absl::string_view text, TokenCounter count_tokens);

  size_t size() const { return pieces_.size() - 1; }
  const Piece& operator[](size_t index) const { return pieces_[index]; }

  // Tokens of the pieces from `first` to before `last`.
  int64_t Tokens(size_t first, size_t last) const {
    return int64_t{pieces_[last].tokens_before} - pieces_[first].tokens_before;
  }

  // The first piece that begins at `offset` or behind it; size() if none does.
  size_t At(size_t offset) const;

 private:
  // One more than there are, which begins at the text's end.
  std::vector<Piece> pieces_;
};

}  // namespace engram::chunk

#endif  // ENGRAM_LIBS_CHUNK_PIECES_H_
