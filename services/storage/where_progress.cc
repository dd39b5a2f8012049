#include "services/storage/where_progress.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace engram::storage {

std::string WhereProgress::Serialize() const {
  const std::vector<int64_t> numbers = {after,   through,  now_us,  matched,
                                        changed, cascaded, skipped, finished};
  return absl::StrCat(absl::StrJoin(numbers, " "), " ", position);
}

absl::StatusOr<WhereProgress> WhereProgress::Parse(absl::string_view text) {
  WhereProgress progress;
  int64_t finished = 0;
  int64_t* const numbers[] = {&progress.after,   &progress.through,
                              &progress.now_us,  &progress.matched,
                              &progress.changed, &progress.cascaded,
                              &progress.skipped, &finished};
  constexpr size_t kNumbers = std::size(numbers);
  const std::vector<absl::string_view> parts =
      absl::StrSplit(text, absl::MaxSplits(' ', kNumbers));
  bool good = parts.size() == kNumbers + 1;
  for (size_t i = 0; good && i < kNumbers; ++i) {
    good = absl::SimpleAtoi(parts[i], numbers[i]);
  }
  if (!good) return absl::DataLossError("a kept progress cannot be read");
  progress.finished = finished != 0;
  progress.position = std::string(parts.back());
  return progress;
}

}  // namespace engram::storage
