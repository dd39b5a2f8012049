// What is left of generations that are gone: too much, perhaps, for one
// transaction.

#ifndef ENGRAM_SERVICES_STORAGE_DROPPED_GENERATIONS_H_
#define ENGRAM_SERVICES_STORAGE_DROPPED_GENERATIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// SQL that makes a generation one that is gone. Nothing knows it from then on
// but RemoveDropped.
std::vector<std::string> DropGenerationSql(int64_t generation);

// Removes up to so many rows of generations that are gone. Returns whether
// there is more.
absl::StatusOr<bool> RemoveDropped(WriteTransaction& transaction, int limit);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_DROPPED_GENERATIONS_H_
