#include "services/storage/read_pool.h"

#include <utility>

#include "libs/status/status_macros.h"

namespace engram::storage {

ReadPool::Lease::~Lease() {
  if (connection_ != nullptr) pool_->Return(std::move(connection_));
}

absl::StatusOr<ReadPool::Lease> ReadPool::Acquire() {
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return absl::UnavailableError("the database is closing");
    if (!idle_.empty()) {
      // The one used last: its pages are the warmest.
      Lease lease(this, std::move(idle_.back()));
      idle_.pop_back();
      return lease;
    }
  }
  ASSIGN_OR_RETURN(auto connection, sqlite::Connection::Open(path_, access_));
  return Lease(this, std::move(connection));
}

void ReadPool::Return(std::unique_ptr<sqlite::Connection> connection) {
  absl::MutexLock lock(&mutex_);
  if (!closed_ && idle_.size() < max_idle_) {
    idle_.push_back(std::move(connection));
  }
}

void ReadPool::Close() {
  std::vector<std::unique_ptr<sqlite::Connection>> idle;
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  idle.swap(idle_);
}

}  // namespace engram::storage
