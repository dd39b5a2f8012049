// How far a generation is.

#ifndef ENGRAM_SERVICES_STORAGE_GENERATION_PROGRESS_H_
#define ENGRAM_SERVICES_STORAGE_GENERATION_PROGRESS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "libs/sqlite/connection.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// What a backfill has to look at still: records of the rows after `row`, up to
// `last`.
struct BackfillRange {
  int64_t row = 0;
  int64_t last = 0;

  bool HasEnded() const { return row >= last; }
  bool Holds(int64_t place) const { return place > row && place <= last; }
};

absl::StatusOr<BackfillRange> ReadBackfill(sqlite::Connection& connection,
                                           int64_t generation);

// Records of one generation, by where they stand.
struct GenerationProgress {
  // Whose vectors are of their present text.
  int64_t embedded = 0;
  // Whose text waits, those that the backfill has not looked at among them.
  int64_t pending = 0;
  // Those of `pending` that no write waits for.
  int64_t backlog = 0;
  // Whose text could not be embedded.
  int64_t failed = 0;
  // That were there when the generation began and have no vectors yet, nor a
  // failure.
  int64_t missing = 0;
};

absl::StatusOr<GenerationProgress> ReadProgress(sqlite::Connection& connection,
                                                const Generation& generation,
                                                int64_t now_us);

// GenerationProgress::missing alone.
absl::StatusOr<int64_t> CountMissing(sqlite::Connection& connection,
                                     const Generation& generation,
                                     int64_t now_us);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GENERATION_PROGRESS_H_
