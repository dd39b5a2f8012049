#include "tools/engramctl/line_reader.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/status/status_macros.h"

namespace engram::engramctl {
namespace {

constexpr size_t kChunkBytes = 256 << 10;

}  // namespace

LineReader::LineReader(std::istream& in) : in_(in) {}

absl::StatusOr<bool> LineReader::Fill() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t held = buffer_.size();
  buffer_.resize(held + kChunkBytes);
  in_.read(buffer_.data() + held, kChunkBytes);
  buffer_.resize(held + static_cast<size_t>(in_.gcount()));
  if (in_.bad()) return absl::DataLossError("cannot be read");
  return in_.gcount() > 0;
}

absl::StatusOr<bool> LineReader::Next() {
  size_t searched = begin_;
  size_t end;
  while ((end = buffer_.find('\n', searched)) == std::string::npos) {
    if (buffer_.size() - begin_ > kMaxLineBytes) {
      ++number_;
      return absl::InvalidArgumentError(
          absl::StrCat("is longer than ", kMaxLineBytes, " bytes"));
    }
    searched = buffer_.size() - begin_;  // Fill moves the line to the front.
    ASSIGN_OR_RETURN(const bool more, Fill());
    if (more) continue;
    if (buffer_.empty()) return false;
    // The last line has no newline; give it one, which bytes() then leaves out.
    end = buffer_.size();
    buffer_.push_back('\n');
    --bytes_;
  }
  line_ = absl::string_view(buffer_).substr(begin_, end - begin_);
  if (number_ == 0) line_ = absl::StripPrefix(line_, "\xef\xbb\xbf");
  ++number_;
  bytes_ += static_cast<int64_t>(end + 1 - begin_);
  begin_ = end + 1;
  return true;
}

}  // namespace engram::engramctl
