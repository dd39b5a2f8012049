#ifndef ENGRAM_LIBS_CHUNK_PARAGRAPH_BLOCKS_H_
#define ENGRAM_LIBS_CHUNK_PARAGRAPH_BLOCKS_H_

#include <vector>

#include "libs/chunk/packer.h"
#include "libs/chunk/pieces.h"

namespace engram::chunk {

// The paragraphs of a text: what stands between empty lines.
std::vector<Block> ParagraphBlocks(const Pieces& pieces);

}  // namespace engram::chunk

#endif  // ENGRAM_LIBS_CHUNK_PARAGRAPH_BLOCKS_H_
