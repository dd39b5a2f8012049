#ifndef ENGRAM_SERVICES_STORAGE_SWEEPER_H_
#define ENGRAM_SERVICES_STORAGE_SWEEPER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/storage/database.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// What a sweep did.
struct SweepResult {
  // Records deleted because they had expired, or because they refer to such.
  int64_t expired = 0;
  // Records deleted for good that had been deleted before.
  int64_t purged = 0;
  // Old versions dropped.
  int64_t versions = 0;
  // Records that others, with `on_delete: restrict`, keep from being deleted.
  int64_t kept = 0;
  // The sequence of the newest change then.
  int64_t sequence = 0;
};

// One sweep of one database: deletes for good what has expired, what was
// deleted longer ago than it is kept, and old versions past their time, in
// slices of a bounded number of rows, each a write of its own, so that the
// writes of others go on between them.
class Sweep : public std::enable_shared_from_this<Sweep> {
 public:
  using Done = std::function<void(absl::Status, const SweepResult&)>;

  // The most rows that one slice deletes, cascades aside.
  static constexpr int kSliceRows = 1000;

  // Starts a sweep of `collections`, by name; empty is all of them. `done` is
  // called once, by the writer's thread. `database` must outlive the sweep. A
  // slice is not begun after `deadline`.
  static void Start(Database& database, std::vector<std::string> collections,
                    absl::Time deadline, Done done);

 private:
  enum class Phase { kExpired, kDeleted, kVersions, kEnd };

  // How far the sweep is.
  struct Progress {
    size_t collection = 0;
    Phase phase = Phase::kExpired;
    // The time and row of the last record looked at.
    int64_t time_us = std::numeric_limits<int64_t>::min();
    int64_t row = 0;
    SweepResult result;
  };

  Sweep(Database& database, std::vector<std::string> collections,
        absl::Time deadline, Done done)
      : database_(database),
        collections_(std::move(collections)),
        deadline_(deadline),
        done_(std::move(done)) {}

  void SubmitSlice();
  // Does up to a slice's rows, and says in `next_` how far it got.
  absl::Status RunSlice(WriteTransaction& transaction);
  // Deletes records of one collection and phase; returns how many were looked
  // at.
  absl::StatusOr<int> DeleteSome(WriteTransaction& transaction,
                                 const Collection& collection, int limit);

  Database& database_;
  const std::vector<std::string> collections_;
  const absl::Time deadline_;
  const Done done_;
  // As of the last slice that was committed.
  Progress progress_;
  Progress next_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SWEEPER_H_
