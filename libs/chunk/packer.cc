#include "libs/chunk/packer.h"

#include <algorithm>

namespace engram::chunk {
namespace {

// The end of the run that begins at `first`, must reach beyond `least_last`,
// and goes to `last` at most.
size_t FindEnd(const Pieces& pieces, size_t first, size_t least_last,
               size_t last, int size) {
  size_t best = 0;
  for (size_t end = first + 1; end <= last; ++end) {
    const int64_t tokens = pieces.Tokens(first, end);
    if (best != 0 && tokens > size) break;
    if (end == last && tokens <= size) return last;
    if (end < least_last || end == last) continue;
    // Before half is full a cut only serves until there is a later one.
    const bool is_late = 2 * tokens >= size;
    const bool best_is_late =
        best != 0 && 2 * pieces.Tokens(first, best) >= size;
    if (best == 0 || !best_is_late ||
        (is_late && pieces[end].before >= pieces[best].before)) {
      best = end;
    }
  }
  return best == 0 ? last : best;
}

// Where the run after one that ends at `end` begins.
size_t FindOverlap(const Pieces& pieces, size_t first, size_t end, int size,
                   int overlap) {
  size_t next = end;
  while (next > first + 1 && pieces.Tokens(next - 1, end) <= overlap) --next;
  // From a word's beginning, and with room for one more piece.
  while (next < end && (pieces[next].before < Break::kWord ||
                        pieces.Tokens(next, end + 1) > size)) {
    ++next;
  }
  return next;
}

}  // namespace

void PackTokens(const Pieces& pieces, Run whole, int size, int overlap,
                std::vector<Run>& runs) {
  size_t first = whole.first;
  size_t least_last = first + 1;
  while (first < whole.last) {
    const size_t end = FindEnd(pieces, first, least_last, whole.last, size);
    runs.push_back({first, end});
    if (end == whole.last) return;
    first = FindOverlap(pieces, first, end, size, overlap);
    least_last = end + 1;
  }
}

std::vector<Run> PackBlocks(const Pieces& pieces,
                            absl::Span<const Block> blocks, int size,
                            int least) {
  std::vector<Run> runs;
  // What is gathered: from here to before `end`.
  size_t first = 0, end = 0;
  const auto flush = [&] {
    if (end > first) PackTokens(pieces, {first, end}, size, 0, runs);
    first = end;
  };
  bool joins = false;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const size_t last =
        i + 1 == blocks.size() ? pieces.size() : pieces.At(blocks[i + 1].begin);
    if (last == end) continue;  // Only blanks.
    // What is too large by itself takes the little before it along.
    const bool overfills =
        pieces.Tokens(first, last) > size && pieces.Tokens(end, last) <= size;
    if (!joins && (blocks[i].starts_section || overfills)) flush();
    end = last;
    joins = blocks[i].joins_next;
    if (!joins && pieces.Tokens(first, end) >= least) flush();
  }
  flush();
  return runs;
}

}  // namespace engram::chunk
