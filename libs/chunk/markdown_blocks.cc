#include "libs/chunk/markdown_blocks.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "libs/chunk/lines.h"

namespace engram::chunk {
namespace {

// More than this and the line is code.
constexpr size_t kMaxIndent = 3;
constexpr size_t kMinFence = 3;
constexpr size_t kMaxLevel = 6;

bool IsBlank(const Line& line) {
  return absl::StripAsciiWhitespace(line.text).empty();
}

// The line without its indentation; empty if that is too deep.
absl::string_view Content(const Line& line) {
  const size_t indent =
      std::min(line.text.find_first_not_of(' '), line.text.size());
  return indent > kMaxIndent ? absl::string_view() : line.text.substr(indent);
}

// How often `text` begins with its first character.
size_t RunLength(absl::string_view text) {
  return text.empty() ? 0
                      : std::min(text.find_first_not_of(text[0]), text.size());
}

// A line of marks that opens a block of code, or closes one.
struct Fence {
  char mark;
  size_t length;
};

std::optional<Fence> OpeningFence(const Line& line) {
  const absl::string_view content = Content(line);
  const size_t length = RunLength(content);
  if (length < kMinFence || (content[0] != '`' && content[0] != '~')) {
    return std::nullopt;
  }
  // Else it is code within a paragraph's line.
  if (content[0] == '`' && absl::StrContains(content.substr(length), '`')) {
    return std::nullopt;
  }
  return Fence{content[0], length};
}

bool Closes(const Line& line, const Fence& fence) {
  const absl::string_view content =
      absl::StripTrailingAsciiWhitespace(Content(line));
  const size_t length = RunLength(content);
  return length >= fence.length && length == content.size() &&
         content[0] == fence.mark;
}

std::optional<Heading> HeadingWithMarks(const Line& line) {
  absl::string_view content = Content(line);
  if (!absl::StartsWith(content, "#")) return std::nullopt;
  const size_t level = RunLength(content);
  content.remove_prefix(level);
  if (level > kMaxLevel ||
      (!content.empty() && !absl::ascii_isspace(content[0]))) {
    return std::nullopt;
  }
  content = absl::StripAsciiWhitespace(content);
  // Marks may close it, too.
  const size_t last = content.find_last_not_of('#');
  if (last == absl::string_view::npos) {
    content = "";
  } else if (absl::ascii_isspace(content[last])) {
    content = absl::StripTrailingAsciiWhitespace(content.substr(0, last));
  }
  return Heading{line.begin, static_cast<int>(level), std::string(content)};
}

// The level of the heading that `line` makes of the line before it; 0 if it
// makes none.
int UnderlineLevel(const Line& line) {
  const absl::string_view content =
      absl::StripTrailingAsciiWhitespace(Content(line));
  if (content.empty() || RunLength(content) != content.size()) return 0;
  return content[0] == '=' ? 1 : content[0] == '-' ? 2 : 0;
}

// Reads a text line by line.
class MarkdownReader {
 public:
  explicit MarkdownReader(absl::string_view text) : lines_(SplitLines(text)) {}

  MarkdownText Read() {
    SkipFrontMatter();
    while (at_ < lines_.size()) {
      if (IsBlank(lines_[at_])) {
        in_paragraph_ = false;
        ++at_;
      } else if (const auto fence = OpeningFence(lines_[at_])) {
        ReadFence(*fence);
      } else if (const auto heading = HeadingWithMarks(lines_[at_])) {
        AddHeading(*heading, 1);
      } else if (const int level = NextUnderlines()) {
        const absl::string_view title =
            absl::StripAsciiWhitespace(lines_[at_].text);
        AddHeading({lines_[at_].begin, level, std::string(title)}, 2);
      } else {
        if (!in_paragraph_) AddBlock(lines_[at_].begin);
        in_paragraph_ = true;
        ++at_;
      }
    }
    return std::move(result_);
  }

 private:
  // What stands between two lines of `---` at the top is no heading.
  void SkipFrontMatter() {
    if (lines_.empty() || lines_[0].text != "---") return;
    for (size_t i = 1; i < lines_.size(); ++i) {
      if (lines_[i].text != "---") continue;
      AddBlock(lines_[0].begin);
      at_ = i + 1;
      return;
    }
  }

  void ReadFence(const Fence& fence) {
    AddBlock(lines_[at_].begin);
    in_paragraph_ = false;
    for (++at_; at_ < lines_.size(); ++at_) {
      if (!Closes(lines_[at_], fence)) continue;
      ++at_;
      return;
    }
  }

  // A paragraph of one line whose next line underlines it: its level, else 0.
  int NextUnderlines() const {
    if (in_paragraph_ || at_ + 1 >= lines_.size() ||
        Content(lines_[at_]).empty()) {
      return 0;
    }
    return UnderlineLevel(lines_[at_ + 1]);
  }

  void AddHeading(Heading heading, size_t lines) {
    if (!after_heading_) {
      result_.blocks.push_back(
          {.begin = heading.begin, .starts_section = true});
    }
    result_.headings.push_back(std::move(heading));
    at_ += lines;
    after_heading_ = true;
    in_paragraph_ = false;
  }

  // A heading's first block is the one that it began.
  void AddBlock(size_t begin) {
    if (!after_heading_) result_.blocks.push_back({.begin = begin});
    after_heading_ = false;
  }

  const std::vector<Line> lines_;
  size_t at_ = 0;
  bool in_paragraph_ = false;
  bool after_heading_ = false;
  MarkdownText result_;
};

}  // namespace

MarkdownText ReadMarkdown(absl::string_view text) {
  return MarkdownReader(text).Read();
}

std::vector<Block> JoinSections(const Pieces& pieces,
                                const std::vector<Block>& blocks, int size) {
  std::vector<Block> joined;
  for (size_t i = 0; i < blocks.size();) {
    size_t end = i + 1;
    while (end < blocks.size() && !blocks[end].starts_section) ++end;
    const size_t last =
        end == blocks.size() ? pieces.size() : pieces.At(blocks[end].begin);
    const bool fits = pieces.Tokens(pieces.At(blocks[i].begin), last) <= size;
    joined.insert(joined.end(), blocks.begin() + i,
                  blocks.begin() + (fits ? i + 1 : end));
    i = end;
  }
  return joined;
}

}  // namespace engram::chunk
