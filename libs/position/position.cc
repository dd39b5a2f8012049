#include "libs/position/position.h"

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace engram {

std::string Position::ToString() const {
  return absl::StrFormat("%s@%016x.%d", database, epoch, sequence);
}

absl::StatusOr<Position> Position::Parse(absl::string_view text) {
  const auto error = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text,
                     "\" is no position; give one that Engram returned, "
                     "<database>@<epoch>.<sequence>"));
  };
  const size_t at = text.find('@');
  if (at == absl::string_view::npos || at == 0) return error();
  const absl::string_view epoch = text.substr(at + 1, 16);
  const absl::string_view rest = text.substr(at + 1 + epoch.size());
  Position position;
  position.database = std::string(text.substr(0, at));
  if (epoch.size() != 16 || rest.size() < 2 || rest[0] != '.' ||
      !absl::SimpleHexAtoi(epoch, &position.epoch) ||
      !absl::SimpleAtoi(rest.substr(1), &position.sequence) ||
      position.sequence < 0 || position.ToString() != text) {
    return error();
  }
  return position;
}

}  // namespace engram
