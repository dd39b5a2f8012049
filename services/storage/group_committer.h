#ifndef ENGRAM_SERVICES_STORAGE_GROUP_COMMITTER_H_
#define ENGRAM_SERVICES_STORAGE_GROUP_COMMITTER_H_

#include <cstddef>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/clock/clock.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/transaction.h"
#include "services/storage/change_log.h"
#include "services/storage/storage_metrics.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// What work that runs alone gets: the writer's connection, with no transaction
// open. Used on the writer's thread.
struct WriterAccess {
  sqlite::Connection& connection;
  // Where changes are appended to, within a transaction of the work's own.
  ChangeLog& log;
  // The time of everything in it; never before an earlier write's.
  int64_t now_us = 0;
  // The file's schema (Collection::schema_version): the work sets the new one.
  int64_t schema_version = 0;
  // What it did.
  WriteEffects effects;
  // SQLite's extended code after a Commit that failed, or of what else leaves
  // the connection unfit for writes.
  int commit_error = 0;

  // Ends the work's transaction: its last act that may fail.
  absl::Status Commit(sqlite::Transaction& transaction);
};

// One write, all or nothing.
struct Write {
  // Does the work. May be called again after a failure that was not its own, so
  // it must not use up what it holds. Runs on the writer's thread.
  absl::AnyInvocable<absl::Status(WriteTransaction&)> run;
  // Instead of `run`: work that needs the connection for itself, such as the
  // apply of a schema. It begins and commits its own transaction; after an
  // error the file is as it was. Called once; the writes behind it wait.
  absl::AnyInvocable<absl::Status(WriterAccess&)> run_alone;
  // Gets OK once the work is on disk, else the error, and nothing of the work
  // is kept. Called exactly once, by any thread; must be short.
  absl::AnyInvocable<void(absl::Status)> done;
  // How much it is, for the bounds of queue and group.
  size_t rows = 1;
  size_t bytes = 0;
  // It is not begun after this time.
  absl::Time deadline = absl::InfiniteFuture();
};

// Turns many writes into few commits: one thread and one connection take what
// is queued, run each write in a savepoint of its own, and commit them together
// with one sync.
//
// A write that fails harms no other. Where an error ends the whole transaction,
// or the commit fails and nothing of it is on disk, its writes are run again
// one by one. Where it is unknown what is on disk (a failed sync), those writes
// and all later ones get `Unavailable`, reason `DURABILITY_UNKNOWN`, until the
// file is opened again.
//
// Thread-safe.
class GroupCommitter {
 public:
  struct Options {
    // A group takes at least one write and ends before these.
    size_t max_group_rows = 512;
    size_t max_group_bytes = size_t{4} << 20;
    // What may wait; a write beyond it gets `ResourceExhausted`.
    size_t max_queued_writes = 4096;
    size_t max_queued_bytes = size_t{64} << 20;
    // Where a write-ahead log is beyond this, the writes wait until the writer
    // itself has moved it into the file and no reader needs it: a log is begun
    // anew only at a moment when it is all moved and all readers are past it,
    // which may never come by itself beside writes and reads that do not pause.
    int64_t max_wal_bytes = int64_t{256} << 20;
    absl::Duration max_restart_wait = absl::Seconds(5);
  };

  // What the newest commit left.
  struct Commit {
    LogHead head;
    WriteEffects effects;
    int64_t wal_bytes = 0;
  };
  // Called after each commit, before its writes' `done`.
  using OnCommit = absl::AnyInvocable<void(const Commit&)>;

  // Starts the thread. `connection` is this object's alone from now on; clock
  // and metrics must outlive it.
  static absl::StatusOr<std::unique_ptr<GroupCommitter>> Create(
      std::unique_ptr<sqlite::Connection> connection, Options options,
      const Clock* clock, StorageMetrics* metrics, OnCommit on_commit);

  // Stops.
  ~GroupCommitter();

  // Queues `write`. Its `done` says what came of it, at once if the queue is
  // full or the committer stopped.
  void Submit(Write write);

  // Commits what is queued, refuses what comes later, and ends the thread.
  void Stop();

  // The log's epoch and, at the start, its head.
  uint64_t epoch() const { return epoch_; }
  const LogHead& first_head() const { return first_head_; }

  // The writer's connection, for the time between Stop and Disconnect.
  sqlite::Connection& connection() { return *connection_; }
  // Closes the connection. After Stop; Submit may still be called.
  void Disconnect() { connection_.reset(); }

 private:
  using Group = std::vector<Write>;

  GroupCommitter(std::unique_ptr<sqlite::Connection> connection, ChangeLog log,
                 int64_t schema_version, Options options, const Clock* clock,
                 StorageMetrics* metrics, OnCommit on_commit);

  void Run();
  Group TakeGroup();
  void CommitGroup(Group group);
  // Runs work that takes no part in a group.
  absl::Status RunAlone(Write& write);
  // Notes if a commit's error leaves it unknown what is on the disk.
  void NoteIfBroken(const absl::Status& commit, int error);
  void RestartLogIfLarge();
  // Runs `writes` in one transaction. OK if it was committed: `results` then
  // says what came of each. Else nothing of them is kept.
  absl::Status TryCommit(absl::Span<Write> writes,
                         absl::Span<absl::Status> results);
  absl::Status RunInSavepoint(Write& write, int64_t now_us,
                              WriteEffects& effects);
  absl::Status RunAll(absl::Span<Write> writes,
                      absl::Span<absl::Status> results, WriteEffects& effects);
  void Publish(const WriteEffects& effects, size_t writes,
               absl::Duration duration);

  std::unique_ptr<sqlite::Connection> connection_;
  const Options options_;
  const Clock* const clock_;
  StorageMetrics* const metrics_;
  const uint64_t epoch_;
  const LogHead first_head_;

  // The thread's own.
  OnCommit on_commit_;
  ChangeLog log_;
  int64_t schema_version_ = 0;
  // Not OK once durability is unknown.
  absl::Status broken_;
  // The size of the write-ahead log at which the writes wait for readers.
  int64_t restart_bytes_;
  // What the metric holds of this database's log.
  int64_t exported_wal_bytes_ = 0;

  absl::Mutex mutex_;
  std::deque<Write> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GROUP_COMMITTER_H_
