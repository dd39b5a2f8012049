#ifndef ENGRAM_LIBS_CHUNK_MARKDOWN_BLOCKS_H_
#define ENGRAM_LIBS_CHUNK_MARKDOWN_BLOCKS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/chunk/packer.h"
#include "libs/chunk/pieces.h"

namespace engram::chunk {

// A heading of a Markdown text.
struct Heading {
  // Where its line begins, in bytes.
  size_t begin = 0;
  // 1 to 6; 1 is the most important.
  int level = 1;
  // Without marks, as written otherwise.
  std::string title;
};

// A text of Markdown, taken apart as far as CommonMark's block structure
// matters for a cut: headings (`#` and underlined), code between fences, front
// matter, and paragraphs, to which lists, tables and all else count.
struct MarkdownText {
  // Every section begins with a heading, but for what stands before the first.
  // A heading right before another one begins none: it goes with that.
  std::vector<Block> blocks;
  // In order.
  std::vector<Heading> headings;
};

MarkdownText ReadMarkdown(absl::string_view text);

// Makes one block of each section that has at most `size` tokens.
std::vector<Block> JoinSections(const Pieces& pieces,
                                const std::vector<Block>& blocks, int size);

}  // namespace engram::chunk

#endif  // ENGRAM_LIBS_CHUNK_MARKDOWN_BLOCKS_H_
