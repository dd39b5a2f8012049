#include "libs/chunk/code_blocks.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/chunk/lines.h"

namespace engram::chunk {
namespace {

constexpr int kTabWidth = 4;
// Depth of a brace, as columns of indentation.
constexpr int kBraceDepth = 4;
// Deeper structure is cut by lines: it bounds the work at so many passes.
constexpr int kMaxNesting = 64;

// Words that go on with what the block before them began.
constexpr absl::string_view kContinuations[] = {
    "catch", "do",     "done", "elif",    "else",   "elsif", "end",  "ensure",
    "esac",  "except", "fi",   "finally", "rescue", "then",  "until"};

// What the structure of one line is.
struct CodeLine {
  bool is_blank = false;
  // Ends something, or goes on with it: `}`, `else:`.
  bool closes = false;
  int depth = 0;
  // The first piece of this line or behind it.
  size_t piece = 0;
};

bool IsContinuation(absl::string_view content) {
  size_t length = 0;
  while (length < content.size() && absl::ascii_isalpha(content[length])) {
    ++length;
  }
  return std::count(std::begin(kContinuations), std::end(kContinuations),
                    content.substr(0, length)) > 0;
}

// A brace in quotes of its own, such as '{', is none.
bool IsQuoted(absl::string_view text, size_t at) {
  return at > 0 && at + 1 < text.size() && text[at - 1] == text[at + 1] &&
         (text[at - 1] == '\'' || text[at - 1] == '"');
}

// Reads lines one after another.
class DepthReader {
 public:
  CodeLine Read(const Line& line) {
    CodeLine result;
    int indent = 0;
    size_t at = 0;
    for (; at < line.text.size() && absl::ascii_isspace(line.text[at]); ++at) {
      indent += line.text[at] == '\t' ? kTabWidth - indent % kTabWidth : 1;
    }
    const absl::string_view content = line.text.substr(at);
    result.is_blank = content.empty();
    if (result.is_blank) return result;
    result.closes = absl::StrContains("})]", content.substr(0, 1)) ||
                    IsContinuation(content);
    // A closing brace is as deep as what it closes.
    size_t leading = 0;
    while (leading < content.size() && content[leading] == '}') ++leading;
    const int outside = std::max(0, braces_ - static_cast<int>(leading));
    result.depth = indent + kBraceDepth * outside;
    CountBraces(content);
    return result;
  }

 private:
  // A brace too many, in a comment say, makes all behind it deeper, and changes
  // nothing in how these lines compare.
  void CountBraces(absl::string_view content) {
    for (size_t at = 0; at < content.size(); ++at) {
      if ((content[at] != '{' && content[at] != '}') || IsQuoted(content, at)) {
        continue;
      }
      braces_ = std::max(0, braces_ + (content[at] == '{' ? 1 : -1));
    }
  }

  int braces_ = 0;
};

class CodeSplitter {
 public:
  CodeSplitter(absl::string_view text, const Pieces& pieces, int size)
      : pieces_(pieces), size_(size) {
    DepthReader reader;
    for (const Line& line : SplitLines(text)) {
      begins_.push_back(line.begin);
      lines_.push_back(reader.Read(line));
      lines_.back().piece = pieces.At(line.begin);
    }
  }

  std::vector<Block> Split() {
    if (!lines_.empty()) SplitLinesAt(0, lines_.size(), 0);
    return std::move(blocks_);
  }

 private:
  int64_t Tokens(size_t first, size_t last) const {
    return pieces_.Tokens(lines_[first].piece, last == lines_.size()
                                                   ? pieces_.size()
                                                   : lines_[last].piece);
  }

  void SplitLinesAt(size_t first, size_t last, int nesting) {
    while (first < last && lines_[first].is_blank) ++first;
    if (first == last) return;
    const std::optional<int> depth = LeastDepth(first, last);
    if (Tokens(first, last) <= size_ || nesting == kMaxNesting ||
        !depth.has_value()) {
      blocks_.push_back({.begin = begins_[first]});
      return;
    }
    std::vector<size_t> starts = {first};
    for (size_t i = first + 1; i < last; ++i) {
      if (Begins(i, *depth)) starts.push_back(i);
    }
    if (starts.size() == 1) return SplitInside(first, last, *depth, nesting);
    starts.push_back(last);
    for (size_t i = 0; i + 1 < starts.size(); ++i) {
      SplitLinesAt(starts[i], starts[i + 1], nesting + 1);
    }
  }

  // One block: its first lines, then what lies within it.
  void SplitInside(size_t first, size_t last, int depth, int nesting) {
    size_t inside = first;
    while (inside < last &&
           (lines_[inside].is_blank || lines_[inside].depth <= depth)) {
      ++inside;
    }
    blocks_.push_back({.begin = begins_[first], .joins_next = inside < last});
    if (inside < last) SplitLinesAt(inside, last, nesting + 1);
  }

  // Of the lines that close nothing; none if all do.
  std::optional<int> LeastDepth(size_t first, size_t last) const {
    std::optional<int> least;
    for (size_t i = first; i < last; ++i) {
      const CodeLine& line = lines_[i];
      if (line.is_blank || line.closes) continue;
      least = std::min(least.value_or(line.depth), line.depth);
    }
    return least;
  }

  // Whether a block of `depth` begins with line `i`, which is not the first.
  bool Begins(size_t i, int depth) const {
    const CodeLine& line = lines_[i];
    if (line.is_blank || line.closes || line.depth != depth) return false;
    const CodeLine& before = lines_[i - 1];
    return before.is_blank || before.closes || before.depth > depth;
  }

  const Pieces& pieces_;
  const int size_;
  std::vector<size_t> begins_;
  std::vector<CodeLine> lines_;
  std::vector<Block> blocks_;
};

}  // namespace

std::vector<Block> CodeBlocks(absl::string_view text, const Pieces& pieces,
                              int size) {
  return CodeSplitter(text, pieces, size).Split();
}

}  // namespace engram::chunk
