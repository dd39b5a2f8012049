#include "libs/chunk/lines.h"

#include <algorithm>

#include "absl/strings/strip.h"

namespace engram::chunk {

std::vector<Line> SplitLines(absl::string_view text) {
  std::vector<Line> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const absl::string_view line = text.substr(begin, end - begin);
    lines.push_back({begin, absl::StripSuffix(line, "\r")});
    begin = end + 1;
  }
  return lines;
}

}  // namespace engram::chunk
