#ifndef ENGRAM_LIBS_CHUNK_CHUNKER_H_
#define ENGRAM_LIBS_CHUNK_CHUNKER_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/chunk/chunk_options.h"
#include "libs/chunk/token_count.h"

namespace engram::chunk {

// The most chunks of one text; see engram.storage.v1.VectorPut.
inline constexpr int kMaxChunks = 4096;

// A part of a text that gets a vector of its own.
struct Chunk {
  // In bytes of the text, where no character is cut; `begin` < `end`.
  size_t begin = 0;
  size_t end = 0;
  // The headings that it stands under, outermost first, closed by a newline;
  // empty if there are none, or none are wanted. At most a quarter of the
  // chunk's size, or the outer ones are left out.
  std::string headings;

  // What is embedded: the headings, then the chunk.
  std::string TextIn(absl::string_view text) const;

  friend bool operator==(const Chunk&, const Chunk&) = default;
};

// Cuts `text`, which is not empty and has less than 256 MiB, into chunks, in
// the order of their beginnings. The same arguments always give the same
// chunks, and all of the text but blanks lies in one at least; only
// Options::overlap makes chunks overlap. There are at most `max_chunks`, 1 or
// more: where it would be more, the size is doubled until it is not, and
// sections of Markdown may be joined. A text of blanks is one chunk.
//
// A chunk has at most the size's tokens, as the sum over its words, so that a
// model may count a few more; and at most 80 bytes for each of them, beside the
// indentation of its first line, which has less than 64.
std::vector<Chunk> SplitText(absl::string_view text, const Options& options,
                             TokenCounter count_tokens, int max_chunks);

}  // namespace engram::chunk

#endif  // ENGRAM_LIBS_CHUNK_CHUNKER_H_
