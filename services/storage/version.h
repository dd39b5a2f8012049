#ifndef ENGRAM_SERVICES_STORAGE_VERSION_H_
#define ENGRAM_SERVICES_STORAGE_VERSION_H_

#include "absl/strings/string_view.h"

namespace engram::storage {

// What a file says about the program that migrated it.
inline constexpr absl::string_view kWrittenBy = "engram " ENGRAM_VERSION;

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_VERSION_H_
