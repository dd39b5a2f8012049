#include "services/storage/group_committer.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/log/log.h"
#include "libs/sqlite/sqlite_error.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/catalog.h"

namespace engram::storage {
namespace {

absl::Status QueueFull() {
  return WithRetryDelay(
      MakeError(absl::StatusCode::kResourceExhausted,
                common::v1::ERROR_REASON_OVERLOADED,
                "the database's write queue is full; retry after the delay"),
      absl::Milliseconds(100));
}

absl::Status DurabilityUnknown(const absl::Status& cause) {
  return MakeError(
      absl::StatusCode::kUnavailable,
      common::v1::ERROR_REASON_DURABILITY_UNKNOWN,
      absl::StrCat("the disk failed while writes were synced, so it is unknown "
                   "what it holds; restart storage: ",
                   cause.message()));
}

}  // namespace

absl::Status WriterAccess::Commit(sqlite::Transaction& transaction) {
  const absl::Status committed = transaction.Commit();
  if (!committed.ok()) commit_error = connection.last_error();
  return committed;
}

absl::StatusOr<std::unique_ptr<GroupCommitter>> GroupCommitter::Create(
    std::unique_ptr<sqlite::Connection> connection, Options options,
    const Clock* clock, StorageMetrics* metrics, OnCommit on_commit) {
  ASSIGN_OR_RETURN(ChangeLog log, ChangeLog::Open(*connection));
  ASSIGN_OR_RETURN(const int64_t schema_version,
                   ReadSchemaVersion(*connection));
  auto committer = absl::WrapUnique(
      new GroupCommitter(std::move(connection), std::move(log), schema_version,
                         options, clock, metrics, std::move(on_commit)));
  committer->thread_ =
      std::thread([committer = committer.get()] { committer->Run(); });
  return committer;
}

GroupCommitter::GroupCommitter(std::unique_ptr<sqlite::Connection> connection,
                               ChangeLog log, int64_t schema_version,
                               Options options, const Clock* clock,
                               StorageMetrics* metrics, OnCommit on_commit)
    : connection_(std::move(connection)),
      options_(options),
      clock_(clock),
      metrics_(metrics),
      epoch_(log.epoch()),
      first_head_(log.head()),
      on_commit_(std::move(on_commit)),
      log_(std::move(log)),
      schema_version_(schema_version),
      restart_bytes_(options.max_wal_bytes) {}

GroupCommitter::~GroupCommitter() { Stop(); }

void GroupCommitter::Submit(Write write) {
  absl::Status refused;
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) {
      refused = absl::UnavailableError("the database is closing");
    } else if (queue_.size() >= options_.max_queued_writes ||
               (!queue_.empty() &&
                queued_bytes_ + write.bytes > options_.max_queued_bytes)) {
      refused = QueueFull();
    } else {
      queued_bytes_ += write.bytes;
      queue_.push_back(std::move(write));
      return;
    }
  }
  write.done(refused);
}

void GroupCommitter::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  thread_.join();
  metrics_->wal_bytes.Decrement(static_cast<double>(exported_wal_bytes_));
}

void GroupCommitter::Run() {
  while (true) {
    Group group = TakeGroup();
    if (group.empty()) return;
    CommitGroup(std::move(group));
  }
}

GroupCommitter::Group GroupCommitter::TakeGroup() {
  Group group;
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](GroupCommitter* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex_) {
        return self->stopping_ || !self->queue_.empty();
      },
      this));
  size_t rows = 0;
  size_t bytes = 0;
  while (!queue_.empty()) {
    const Write& next = queue_.front();
    const bool is_alone = next.run_alone != nullptr;
    if (!group.empty() &&
        (is_alone || rows + next.rows > options_.max_group_rows ||
         bytes + next.bytes > options_.max_group_bytes)) {
      break;
    }
    rows += next.rows;
    bytes += next.bytes;
    queued_bytes_ -= next.bytes;
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
    if (is_alone) break;
  }
  return group;
}

void GroupCommitter::CommitGroup(Group group) {
  if (group[0].run_alone != nullptr) {
    group[0].done(RunAlone(group[0]));
    return RestartLogIfLarge();
  }
  std::vector<absl::Status> results(group.size());
  const absl::Status status =
      TryCommit(absl::MakeSpan(group), absl::MakeSpan(results));
  if (!status.ok() && group.size() == 1) results[0] = status;
  if (!status.ok() && group.size() > 1) {
    // One write's failure, a full disk for instance, must not fail the others.
    for (size_t i = 0; i < group.size(); ++i) {
      const absl::Status alone = TryCommit(absl::MakeSpan(&group[i], 1),
                                           absl::MakeSpan(&results[i], 1));
      if (!alone.ok()) results[i] = alone;
    }
  }
  for (size_t i = 0; i < group.size(); ++i) group[i].done(results[i]);
  RestartLogIfLarge();
}

void GroupCommitter::RestartLogIfLarge() {
  if (connection_->wal_bytes() <= restart_bytes_) return;
  const absl::Status restart =
      connection_->CheckpointRestart(options_.max_restart_wait);
  if (restart.ok()) {
    restart_bytes_ = options_.max_wal_bytes;
    return;
  }
  // A read that outlasts the wait, a backup for instance, must not hold up
  // every write: each time the log may become twice as large.
  restart_bytes_ = 2 * connection_->wal_bytes();
  log::Warning("a long read keeps the write-ahead log from being begun anew",
               {{"path", connection_->path()},
                {"wal_bytes", connection_->wal_bytes()},
                {"error", restart}});
}

absl::Status GroupCommitter::RunAlone(Write& write) {
  RETURN_IF_ERROR(broken_);
  if (write.deadline < absl::Now()) {
    return absl::DeadlineExceededError("waited too long in the queue");
  }
  const absl::Time start = absl::Now();
  const LogHead head = log_.head();
  WriterAccess access = {
      .connection = *connection_,
      .log = log_,
      .now_us = std::max(absl::ToUnixMicros(clock_->Now()), head.committed_us),
      .schema_version = schema_version_};
  const absl::Status status = write.run_alone(access);
  NoteIfBroken(status, access.commit_error);
  if (!status.ok()) {
    log_.Rewind(head);
    return broken_.ok() ? status : broken_;
  }
  schema_version_ = access.schema_version;
  Publish(access.effects, 1, absl::Now() - start);
  return absl::OkStatus();
}

void GroupCommitter::NoteIfBroken(const absl::Status& commit, int error) {
  if (!sqlite::LeavesDurabilityUnknown(error)) return;
  broken_ = DurabilityUnknown(commit);
  log::Error("durability unknown, refusing writes",
             {{"path", connection_->path()}, {"error", commit}});
}

absl::Status GroupCommitter::TryCommit(absl::Span<Write> writes,
                                       absl::Span<absl::Status> results) {
  RETURN_IF_ERROR(broken_);
  const absl::Time start = absl::Now();
  const LogHead head = log_.head();
  WriteEffects effects;
  const absl::Status status = RunAll(writes, results, effects);
  if (!status.ok()) {
    log_.Rewind(head);
    return broken_.ok() ? status : broken_;
  }
  Publish(effects, writes.size(), absl::Now() - start);
  return absl::OkStatus();
}

absl::Status GroupCommitter::RunAll(absl::Span<Write> writes,
                                    absl::Span<absl::Status> results,
                                    WriteEffects& effects) {
  ASSIGN_OR_RETURN(sqlite::Transaction transaction,
                   sqlite::Transaction::Begin(
                       *connection_, sqlite::Transaction::Kind::kWrite));
  const int64_t now_us =
      std::max(absl::ToUnixMicros(clock_->Now()), log_.head().committed_us);
  for (size_t i = 0; i < writes.size(); ++i) {
    if (writes[i].deadline < absl::Now()) {
      results[i] = absl::DeadlineExceededError("waited too long in the queue");
      continue;
    }
    results[i] = RunInSavepoint(writes[i], now_us, effects);
    // SQLite gave the whole transaction up, for want of disk or memory.
    if (!connection_->in_transaction()) return results[i];
  }
  const absl::Status committed = transaction.Commit();
  if (!committed.ok()) NoteIfBroken(committed, connection_->last_error());
  return committed;
}

absl::Status GroupCommitter::RunInSavepoint(Write& write, int64_t now_us,
                                            WriteEffects& effects) {
  const LogHead head = log_.head();
  absl::Status status;
  WriteTransaction transaction(*connection_, log_, now_us, schema_version_);
  {
    ASSIGN_OR_RETURN(sqlite::Savepoint savepoint,
                     sqlite::Savepoint::Begin(*connection_));
    status = write.run(transaction);
    if (status.ok()) status = transaction.Finish();
    if (status.ok()) status = savepoint.Release();
  }
  if (status.ok()) {
    effects.Add(transaction.effects());
  } else {
    log_.Rewind(head);
  }
  return status;
}

void GroupCommitter::Publish(const WriteEffects& effects, size_t writes,
                             absl::Duration duration) {
  metrics_->commits.Increment();
  metrics_->commit_batches.Observe(static_cast<double>(writes));
  metrics_->commit_seconds.Observe(absl::ToDoubleSeconds(duration));
  metrics_->records_written.Increment(
      static_cast<double>(effects.records_written));
  metrics_->vectors_stored.Increment(
      static_cast<double>(effects.vectors_stored));
  metrics_->outbox_pending.Increment(
      static_cast<double>(effects.outbox_growth));
  metrics_->embedding_failures.Increment(
      static_cast<double>(effects.failures_growth));
  const int64_t wal_bytes = connection_->wal_bytes();
  metrics_->wal_bytes.Increment(
      static_cast<double>(wal_bytes - exported_wal_bytes_));
  exported_wal_bytes_ = wal_bytes;
  on_commit_({.head = log_.head(), .effects = effects, .wal_bytes = wal_bytes});
}

}  // namespace engram::storage
