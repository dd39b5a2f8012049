#include "libs/chunk/chunker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "libs/chunk/code_blocks.h"
#include "libs/chunk/markdown_blocks.h"
#include "libs/chunk/packer.h"
#include "libs/chunk/paragraph_blocks.h"
#include "libs/chunk/pieces.h"

namespace engram::chunk {
namespace {

// The share of a chunk's size that fills a chunk so far that it takes no
// further block, and the most that headings take.
constexpr int kShare = 4;

// One text, cut at first by the size that is wanted, then by larger ones.
class Splitter {
 public:
  Splitter(absl::string_view text, const Options& options,
           TokenCounter count_tokens)
      : text_(text),
        options_(options),
        count_tokens_(count_tokens),
        pieces_(text, count_tokens) {
    if (options.method == Method::kMarkdown) markdown_ = ReadMarkdown(text);
  }

  std::vector<Chunk> Split(int max_chunks) {
    if (pieces_.size() == 0) return {{.begin = 0, .end = text_.size()}};
    int size = options_.size;
    std::vector<Run> runs = Pack(size);
    // A size beyond all tokens makes one chunk.
    while (runs.size() > max_chunks) runs = Pack(size *= 2);
    std::vector<Chunk> chunks;
    chunks.reserve(runs.size());
    for (const Run& run : runs) chunks.push_back(ChunkOf(run));
    if (options_.headings) AddHeadings(chunks);
    return chunks;
  }

 private:
  std::vector<Run> Pack(int size) const {
    const int least = size / kShare;
    switch (options_.method) {
      case Method::kParagraphs:
        return PackBlocks(pieces_, ParagraphBlocks(pieces_), size, least);
      case Method::kCode:
        return PackBlocks(pieces_, CodeBlocks(text_, pieces_, size), size,
                          least);
      case Method::kMarkdown:
        return PackBlocks(pieces_, Sections(size), size, least);
      case Method::kNone:
      case Method::kTokens:
        break;
    }
    std::vector<Run> runs;
    PackTokens(pieces_, {0, pieces_.size()}, size, options_.overlap, runs);
    return runs;
  }

  std::vector<Block> Sections(int size) const {
    std::vector<Block> blocks = JoinSections(pieces_, markdown_.blocks, size);
    if (size > options_.size) {
      for (Block& block : blocks) block.starts_section = false;
    }
    return blocks;
  }

  Chunk ChunkOf(const Run& run) const {
    size_t begin = pieces_[run.first].begin;
    // The first line's indentation shows how the others lie.
    if (options_.method != Method::kTokens) begin -= IndentBefore(begin);
    return {.begin = begin, .end = pieces_[run.last - 1].text_end};
  }

  // How many spaces and tabs lie between `at` and its line's beginning; 0 if
  // there is anything else, or there are very many.
  size_t IndentBefore(size_t at) const {
    size_t indent = 0;
    while (indent < at && indent < Pieces::kBlanksPerToken) {
      const char c = text_[at - indent - 1];
      if (c == '\n') return indent;
      if (c != ' ' && c != '\t') return 0;
      ++indent;
    }
    return indent == at ? indent : 0;
  }

  void AddHeadings(std::vector<Chunk>& chunks) const {
    // Those that the present place stands under, outermost first.
    std::vector<const Heading*> open;
    auto next = markdown_.headings.begin();
    for (Chunk& chunk : chunks) {
      for (; next != markdown_.headings.end() && next->begin < chunk.begin;
           ++next) {
        Close(open, next->level);
        open.push_back(&*next);
      }
      std::vector<const Heading*> above = open;
      // Its own first line is not above it.
      if (next != markdown_.headings.end() && next->begin == chunk.begin) {
        Close(above, next->level);
      }
      chunk.headings = PathOf(above);
    }
  }

  static void Close(std::vector<const Heading*>& open, int level) {
    while (!open.empty() && open.back()->level >= level) open.pop_back();
  }

  std::string PathOf(absl::Span<const Heading* const> headings) const {
    std::string path;
    for (auto it = headings.rbegin(); it != headings.rend(); ++it) {
      if ((*it)->title.empty()) continue;
      std::string longer = path.empty()
                               ? absl::StrCat((*it)->title, "\n")
                               : absl::StrCat((*it)->title, " > ", path);
      if (count_tokens_(longer) > options_.size / kShare) break;
      path = std::move(longer);
    }
    return path;
  }

  const absl::string_view text_;
  const Options options_;
  const TokenCounter count_tokens_;
  const Pieces pieces_;
  MarkdownText markdown_;
};

}  // namespace

std::string Chunk::TextIn(absl::string_view text) const {
  return absl::StrCat(headings, text.substr(begin, end - begin));
}

std::vector<Chunk> SplitText(absl::string_view text, const Options& options,
                             TokenCounter count_tokens, int max_chunks) {
  if (options.method == Method::kNone)
    return {{.begin = 0, .end = text.size()}};
  return Splitter(text, options, count_tokens).Split(max_chunks);
}

}  // namespace engram::chunk
