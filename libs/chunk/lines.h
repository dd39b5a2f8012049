#ifndef ENGRAM_LIBS_CHUNK_LINES_H_
#define ENGRAM_LIBS_CHUNK_LINES_H_

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"

namespace engram::chunk {

struct Line {
  // In bytes of the text.
  size_t begin = 0;
  // Without its end, `\n` or `\r\n`.
  absl::string_view text;
};

// The lines of `text`, which must outlive them; none if it is empty.
std::vector<Line> SplitLines(absl::string_view text);

}  // namespace engram::chunk

#endif  // ENGRAM_LIBS_CHUNK_LINES_H_
