#ifndef ENGRAM_SERVICES_STORAGE_DATABASE_H_
#define ENGRAM_SERVICES_STORAGE_DATABASE_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/clock.h"
#include "libs/position/position.h"
#include "libs/sqlite/connection.h"
#include "services/storage/cache_state.h"
#include "services/storage/catalog.h"
#include "services/storage/change_retention.h"
#include "services/storage/embedding_outbox.h"
#include "services/storage/follower_table.h"
#include "services/storage/generation_upkeep.h"
#include "services/storage/group_committer.h"
#include "services/storage/job_signals.h"
#include "services/storage/read_pool.h"
#include "services/storage/storage_metrics.h"
#include "services/storage/touch_buffer.h"
#include "services/storage/wait_list.h"

namespace engram::storage {

// One state of a database's file, and the collections that it has there: what
// the catalog says may be a moment ahead of a read transaction, or behind it,
// while a schema is applied. Holds a reader until the end of the scope. Not
// thread-safe.
class ReadView {
 public:
  // Database::BeginRead makes it. `database`, its name, and `catalog` must
  // outlive it.
  ReadView(absl::string_view database, const Catalog* catalog,
           ReadPool::Lease reader)
      : database_(database), catalog_(catalog), reader_(std::move(reader)) {}

  sqlite::Connection& connection() const { return *reader_; }
  int64_t schema_version() const { return reader_.schema_version(); }

  // The collection as it is in this state; null if there is none.
  absl::StatusOr<CollectionPtr> FindByName(absl::string_view name);
  absl::StatusOr<CollectionPtr> FindById(int64_t id);
  // The same; `NotFound` as Catalog::Get.
  absl::StatusOr<CollectionPtr> Get(absl::string_view name);

 private:
  template <typename Find>
  absl::StatusOr<CollectionPtr> FindHere(Find find);

  const absl::string_view database_;
  const Catalog* const catalog_;
  ReadPool::Lease reader_;
  // The collections of this state where the catalog has others.
  std::unique_ptr<Catalog> own_;
};

// One database: a file with its writer, its readers, and those who wait for its
// changes. Thread-safe.
class Database {
 public:
  struct Options {
    sqlite::Durability durability = sqlite::Durability::kFull;
    GroupCommitter::Options committer;
    size_t max_idle_readers = 4;
    // From this size on the write-ahead log is checkpointed.
    int64_t checkpoint_bytes = int64_t{32} << 20;
    // How long a change stays in the log; longer if a follower needs it.
    absl::Duration change_retention = absl::Hours(24 * 7);
    // The most bytes of changes that stay in any case.
    int64_t change_max_bytes = int64_t{4} << 30;
    // The most records that one delete may take along.
    int64_t max_cascade_rows = 100'000;
    // The most bytes of keys and values in one cache.
    int64_t max_cache_bytes = int64_t{256} << 20;
    // The most records a second that backfills of generations look at.
    int backfill_rate = 2000;
    // How long a generation is kept after it stopped serving.
    absl::Duration rollback_period = absl::Hours(24 * 7);
    // Where backups go that are taken before a schema is applied; empty is
    // `backups` beside the file.
    std::string backup_directory;
  };

  // Opens the file at `path`, creating it where there is none, and brings its
  // tables up to date. `on_commit` is called after each commit, on the writer's
  // thread, with whether the outbox has new entries. What the pointers refer to
  // must outlive the database.
  static absl::StatusOr<std::unique_ptr<Database>> Open(
      std::string name, std::string path, int64_t created_us, Options options,
      const Clock* clock, StorageMetrics* metrics,
      absl::AnyInvocable<void(bool)> on_commit);

  // Closes.
  ~Database();

  const std::string& name() const { return name_; }
  int64_t created_us() const { return created_us_; }

  // The position of the newest change, or of change `sequence`.
  Position NewestPosition() const {
    return PositionAt(newest_sequence_.load());
  }
  Position PositionAt(int64_t sequence) const {
    return {name_, committer_->epoch(), sequence};
  }
  uint64_t epoch() const { return committer_->epoch(); }
  int64_t max_cascade_rows() const { return options_.max_cascade_rows; }
  int64_t max_cache_bytes() const { return options_.max_cache_bytes; }

  // The time for reads: never before what a write has seen.
  int64_t now_us() const {
    return std::max(absl::ToUnixMicros(clock_->Now()), committed_us_.load());
  }

  StorageMetrics& metrics() { return *metrics_; }

  const std::string& backup_directory() const {
    return options_.backup_directory;
  }

  // The size of the file, without the write-ahead log.
  int64_t SizeBytes() const;

  // Queues a write; see GroupCommitter. Touches that wait go with it.
  void Submit(Write write);

  // Notes that a record was read which wants to know of it. It is written with
  // the next commit, or by FlushTouches.
  void Touch(int64_t collection, int64_t row);
  // Queues the touches that wait for a second already.
  void FlushTouches();

  // In a transaction that sees the newest commit.
  absl::StatusOr<ReadPool::Lease> AcquireReader() { return readers_.Acquire(); }
  // The same for reads that use collections.
  absl::StatusOr<ReadView> BeginRead();
  // For those that read whole tables.
  absl::StatusOr<ReadView> BeginScan();

  Catalog& catalog() { return catalog_; }
  // Makes known what a commit on the writer's thread made of the schema.
  void PublishSchema(const std::vector<CollectionPtr>& collections,
                     int64_t schema_version);
  FollowerTable& followers() { return followers_; }
  EmbeddingOutbox& outbox() { return outbox_; }
  CacheState& caches() { return caches_; }
  // Notified after each commit that has changes.
  WaitList& commits() { return commits_; }
  JobSignals& jobs() { return jobs_; }

  // Has readers look for commits of other processes. Called regularly.
  void RenewReaders();

  // Moves the write-ahead log into the file if it is large. Called regularly,
  // by one thread.
  absl::Status CheckpointIfLarge();

  // Which changes may go now, if `oldest` is the oldest that there is.
  ChangeRetention RetentionNow(int64_t oldest) const;
  // Removes changes that may go (change_pruner.h), unless that is under way.
  void PruneChanges();
  // The same if the log is notably larger than it may be.
  void PruneChangesIfLarge();
  // The size of the log, images included.
  int64_t ChangeLogBytes() const { return log_bytes_ - pruned_bytes_; }
  // How many changes the slowest follower that is not cut off is behind; 0 if
  // there is none.
  int64_t FollowerLag() const;

  // Queues a sweep (sweeper.h) of all collections, unless one is under way.
  void SweepExpired();

  // Queues what is to be done about jobs (job_upkeep.h) whose time has come,
  // unless that is under way.
  void RunDueJobs();

  // Queues what is to be done about generations (generation_upkeep.h) whose
  // time has come, unless that is under way.
  void KeepGenerations();

  // How long a generation is kept after it stopped serving.
  absl::Duration rollback_period() const { return options_.rollback_period; }

  // Wakes those who wait, commits what is queued, moves the write-ahead log
  // into the file and closes it. Calls get `Unavailable` from then on.
  void Close();

 private:
  Database(std::string name, std::string path, int64_t created_us,
           Options options, const Clock* clock, StorageMetrics* metrics);

  void SubmitTouches();
  // How many records backfills may look at now.
  int TakeBackfillAllowance(int64_t now_us);
  void FinishGenerationWork(const absl::Status& status,
                            const GenerationWork& work);
  // Queues work on the schema that runs alone.
  void SubmitSchemaWork(absl::AnyInvocable<absl::Status(WriterAccess&)> work);
  absl::Status Load(sqlite::Connection& connection);
  void OnCommit(const GroupCommitter::Commit& commit);

  const std::string name_;
  const std::string path_;
  const int64_t created_us_;
  const Options options_;
  const Clock* const clock_;
  StorageMetrics* const metrics_;

  Catalog catalog_;
  EmbeddingOutbox outbox_;
  FollowerTable followers_;
  CacheState caches_;
  TouchBuffer touches_;
  WaitList commits_;
  JobSignals jobs_;
  ReadPool readers_;
  ReadPool scanners_;
  absl::AnyInvocable<void(bool)> on_commit_;
  std::atomic<int64_t> newest_sequence_ = 0;
  std::atomic<int64_t> committed_us_ = 0;
  std::atomic<int64_t> wal_bytes_ = 0;
  std::atomic<int64_t> outbox_pending_ = 0;
  // Texts that could not be embedded.
  std::atomic<int64_t> failures_ = 0;
  // Of the log through its newest and its oldest change.
  std::atomic<int64_t> log_bytes_ = 0;
  std::atomic<int64_t> pruned_bytes_ = 0;
  // The oldest change when it was last looked at.
  std::atomic<int64_t> oldest_sequence_ = 1;
  std::atomic<bool> pruning_ = false;
  std::atomic<bool> sweeping_ = false;
  std::atomic<bool> running_due_jobs_ = false;
  std::atomic<bool> keeping_generations_ = false;
  // When generations are to be looked after next.
  std::atomic<int64_t> generation_work_us_ = 0;
  // Used by whoever has set `keeping_generations_`: how many records backfills
  // may look at, and when that was reckoned.
  double backfill_allowance_ = 0;
  int64_t backfill_allowance_us_ = 0;
  absl::Mutex close_mutex_;
  bool closed_ ABSL_GUARDED_BY(close_mutex_) = false;
  // For checkpoints.
  std::unique_ptr<sqlite::Connection> checkpointer_
      ABSL_GUARDED_BY(close_mutex_);
  // Last, so that its thread ends before what it uses.
  std::unique_ptr<GroupCommitter> committer_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_DATABASE_H_
