#include "services/storage/generation_text.h"

#include <utility>
#include <vector>

#include "libs/schema/vector_text.h"
#include "libs/status/status_macros.h"
#include "services/storage/column_io.h"

namespace engram::storage {

absl::StatusOr<std::optional<GenerationText>> ReadGenerationText(
    sqlite::Connection& connection, const Collection& collection,
    const Generation& generation, int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Cached(generation.select_sources));
  select.BindInt(1, row);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  std::vector<ColumnValue> sources;
  for (size_t i = 0; i < generation.sources.size(); ++i) {
    sources.push_back(ReadColumn(select, static_cast<int>(i) + 1));
  }
  std::optional<std::string> text =
      schema::VectorText(collection.spec, generation.spec, sources);
  if (!text.has_value()) return std::nullopt;
  return GenerationText{.id = std::string(select.Text(0)),
                        .text = *std::move(text)};
}

}  // namespace engram::storage
