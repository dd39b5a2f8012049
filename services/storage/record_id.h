#ifndef ENGRAM_SERVICES_STORAGE_RECORD_ID_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_ID_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace engram::storage {

inline constexpr int kMaxRecordIdBytes = 512;

// Returns a UUIDv7 (RFC 9562): the milliseconds of `now_us`, then random bits,
// so that new ids sort close together, which keeps their index's pages warm.
std::string NewRecordId(int64_t now_us);

// Returns what is wrong with `id`, as a clause that follows its name, or
// nothing: an id is 1 to 512 bytes of UTF-8 without control characters.
std::optional<std::string> FindRecordIdProblem(absl::string_view id);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_ID_H_
