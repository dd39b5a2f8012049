#ifndef ENGRAM_SERVICES_STORAGE_GENERATION_TEXT_H_
#define ENGRAM_SERVICES_STORAGE_GENERATION_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/sqlite/connection.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// What a generation embeds of a record.
struct GenerationText {
  // The record's.
  std::string id;
  std::string text;
};

// Reads the text of the record at `row`, as it is now; nothing if there is no
// such record, or it has no text.
absl::StatusOr<std::optional<GenerationText>> ReadGenerationText(
    sqlite::Connection& connection, const Collection& collection,
    const Generation& generation, int64_t row);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GENERATION_TEXT_H_
