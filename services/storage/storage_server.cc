#include "services/storage/storage_server.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/time/clock.h"
#include "libs/log/log.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// How late a long poll, a lease's end or a checkpoint may be.
constexpr absl::Duration kTickInterval = absl::Milliseconds(100);
constexpr absl::Duration kPruneInterval = absl::Minutes(10);

Database::Options DatabaseOptions(const StorageOptions& options) {
  Database::Options database;
  database.durability = options.synchronous == "full"
                            ? sqlite::Durability::kFull
                            : sqlite::Durability::kNormal;
  database.committer.max_queued_writes = options.max_queued_writes;
  database.committer.max_queued_bytes = options.max_queued_write_bytes;
  // Far beyond what the checkpointer lets through in quiet times.
  database.committer.max_wal_bytes = 8 * options.checkpoint_bytes;
  database.max_idle_readers = options.threads;
  database.checkpoint_bytes = options.checkpoint_bytes;
  database.change_retention = options.change_retention;
  database.change_max_bytes = options.change_max_bytes;
  database.max_cascade_rows = options.max_cascade_rows;
  database.max_cache_bytes = options.cache_max_bytes;
  database.backfill_rate = options.backfill_rate;
  database.rollback_period = options.rollback_period;
  return database;
}

}  // namespace

absl::StatusOr<std::unique_ptr<StorageServer>> StorageServer::Create(
    StorageOptions options, prometheus::Registry& registry,
    const Clock& clock) {
  RETURN_IF_ERROR(options.Validate());
  ASSIGN_OR_RETURN(
      DataDirectoryLock lock,
      DataDirectoryLock::Acquire(options.data_dir, options.lock_wait));
  auto metrics = std::make_unique<StorageMetrics>(registry);
  ASSIGN_OR_RETURN(
      auto databases,
      DatabaseRegistry::Open(options.data_dir, DatabaseOptions(options), &clock,
                             metrics.get()));
  return absl::WrapUnique(new StorageServer(std::move(lock), options,
                                            std::move(metrics),
                                            std::move(databases), clock));
}

StorageServer::StorageServer(DataDirectoryLock lock,
                             const StorageOptions& options,
                             std::unique_ptr<StorageMetrics> metrics,
                             std::unique_ptr<DatabaseRegistry> databases,
                             const Clock& clock)
    : sweep_interval_(options.sweep_interval),
      lock_(std::move(lock)),
      metrics_(std::move(metrics)),
      databases_(std::move(databases)),
      pool_(options.threads, options.max_queued_calls),
      database_service_(databases_.get(), &pool_, &clock),
      catalog_service_(databases_.get(), &pool_, &clock),
      record_service_(databases_.get(), &pool_),
      cache_service_(databases_.get(), &pool_, &clock),
      vector_service_(databases_.get(), &pool_, &clock),
      feed_service_(databases_.get(), &pool_, &clock),
      job_service_(databases_.get(), &pool_, &clock),
      passage_service_(databases_.get(), &pool_) {}

StorageServer::~StorageServer() { Stop(); }

std::vector<grpc::Service*> StorageServer::services() {
  return {&database_service_, &catalog_service_, &record_service_,
          &cache_service_,    &vector_service_,  &feed_service_,
          &job_service_,      &passage_service_};
}

absl::Status StorageServer::Start() {
  regular_work_ = std::thread([this] { RunRegularWork(); });
  ready_ = true;
  log::Info("storage started", {{"databases", databases_->List().size()}});
  return absl::OkStatus();
}

void StorageServer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_) return;
    stopping_ = true;
  }
  ready_ = false;
  if (regular_work_.joinable()) regular_work_.join();
  databases_->Close();
}

void StorageServer::RunRegularWork() {
  absl::Time next_prune = absl::Now() + kPruneInterval;
  absl::Time next_sweep = absl::Now() + sweep_interval_;
  absl::MutexLock lock(&mutex_);
  while (!mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kTickInterval)) {
    mutex_.Unlock();
    RunOnce();
    if (absl::Now() >= next_prune) {
      databases_->Prune();
      next_prune = absl::Now() + kPruneInterval;
    }
    if (absl::Now() >= next_sweep) {
      databases_->Sweep();
      next_sweep = absl::Now() + sweep_interval_;
    }
    mutex_.Lock();
  }
}

}  // namespace engram::storage
