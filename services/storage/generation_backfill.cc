#include "services/storage/generation_backfill.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "libs/schema/vector_text.h"
#include "libs/status/status_macros.h"
#include "services/storage/column_io.h"
#include "services/storage/content_hash.h"
#include "services/storage/generation_progress.h"
#include "services/storage/outbox_table.h"

namespace engram::storage {
namespace {

// The bytes of texts after which one call ends: hashing them takes the writer's
// time.
constexpr size_t kMaxTextBytes = size_t{4} << 20;

constexpr absl::string_view kSetLast =
    "UPDATE _generations SET backfill_last = ? WHERE generation = ?";
constexpr absl::string_view kSetRow =
    "UPDATE _generations SET backfill_row = ? WHERE generation = ?";
constexpr absl::string_view kCountWaiting = R"sql(
SELECT count(*) FROM (
  SELECT 1 FROM _outbox INDEXED BY _outbox_backlog
  WHERE generation = ? AND sequence = 0 LIMIT ?))sql";

struct Seen {
  int64_t row = 0;
  // Nothing if the record has no text.
  std::optional<ContentHash> hash;
};

// Reads records after range.row.
absl::StatusOr<std::vector<Seen>> ReadTexts(WriteTransaction& transaction,
                                            const Collection& collection,
                                            const Generation& generation,
                                            const BackfillRange& range,
                                            int limit) {
  ASSIGN_OR_RETURN(sqlite::Statement scan,
                   transaction.connection().Cached(generation.scan_sources));
  scan.BindInt(1, range.row);
  scan.BindInt(2, range.last);
  scan.BindInt(3, transaction.now_us());
  std::vector<Seen> seen;
  size_t bytes = 0;
  std::vector<ColumnValue> sources(generation.sources.size());
  while (std::cmp_less(seen.size(), limit) && bytes < kMaxTextBytes) {
    ASSIGN_OR_RETURN(const bool found, scan.Step());
    if (!found) break;
    for (size_t i = 0; i < sources.size(); ++i) {
      sources[i] = ReadColumn(scan, static_cast<int>(i) + 1);
    }
    const std::optional<std::string> text =
        schema::VectorText(collection.spec, generation.spec, sources);
    Seen& record = seen.emplace_back();
    record.row = scan.Int(0);
    if (!text.has_value()) continue;
    record.hash = ContentHash::Of(*text);
    bytes += text->size();
  }
  return seen;
}

absl::Status Set(sqlite::Connection& connection, absl::string_view sql,
                 int64_t row, int64_t generation) {
  ASSIGN_OR_RETURN(sqlite::Statement update, connection.Cached(sql));
  update.BindInt(1, row);
  update.BindInt(2, generation);
  return update.Run();
}

}  // namespace

absl::Status BeginBackfill(sqlite::Connection& connection,
                           const Collection& collection,
                           const Generation& generation) {
  ASSIGN_OR_RETURN(const int64_t last,
                   connection.QueryInt(collection.select_last_row));
  return Set(connection, kSetLast, last, generation.id);
}

absl::StatusOr<int> Backfill(WriteTransaction& transaction,
                             const Collection& collection,
                             const Generation& generation, int limit) {
  sqlite::Connection& connection = transaction.connection();
  ASSIGN_OR_RETURN(const BackfillRange range,
                   ReadBackfill(connection, generation.id));
  if (range.HasEnded()) return 0;
  {
    ASSIGN_OR_RETURN(sqlite::Statement count, connection.Cached(kCountWaiting));
    count.BindInt(1, generation.id);
    count.BindInt(2, kMaxBackfillWaiting);
    RETURN_IF_ERROR(count.Step().status());
    limit = std::min<int>(limit,
                          kMaxBackfillWaiting - static_cast<int>(count.Int(0)));
  }
  if (limit <= 0) return 0;
  ASSIGN_OR_RETURN(
      const std::vector<Seen> seen,
      ReadTexts(transaction, collection, generation, range, limit));
  for (const Seen& record : seen) {
    if (!record.hash.has_value()) continue;
    // No write brought the text, so it holds no position back.
    RETURN_IF_ERROR(UpdateOutboxEntry(transaction, generation, record.row,
                                      *record.hash, /*sequence=*/0)
                        .status());
  }
  // Behind the last record there may be rows of records that are gone.
  RETURN_IF_ERROR(Set(connection, kSetRow,
                      seen.empty() ? range.last : seen.back().row,
                      generation.id));
  return static_cast<int>(seen.size());
}

}  // namespace engram::storage
