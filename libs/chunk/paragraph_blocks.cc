#include "libs/chunk/paragraph_blocks.h"

namespace engram::chunk {

std::vector<Block> ParagraphBlocks(const Pieces& pieces) {
  std::vector<Block> blocks;
  for (size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].before == Break::kParagraph) {
      blocks.push_back({.begin = pieces[i].begin});
    }
  }
  return blocks;
}

}  // namespace engram::chunk
