#ifndef ENGRAM_SERVICES_STORAGE_SEEN_ROW_H_
#define ENGRAM_SERVICES_STORAGE_SEEN_ROW_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/read_target.h"

namespace engram::storage {

// Returns the row of the record of this id; nothing if there is none, or it
// cannot be seen.
absl::StatusOr<std::optional<int64_t>> FindSeenRow(const ReadTarget& target,
                                                   absl::string_view id,
                                                   int64_t now_us);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SEEN_ROW_H_
