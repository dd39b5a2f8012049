// Puts the pieces of a text together to chunks of bounded size.

#ifndef ENGRAM_LIBS_CHUNK_PACKER_H_
#define ENGRAM_LIBS_CHUNK_PACKER_H_

#include <cstddef>
#include <vector>

#include "absl/types/span.h"
#include "libs/chunk/pieces.h"

namespace engram::chunk {

// The pieces from `first` to before `last`; never empty.
struct Run {
  size_t first = 0;
  size_t last = 0;
};

// A part of a text that should stay whole, up to where the next one begins.
struct Block {
  // In bytes.
  size_t begin = 0;
  // Never joined with what is before it.
  bool starts_section = false;
  // Belongs to the block after it, as a heading does.
  bool joins_next = false;
};

// Cuts `whole` into runs of at most `size` tokens, each but the last of at
// least half of that, at the best place between the two; among equals at the
// last. Of the tokens of a run's end, `overlap` or a few less are repeated in
// the next one, from the beginning of a word on. Appends to `runs`.
void PackTokens(const Pieces& pieces, Run whole, int size, int overlap,
                std::vector<Run>& runs);

// Joins neighbouring `blocks`, the first of which begins the text, to runs of
// at most `size` tokens: a run ends with the block that fills it to `least`
// tokens, so that the change of a block of that size changes no run behind it.
// A block of more than `size` is cut by PackTokens.
std::vector<Run> PackBlocks(const Pieces& pieces,
                            absl::Span<const Block> blocks, int size,
                            int least);

}  // namespace engram::chunk

#endif  // ENGRAM_LIBS_CHUNK_PACKER_H_
