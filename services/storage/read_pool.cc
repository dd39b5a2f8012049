#include "services/storage/read_pool.h"

#include "libs/status/status_macros.h"
#include "services/storage/catalog.h"

namespace engram::storage {

ReadPool::Lease::~Lease() {
  if (reader_ != nullptr) pool_->Return(std::move(reader_));
}

absl::StatusOr<ReadPool::Lease> ReadPool::Acquire() {
  std::unique_ptr<Reader> reader;
  {
    absl::MutexLock lock(&mutex_);
    if (closed_) return absl::UnavailableError("the database is closing");
    if (!idle_.empty()) {
      // The one used last: its pages are the warmest.
      reader = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (reader == nullptr) {
    reader = std::make_unique<Reader>();
    ASSIGN_OR_RETURN(reader->connection,
                     sqlite::Connection::Open(path_, access_));
  }
  if (!IsNew(*reader)) RETURN_IF_ERROR(Begin(*reader));
  return Lease(this, std::move(reader));
}

bool ReadPool::IsNew(const Reader& reader) const {
  // An error may have ended it.
  return reader.commits == commits_ && reader.transaction.has_value() &&
         reader.connection->in_transaction();
}

absl::Status ReadPool::Begin(Reader& reader) const {
  reader.transaction.reset();
  // Before the transaction sees anything, so that it is never taken for newer
  // than it is.
  reader.commits = commits_;
  ASSIGN_OR_RETURN(sqlite::Transaction transaction,
                   sqlite::Transaction::Begin(
                       *reader.connection, sqlite::Transaction::Kind::kRead));
  ASSIGN_OR_RETURN(reader.schema_version,
                   ReadSchemaVersion(*reader.connection));
  reader.transaction.emplace(std::move(transaction));
  return absl::OkStatus();
}

void ReadPool::NoteCommit() {
  ++commits_;
  absl::MutexLock lock(&mutex_);
  for (const auto& reader : idle_) reader->transaction.reset();
}

void ReadPool::Return(std::unique_ptr<Reader> reader) {
  absl::MutexLock lock(&mutex_);
  if (closed_ || idle_.size() >= max_idle_) return;
  if (!keeps_ || !IsNew(*reader)) reader->transaction.reset();
  idle_.push_back(std::move(reader));
}

void ReadPool::Close() {
  std::vector<std::unique_ptr<Reader>> idle;
  absl::MutexLock lock(&mutex_);
  closed_ = true;
  idle.swap(idle_);
}

}  // namespace engram::storage
