#ifndef ENGRAM_TOOLS_ENGRAMCTL_LINE_READER_H_
#define ENGRAM_TOOLS_ENGRAMCTL_LINE_READER_H_

#include <cstdint>
#include <istream>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace engram::engramctl {

// Reads a text line by line, holding little more than one line.
class LineReader {
 public:
  static constexpr size_t kMaxLineBytes = 16 << 20;

  // `in` must outlive this object.
  explicit LineReader(std::istream& in);

  // Goes to the next line; false at the end. A byte order mark is skipped.
  // `InvalidArgument` for a line longer than kMaxLineBytes, `DataLoss` if the
  // stream cannot be read.
  absl::StatusOr<bool> Next();

  // The line, without its newline, until the next call of Next.
  absl::string_view line() const { return line_; }
  // The line's number, from 1.
  int64_t number() const { return number_; }
  // Bytes read up to the end of the line, its newline included.
  int64_t bytes() const { return bytes_; }

 private:
  // Reads more; false at the end.
  absl::StatusOr<bool> Fill();

  std::istream& in_;
  std::string buffer_;
  // Where the next line begins in `buffer_`.
  size_t begin_ = 0;
  absl::string_view line_;
  int64_t number_ = 0;
  int64_t bytes_ = 0;
};

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_LINE_READER_H_
