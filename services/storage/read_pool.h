#ifndef ENGRAM_SERVICES_STORAGE_READ_POOL_H_
#define ENGRAM_SERVICES_STORAGE_READ_POOL_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/transaction.h"

namespace engram::storage {

// A database's connections for reading. Thread-safe.
//
// Each reads in a transaction, which it keeps from one use to the next while
// that sees the newest commit: to begin one, to learn the schema's version and
// to end it takes half the time of looking a record up.
class ReadPool {
 private:
  struct Reader {
    std::unique_ptr<sqlite::Connection> connection;
    // Behind the connection, as it ends first.
    std::optional<sqlite::Transaction> transaction;
    // As the transaction sees it.
    int64_t schema_version = 0;
    // ReadPool::commits_ before the transaction began.
    uint64_t commits = 0;
  };

 public:
  // A connection and its transaction, which has begun, in use until the end of
  // the scope.
  class Lease {
   public:
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();

    sqlite::Connection& operator*() const { return *reader_->connection; }
    sqlite::Connection* operator->() const { return reader_->connection.get(); }
    // The file's, as the transaction sees it.
    int64_t schema_version() const { return reader_->schema_version; }

   private:
    friend class ReadPool;
    Lease(ReadPool* pool, std::unique_ptr<Reader> reader)
        : pool_(pool), reader_(std::move(reader)) {}

    ReadPool* pool_;
    std::unique_ptr<Reader> reader_;
  };

  // Keeps at most `max_idle` connections open between uses. As many are in use
  // at once as threads call.
  ReadPool(std::string path, sqlite::Access access, size_t max_idle)
      : path_(std::move(path)), access_(access), max_idle_(max_idle) {}

  // Sees every commit that was told of. Opens a connection if none is idle.
  // `Unavailable` after Close.
  absl::StatusOr<Lease> Acquire();

  // Tells of a commit, or that there may be one that nobody tells of: no
  // transaction is kept that began before.
  void NoteCommit();

  // Whether transactions may be kept: the write-ahead log cannot be begun anew
  // while one is open.
  void set_keeps(bool keeps) { keeps_ = keeps; }

  // Closes the idle connections, and those in use when they come back.
  void Close();

 private:
  absl::Status Begin(Reader& reader) const;
  // Whether the reader's transaction has begun and sees what there is.
  bool IsNew(const Reader& reader) const;
  void Return(std::unique_ptr<Reader> reader);

  const std::string path_;
  const sqlite::Access access_;
  const size_t max_idle_;
  std::atomic<uint64_t> commits_ = 0;
  std::atomic<bool> keeps_ = true;

  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Reader>> idle_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_READ_POOL_H_
