#ifndef ENGRAM_TOOLS_ENGRAMCTL_CHAR_READER_H_
#define ENGRAM_TOOLS_ENGRAMCTL_CHAR_READER_H_

#include <cstdint>
#include <istream>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace engram::engramctl {

// Reads a text byte by byte and counts lines. nullopt is its end; `DataLoss` a
// stream that cannot be read.
class CharReader {
 public:
  // `in` must outlive this object.
  explicit CharReader(std::istream& in) : in_(in) {}

  absl::StatusOr<std::optional<char>> Get() {
    if (at_ == buffer_.size()) {
      if (absl::Status status = Fill(); !status.ok()) return status;
      if (buffer_.empty()) return std::optional<char>();
    }
    const char c = buffer_[at_++];
    ++bytes_;
    line_ += last_ == '\n' ? 1 : 0;
    last_ = c;
    return std::optional<char>(c);
  }

  absl::StatusOr<std::optional<char>> Peek() {
    if (at_ == buffer_.size()) {
      if (absl::Status status = Fill(); !status.ok()) return status;
      if (buffer_.empty()) return std::optional<char>();
    }
    return std::optional<char>(buffer_[at_]);
  }

  // At the beginning of the text.
  absl::Status SkipByteOrderMark() {
    if (absl::Status status = Fill(); !status.ok()) return status;
    if (buffer_.starts_with("\xef\xbb\xbf")) at_ = bytes_ = 3;
    return absl::OkStatus();
  }

  // The line of the last byte read, from 1.
  int64_t line() const { return line_; }
  int64_t bytes() const { return bytes_; }

 private:
  absl::Status Fill() {
    constexpr size_t kChunkBytes = 256 << 10;
    buffer_.resize(kChunkBytes);
    in_.read(buffer_.data(), kChunkBytes);
    buffer_.resize(static_cast<size_t>(in_.gcount()));
    at_ = 0;
    if (in_.bad()) return absl::DataLossError("cannot be read");
    return absl::OkStatus();
  }

  std::istream& in_;
  std::string buffer_;
  size_t at_ = 0;
  char last_ = 0;
  int64_t line_ = 1;
  int64_t bytes_ = 0;
};

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_CHAR_READER_H_
