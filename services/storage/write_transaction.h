#ifndef ENGRAM_SERVICES_STORAGE_WRITE_TRANSACTION_H_
#define ENGRAM_SERVICES_STORAGE_WRITE_TRANSACTION_H_

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/sqlite/connection.h"
#include "services/storage/change_log.h"

namespace engram::storage {

// How many, by collection or generation.
using Counts = absl::flat_hash_map<int64_t, int64_t>;

// What writes did besides their rows, for counters and those who wait.
struct WriteEffects {
  // Records written or deleted.
  int64_t records_written = 0;
  // Records with new vectors.
  int64_t vectors_stored = 0;
  // By how much the outbox grew.
  int64_t outbox_growth = 0;
  // Whether the outbox has new entries.
  bool has_new_entries = false;

  void Add(const WriteEffects& other);
};

// What one write does its work in: a savepoint within the commit that it shares
// with others. Used on the writer's thread only.
class WriteTransaction {
 public:
  // `connection` and `log` must outlive this object.
  WriteTransaction(sqlite::Connection& connection, ChangeLog& log,
                   int64_t now_us)
      : connection_(connection), log_(log), now_us_(now_us) {}

  sqlite::Connection& connection() { return connection_; }
  ChangeLog& log() { return log_; }
  // The time of everything in this write; never before an earlier write's.
  int64_t now_us() const { return now_us_; }

  // Appends to the change log; returns the change's sequence.
  absl::StatusOr<int64_t> Append(ChangeKind kind, int64_t collection,
                                 int64_t row, absl::string_view id,
                                 absl::string_view payload = {});

  // Notes that a collection, or a generation, has more or fewer records.
  void CountRecords(int64_t collection, int64_t growth) {
    records_[collection] += growth;
  }
  void CountVectors(int64_t generation, int64_t growth) {
    vectors_[generation] += growth;
  }

  // Stores the counts. The last act of the write.
  absl::Status StoreCounts();

  WriteEffects& effects() { return effects_; }

 private:
  sqlite::Connection& connection_;
  ChangeLog& log_;
  const int64_t now_us_;
  Counts records_;
  Counts vectors_;
  WriteEffects effects_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WRITE_TRANSACTION_H_
