#include "services/storage/generation_progress.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectBackfill =
    "SELECT backfill_row, backfill_last FROM _generations WHERE generation = ?";
// Records with vectors, outdated ones included; records that wait, and those of
// them that no write waits for; failures.
constexpr absl::string_view kCount = R"sql(
SELECT coalesce((SELECT records FROM _generations WHERE generation = ?1), 0),
  (SELECT count(*) FROM _outbox WHERE generation = ?1),
  (SELECT count(*) FROM _outbox INDEXED BY _outbox_backlog
   WHERE generation = ?1 AND sequence = 0),
  (SELECT count(*) FROM _failures WHERE generation = ?1))sql";

// Records that the backfill has not looked at.
absl::StatusOr<int64_t> CountLeft(sqlite::Connection& connection,
                                  const Generation& generation,
                                  const BackfillRange& range, int64_t now_us) {
  // Supplied vectors have no backfill.
  if (range.HasEnded() || generation.supplied()) return 0;
  ASSIGN_OR_RETURN(sqlite::Statement count,
                   connection.Cached(generation.count_sources));
  count.BindInt(1, range.row);
  count.BindInt(2, range.last);
  count.BindInt(3, now_us);
  RETURN_IF_ERROR(count.Step().status());
  return count.Int(0);
}

// Those of them that were written since, and so have an entry, a failure or
// vectors already.
absl::StatusOr<int64_t> CountRewritten(sqlite::Connection& connection,
                                       const Generation& generation,
                                       const BackfillRange& range) {
  if (range.HasEnded()) return 0;
  ASSIGN_OR_RETURN(
      sqlite::Statement count,
      connection.Cached(absl::StrCat(
          "SELECT (SELECT count(*) FROM _outbox "
          "WHERE generation = ?1 AND row > ?2 AND row <= ?3 AND NOT EXISTS "
          "(SELECT 1 FROM _vectors_",
          generation.id, " WHERE _key = row * ", kMaxChunks,
          ")) + (SELECT count(*) FROM _failures "
          "WHERE generation = ?1 AND row > ?2 AND row <= ?3) + "
          "(SELECT count(*) FROM _vectors_",
          generation.id, " WHERE _key >= (?2 + 1) * ", kMaxChunks,
          " AND _key < (?3 + 1) * ", kMaxChunks, " AND _key % ", kMaxChunks,
          " = 0)")));
  count.BindInt(1, generation.id);
  count.BindInt(2, range.row);
  count.BindInt(3, range.last);
  RETURN_IF_ERROR(count.Step().status());
  return count.Int(0);
}

absl::StatusOr<int64_t> CountWaiting(sqlite::Connection& connection,
                                     const Generation& generation,
                                     const BackfillRange& range) {
  if (range.last == 0) return 0;
  ASSIGN_OR_RETURN(sqlite::Statement count,
                   connection.Cached(generation.count_waiting));
  count.BindInt(1, range.row);
  RETURN_IF_ERROR(count.Step().status());
  return count.Int(0);
}

}  // namespace

absl::StatusOr<BackfillRange> ReadBackfill(sqlite::Connection& connection,
                                           int64_t generation) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Cached(kSelectBackfill));
  select.BindInt(1, generation);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return BackfillRange();
  return BackfillRange{.row = select.Int(0), .last = select.Int(1)};
}

namespace {

// The records that there were when the backfill began and that lack vectors.
struct Missing {
  BackfillRange range;
  // That it has not looked at, and that it has queued.
  int64_t left = 0;
  int64_t waiting = 0;
};

absl::StatusOr<Missing> ReadMissing(sqlite::Connection& connection,
                                    const Generation& generation,
                                    int64_t now_us) {
  Missing missing;
  ASSIGN_OR_RETURN(missing.range, ReadBackfill(connection, generation.id));
  ASSIGN_OR_RETURN(missing.left,
                   CountLeft(connection, generation, missing.range, now_us));
  ASSIGN_OR_RETURN(missing.waiting,
                   CountWaiting(connection, generation, missing.range));
  return missing;
}

}  // namespace

absl::StatusOr<GenerationProgress> ReadProgress(sqlite::Connection& connection,
                                                const Generation& generation,
                                                int64_t now_us) {
  ASSIGN_OR_RETURN(const Missing missing,
                   ReadMissing(connection, generation, now_us));
  ASSIGN_OR_RETURN(const int64_t rewritten,
                   CountRewritten(connection, generation, missing.range));
  const int64_t unseen = std::max<int64_t>(0, missing.left - rewritten);
  ASSIGN_OR_RETURN(const int64_t outdated,
                   connection.QueryInt(generation.count_outdated));
  ASSIGN_OR_RETURN(sqlite::Statement count, connection.Cached(kCount));
  count.BindInt(1, generation.id);
  RETURN_IF_ERROR(count.Step().status());
  return GenerationProgress{.embedded = count.Int(0) - outdated,
                            .pending = count.Int(1) + unseen,
                            .backlog = count.Int(2) + unseen,
                            .failed = count.Int(3),
                            .missing = missing.waiting + missing.left};
}

absl::StatusOr<int64_t> CountMissing(sqlite::Connection& connection,
                                     const Generation& generation,
                                     int64_t now_us) {
  ASSIGN_OR_RETURN(const Missing missing,
                   ReadMissing(connection, generation, now_us));
  return missing.waiting + missing.left;
}

}  // namespace engram::storage
