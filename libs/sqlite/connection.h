#ifndef ENGRAM_LIBS_SQLITE_CONNECTION_H_
#define ENGRAM_LIBS_SQLITE_CONNECTION_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/sqlite/statement.h"

namespace engram::sqlite {

// What a connection is for.
enum class Access {
  // Queries only. The file is still opened for writing: a reader of a
  // write-ahead log must be able to build its shared-memory index.
  kReadOnly,
  // The same for reads of whole tables: each page is looked at once.
  kScan,
  // Reads and writes; creates the file, mode 0600, where there is none.
  kReadWrite,
  // The same for work such as VACUUM whose temporary data may not fit memory.
  kMaintenance,
};

// What synchronous means for a commit.
enum class Durability {
  // A commit that returned survives a power loss.
  kFull,
  // A commit that returned survives a crash of the process; a power loss may
  // take the newest ones. Consistent in any case.
  kNormal,
};

// One connection to one SQLite file, configured as Engram needs it.
//
// Not thread-safe: one thread at a time.
class Connection {
 public:
  // Opens `path` and sets every pragma, reading each back; see connection.cc
  // for the list with its reasons. `DataLoss` if the file is no database.
  static absl::StatusOr<std::unique_ptr<Connection>> Open(
      const std::string& path, Access access,
      Durability durability = Durability::kFull);

  // Its statements must have been destroyed.
  ~Connection();

  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs statements, separated by semicolons, that return no rows of interest.
  absl::Status Execute(absl::string_view sql);

  // Compiles one statement.
  absl::StatusOr<Statement> Prepare(absl::string_view sql);

  // Returns a compiled statement, from the cache if this text was prepared
  // here before. Destroying it resets it and keeps it for the next caller. The
  // cache is bounded: a full one forgets what was not used lately, and a very
  // long text is compiled as by Prepare.
  absl::StatusOr<Statement> Cached(absl::string_view sql);

  // Returns the first column of the first row of `sql`; `Internal` if there is
  // no row.
  absl::StatusOr<int64_t> QueryInt(absl::string_view sql);

  int64_t last_insert_row() const;
  // Rows that the newest INSERT, UPDATE or DELETE changed.
  int64_t changes() const;
  // Whether a transaction is open. SQLite ends one by itself on some errors.
  bool in_transaction() const;
  // The extended code of the newest error.
  int last_error() const;

  // The size of the write-ahead log in bytes after this connection's newest
  // commit; 0 before the first.
  int64_t wal_bytes() const { return wal_bytes_; }

  // Moves pages from the write-ahead log into the file, as many as readers and
  // writers that are busy now allow. Never waits for them.
  absl::Status CheckpointPassive();
  // Moves all of them and waits, for some `wait`, until no reader needs the
  // log: the next commit begins it anew. `Unavailable` if others are busy for
  // longer.
  absl::Status CheckpointRestart(absl::Duration wait);
  // Moves all of them and empties the log. `Unavailable` if others are busy.
  absl::Status CheckpointTruncate();

  const std::string& path() const { return path_; }
  sqlite3* handle() const { return db_; }

 private:
  friend class Statement;

  Connection(sqlite3* db, std::string path);

  absl::Status Configure(Access access, Durability durability);
  absl::Status SetPragma(absl::string_view name, absl::string_view value,
                         absl::string_view read_back);
  absl::Status Checkpoint(int mode);
  // Drops what was not used since the last time.
  void ForgetUnused();
  void Return(sqlite3_stmt* statement);

  sqlite3* const db_;
  const std::string path_;
  int64_t page_size_ = 0;
  int64_t wal_bytes_ = 0;
  struct CacheEntry {
    // Null while it is in use.
    sqlite3_stmt* statement = nullptr;
    bool used_lately = true;
  };
  // By text.
  absl::flat_hash_map<std::string, CacheEntry> cache_;
};

}  // namespace engram::sqlite

#endif  // ENGRAM_LIBS_SQLITE_CONNECTION_H_
