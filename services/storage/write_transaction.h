#ifndef ENGRAM_SERVICES_STORAGE_WRITE_TRANSACTION_H_
#define ENGRAM_SERVICES_STORAGE_WRITE_TRANSACTION_H_

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/transaction.h"
#include "services/storage/change_log.h"
#include "services/storage/job_effects.h"

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
  // By how many there are more texts that could not be embedded.
  int64_t failures_growth = 0;
  // Whether the outbox has new entries.
  bool has_new_entries = false;
  // By how many bytes caches grew, by collection; see cache_sizes.h.
  Counts cache_bytes;
  JobEffects jobs;

  void Add(const WriteEffects& other);
};

// What one write does its work in: a savepoint within the commit that it shares
// with others. Used on the writer's thread only.
class WriteTransaction {
 public:
  // `connection` and `log` must outlive this object.
  WriteTransaction(sqlite::Connection& connection, ChangeLog& log,
                   int64_t now_us, int64_t schema_version)
      : connection_(connection),
        log_(log),
        now_us_(now_us),
        schema_version_(schema_version) {}

  sqlite::Connection& connection() { return connection_; }
  ChangeLog& log() { return log_; }
  // The time of everything in this write; never before an earlier write's.
  int64_t now_us() const { return now_us_; }
  // The file's schema (Collection::schema_version). The catalog's is the same
  // while a write runs.
  int64_t schema_version() const { return schema_version_; }

  // Appends to the change log; see ChangeLog::Append.
  absl::StatusOr<int64_t> Append(ChangeKind kind, int64_t collection,
                                 int64_t row, absl::string_view id,
                                 absl::string_view payload = {},
                                 int64_t image_bytes = 0);

  // Notes that a collection, or a generation, has more or fewer records.
  void CountRecords(int64_t collection, int64_t growth) {
    records_[collection] += growth;
  }
  void CountVectors(int64_t generation, int64_t growth) {
    vectors_[generation] += growth;
  }
  // Notes that what a cache holds takes more or fewer bytes.
  void CountCacheBytes(int64_t collection, int64_t growth) {
    effects_.cache_bytes[collection] += growth;
  }

  // The number for the next record of a collection that numbers its records,
  // and that a record has one, by Engram's or its caller's choice: those after
  // it lie above.
  absl::StatusOr<int64_t> NextRecordNumber(int64_t collection);
  absl::Status NoteRecordNumber(int64_t collection, int64_t number);

  // Stores counts and numbers, and verifies that no foreign key is violated:
  // SQLite would find that at the commit, which the write shares with others.
  // The last act of the write.
  absl::Status Finish();

  WriteEffects& effects() { return effects_; }

  // A part of the write that can be undone alone; it is, at the end of the
  // scope, unless Keep returned OK. Record numbers that it noted stay so.
  class Part {
   public:
    // `transaction` must outlive the part.
    static absl::StatusOr<Part> Begin(WriteTransaction& transaction);
    Part(Part&& other) noexcept;
    Part& operator=(Part&&) = delete;
    ~Part();

    absl::Status Keep();

   private:
    Part(WriteTransaction* transaction, sqlite::Savepoint savepoint);

    // Null once ended.
    WriteTransaction* transaction_;
    sqlite::Savepoint savepoint_;
    const LogHead head_;
    Counts records_;
    Counts vectors_;
    WriteEffects effects_;
  };

 private:
  sqlite::Connection& connection_;
  ChangeLog& log_;
  const int64_t now_us_;
  const int64_t schema_version_;
  Counts records_;
  Counts vectors_;
  // The next number, of collections where one was taken or noted.
  Counts next_numbers_;
  WriteEffects effects_;

  absl::StatusOr<int64_t*> NextNumber(int64_t collection);
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_WRITE_TRANSACTION_H_
