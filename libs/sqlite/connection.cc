#include "libs/sqlite/connection.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/sqlite/memory_budget.h"
#include "libs/sqlite/sqlite_error.h"
#include "libs/status/status_macros.h"

namespace engram::sqlite {
namespace {

// Statement texts that depend on a request's fields could grow without end.
constexpr size_t kMaxCachedStatements = 512;
// A longer text is hardly a form that many requests share.
constexpr size_t kMaxCachedBytes = 32 << 10;
// How long a statement waits for another process's lock.
constexpr int kBusyMilliseconds = 5000;
constexpr int kRestartTryMilliseconds = 50;

// Creates the file with its final mode: SQLite alone would use the umask, and
// gives the log and the shared memory the mode of the main file.
absl::Status CreateFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (file < 0) {
    return absl::UnavailableError(
        absl::StrCat("open ", path, ": ", strerror(errno)));
  }
  close(file);
  return absl::OkStatus();
}

// Settings of the library, before its first use.
void ConfigureOnce() {
  // Counting every allocation takes one lock that all connections share.
  static const int configured = [] {
    InstallMemoryBudgets();
    return sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  }();
  static_cast<void>(configured);
}

}  // namespace

Connection::Connection(sqlite3* db, std::string path)
    : db_(db), path_(std::move(path)) {}

Connection::~Connection() {
  for (const auto& [sql, entry] : cache_) sqlite3_finalize(entry.statement);
  sqlite3_close(db_);
}

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(
    const std::string& path, Access access, Durability durability) {
  ConfigureOnce();
  const bool reads = access == Access::kReadOnly || access == Access::kScan;
  if (!reads) RETURN_IF_ERROR(CreateFile(path));
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &db,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  // Owned from here on: SQLite hands out a handle even when opening fails.
  auto connection = absl::WrapUnique(new Connection(db, path));
  if (code != SQLITE_OK) {
    return ToStatus(code, db, absl::StrCat("open ", path));
  }
  RETURN_IF_ERROR(connection->Configure(access, durability));
  return connection;
}

absl::Status Connection::Configure(Access access, Durability durability) {
  // First, so that the pragmas after it wait for another process's lock too.
  sqlite3_busy_timeout(db_, kBusyMilliseconds);
  // A page holds a few records whole; must come before the first table.
  RETURN_IF_ERROR(Execute("PRAGMA page_size = 8192"));
  // Readers and the one writer never block each other.
  RETURN_IF_ERROR(SetPragma("journal_mode", "WAL", "wal"));
  // FULL syncs the log at each commit, which group commit makes cheap.
  RETURN_IF_ERROR(durability == Durability::kFull
                      ? SetPragma("synchronous", "FULL", "2")
                      : SetPragma("synchronous", "NORMAL", "1"));
  // A backstop under the writer's own code.
  RETURN_IF_ERROR(SetPragma("foreign_keys", "ON", "1"));
  // A mapped file turns a bad disk block into SIGBUS instead of an error.
  RETURN_IF_ERROR(SetPragma("mmap_size", "0", "0"));
  // Overwriting deleted content doubles the writes of a delete.
  RETURN_IF_ERROR(SetPragma("secure_delete", "OFF", "0"));
  // A checkpointer does it from another connection, off the writer's path.
  RETURN_IF_ERROR(SetPragma("wal_autocheckpoint", "0", "0"));
  // A file from a stranger cannot run functions from its schema.
  RETURN_IF_ERROR(SetPragma("trusted_schema", "OFF", "0"));
  // Finds a corrupt page when it is read, not when its damage has spread.
  RETURN_IF_ERROR(SetPragma("cell_size_check", "ON", "1"));
  // Sorting in memory is quick, but VACUUM of a large file in memory is a trap.
  RETURN_IF_ERROR(access == Access::kMaintenance
                      ? SetPragma("temp_store", "FILE", "1")
                      : SetPragma("temp_store", "MEMORY", "2"));
  // 16 MiB: the inner pages of a large file's indexes stay in memory. Pages
  // that are not used again are read 1.3 times as fast into memory that stays
  // in the processor's cache.
  RETURN_IF_ERROR(access == Access::kScan
                      ? SetPragma("cache_size", "-512", "-512")
                      : SetPragma("cache_size", "-16384", "-16384"));
  if (access == Access::kReadOnly || access == Access::kScan) {
    RETURN_IF_ERROR(SetPragma("query_only", "ON", "1"));
  }
  ASSIGN_OR_RETURN(page_size_, QueryInt("PRAGMA page_size"));
  sqlite3_wal_hook(
      db_,
      [](void* self, sqlite3*, const char*, int pages) {
        auto* connection = static_cast<Connection*>(self);
        // Each page in the log follows a header of 24 bytes.
        connection->wal_bytes_ = (connection->page_size_ + 24) * pages;
        return SQLITE_OK;
      },
      this);
  return absl::OkStatus();
}

absl::Status Connection::SetPragma(absl::string_view name,
                                   absl::string_view value,
                                   absl::string_view read_back) {
  RETURN_IF_ERROR(Execute(absl::StrCat("PRAGMA ", name, " = ", value)));
  ASSIGN_OR_RETURN(Statement statement, Prepare(absl::StrCat("PRAGMA ", name)));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  const absl::string_view actual = found ? statement.Text(0) : "";
  if (actual == read_back) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(path_, ": PRAGMA ", name, " reads \"",
                                          actual, "\" after it was set to ",
                                          value));
}

absl::Status Connection::Execute(absl::string_view sql) {
  const std::string text(sql);
  const int code = sqlite3_exec(db_, text.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : ToStatus(code, db_, sql);
}

absl::StatusOr<Statement> Connection::Prepare(absl::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(db_, sql.data(), sql.size(), 0, &statement, nullptr);
  if (code != SQLITE_OK) return ToStatus(code, db_, sql);
  return Statement(this, statement, /*cached=*/false);
}

absl::StatusOr<Statement> Connection::Cached(absl::string_view sql) {
  const auto found = cache_.find(sql);
  if (found != cache_.end() && found->second.statement != nullptr) {
    return Statement(this, std::exchange(found->second.statement, nullptr),
                     /*cached=*/true);
  }
  // In use further up the stack, or no text to keep.
  if (found != cache_.end() || sql.size() > kMaxCachedBytes) {
    return Prepare(sql);
  }
  sqlite3_stmt* statement = nullptr;
  const int code =
      sqlite3_prepare_v3(db_, sql.data(), sql.size(), SQLITE_PREPARE_PERSISTENT,
                         &statement, nullptr);
  if (code != SQLITE_OK) return ToStatus(code, db_, sql);
  while (cache_.size() >= kMaxCachedStatements) ForgetUnused();
  cache_.emplace(sql, CacheEntry());
  return Statement(this, statement, /*cached=*/true);
}

void Connection::ForgetUnused() {
  for (auto entry = cache_.begin(); entry != cache_.end();) {
    const auto at = entry++;
    // One in use is an entry no more; its end finalizes it.
    if (!std::exchange(at->second.used_lately, false)) {
      sqlite3_finalize(at->second.statement);
      cache_.erase(at);
    }
  }
}

void Connection::Return(sqlite3_stmt* statement) {
  sqlite3_reset(statement);
  // Bound bytes belong to the caller and may be gone by the next use.
  sqlite3_clear_bindings(statement);
  const auto found = cache_.find(absl::string_view(sqlite3_sql(statement)));
  if (found != cache_.end() && found->second.statement == nullptr) {
    found->second = {.statement = statement, .used_lately = true};
  } else {
    sqlite3_finalize(statement);
  }
}

absl::StatusOr<int64_t> Connection::QueryInt(absl::string_view sql) {
  ASSIGN_OR_RETURN(Statement statement, Cached(sql));
  ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return absl::InternalError(absl::StrCat(sql, ": no row"));
  return statement.Int(0);
}

int64_t Connection::last_insert_row() const {
  return sqlite3_last_insert_rowid(db_);
}

int64_t Connection::changes() const { return sqlite3_changes64(db_); }

bool Connection::in_transaction() const {
  return sqlite3_get_autocommit(db_) == 0;
}

int Connection::last_error() const { return sqlite3_extended_errcode(db_); }

absl::Status Connection::CheckpointPassive() {
  return Checkpoint(SQLITE_CHECKPOINT_PASSIVE);
}

absl::Status Connection::CheckpointRestart(absl::Duration wait) {
  // SQLite 3.40 waits for a place among the readers to be free of an old read
  // and does not look again which read holds it: reads that follow each other
  // without a gap can all take that place, though they are new and in nobody's
  // way. A new try sees that.
  const absl::Time end = absl::Now() + wait;
  sqlite3_busy_timeout(db_, kRestartTryMilliseconds);
  absl::Status restart = Checkpoint(SQLITE_CHECKPOINT_RESTART);
  while (absl::IsUnavailable(restart) && absl::Now() < end) {
    // A checkpoint that another connection runs is not waited for.
    absl::SleepFor(absl::Milliseconds(kRestartTryMilliseconds) / 10);
    restart = Checkpoint(SQLITE_CHECKPOINT_RESTART);
  }
  sqlite3_busy_timeout(db_, kBusyMilliseconds);
  return restart;
}

absl::Status Connection::CheckpointTruncate() {
  return Checkpoint(SQLITE_CHECKPOINT_TRUNCATE);
}

absl::Status Connection::Checkpoint(int mode) {
  const int code =
      sqlite3_wal_checkpoint_v2(db_, nullptr, mode, nullptr, nullptr);
  // Another checkpoint is under way and does the same.
  const bool is_done_for_us =
      mode == SQLITE_CHECKPOINT_PASSIVE && (code & 0xFF) == SQLITE_BUSY;
  if (code == SQLITE_OK || is_done_for_us) return absl::OkStatus();
  return ToStatus(code, db_, absl::StrCat("checkpoint ", path_));
}

}  // namespace engram::sqlite
