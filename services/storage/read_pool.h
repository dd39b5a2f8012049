#ifndef ENGRAM_SERVICES_STORAGE_READ_POOL_H_
#define ENGRAM_SERVICES_STORAGE_READ_POOL_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/sqlite/connection.h"

namespace engram::storage {

// A database's connections for reading. Thread-safe.
class ReadPool {
 public:
  // A connection, in use until the end of the scope.
  class Lease {
   public:
    Lease(ReadPool* pool, std::unique_ptr<sqlite::Connection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();

    sqlite::Connection& operator*() const { return *connection_; }
    sqlite::Connection* operator->() const { return connection_.get(); }

   private:
    ReadPool* pool_;
    std::unique_ptr<sqlite::Connection> connection_;
  };

  // Keeps at most `max_idle` connections open between uses. As many are in use
  // at once as threads call.
  ReadPool(std::string path, sqlite::Access access, size_t max_idle)
      : path_(std::move(path)), access_(access), max_idle_(max_idle) {}

  // Opens a connection if none is idle. `Unavailable` after Close.
  absl::StatusOr<Lease> Acquire();

  // Closes the idle connections, and those in use when they come back.
  void Close();

 private:
  void Return(std::unique_ptr<sqlite::Connection> connection);

  const std::string path_;
  const sqlite::Access access_;
  const size_t max_idle_;

  absl::Mutex mutex_;
  std::vector<std::unique_ptr<sqlite::Connection>> idle_
      ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_READ_POOL_H_
