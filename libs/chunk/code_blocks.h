#ifndef ENGRAM_LIBS_CHUNK_CODE_BLOCKS_H_
#define ENGRAM_LIBS_CHUNK_CODE_BLOCKS_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "libs/chunk/packer.h"
#include "libs/chunk/pieces.h"

namespace engram::chunk {

// The blocks of source code in whatever language, by what most have in common:
// what lies deeper, by indentation or in more braces, belongs to the line
// before it. A block begins with a line of the least depth that follows an
// empty line, a deeper line or a closing one; it has at most `size` tokens, or
// is cut into its first lines and the blocks within, and so on.
std::vector<Block> CodeBlocks(absl::string_view text, const Pieces& pieces,
                              int size);

}  // namespace engram::chunk

#endif  // ENGRAM_LIBS_CHUNK_CODE_BLOCKS_H_
