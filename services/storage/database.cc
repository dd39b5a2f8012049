#include "services/storage/database.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "libs/log/log.h"
#include "libs/sqlite/migrator.h"
#include "libs/status/status_macros.h"
#include "services/storage/change_pruner.h"
#include "services/storage/generation_switch.h"
#include "services/storage/job_upkeep.h"
#include "services/storage/migrations/migrations.h"
#include "services/storage/sweeper.h"
#include "services/storage/version.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kCountOutbox = "SELECT count(*) FROM _outbox";
constexpr absl::string_view kCountFailures = "SELECT count(*) FROM _failures";

// How long a touch may wait for a commit to go with.
constexpr int64_t kTouchPatienceUs = 1'000'000;

// How long generations are left alone after an error.
constexpr int64_t kGenerationRetryUs = 1'000'000;
// Touched records that one write takes.
constexpr size_t kTouchesAWrite = 1000;
// As many as one snapshot reads by.
constexpr size_t kMaxIdleScanners = 3;

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(
    std::string name, std::string path, int64_t created_us, Options options,
    const Clock* clock, StorageMetrics* metrics,
    absl::AnyInvocable<void(bool)> on_commit) {
  if (options.backup_directory.empty()) {
    options.backup_directory =
        (std::filesystem::path(path).parent_path() / "backups").string();
  }
  ASSIGN_OR_RETURN(auto connection,
                   sqlite::Connection::Open(path, sqlite::Access::kReadWrite,
                                            options.durability));
  RETURN_IF_ERROR(
      sqlite::Migrate(*connection, DatabaseMigrations(), kWrittenBy));
  auto database = absl::WrapUnique(
      new Database(std::move(name), path, created_us, options, clock, metrics));
  RETURN_IF_ERROR(database->Load(*connection));
  {
    absl::MutexLock lock(&database->close_mutex_);
    ASSIGN_OR_RETURN(database->checkpointer_,
                     sqlite::Connection::Open(path, sqlite::Access::kReadWrite,
                                              options.durability));
  }
  database->on_commit_ = std::move(on_commit);
  ASSIGN_OR_RETURN(
      database->committer_,
      GroupCommitter::Create(
          std::move(connection), options.committer, clock, metrics,
          [database = database.get()](const GroupCommitter::Commit& commit) {
            database->OnCommit(commit);
          }));
  database->newest_sequence_ = database->committer_->first_head().sequence;
  database->committed_us_ = database->committer_->first_head().committed_us;
  database->log_bytes_ = database->committer_->first_head().bytes_through;
  return database;
}

Database::Database(std::string name, std::string path, int64_t created_us,
                   Options options, const Clock* clock, StorageMetrics* metrics)
    : name_(std::move(name)),
      path_(path),
      created_us_(created_us),
      options_(options),
      clock_(clock),
      metrics_(metrics),
      outbox_(name_, &catalog_, &readers_),
      caches_(clock),
      jobs_(metrics),
      readers_(path, sqlite::Access::kReadOnly, options.max_idle_readers),
      scanners_(std::move(path), sqlite::Access::kScan, kMaxIdleScanners) {}

Database::~Database() { Close(); }

absl::Status Database::Load(sqlite::Connection& connection) {
  ASSIGN_OR_RETURN(sqlite::Transaction transaction,
                   sqlite::Transaction::Begin(
                       connection, sqlite::Transaction::Kind::kWrite));
  RETURN_IF_ERROR(NumberFields(connection, absl::ToUnixMicros(clock_->Now())));
  RETURN_IF_ERROR(transaction.Commit());
  ASSIGN_OR_RETURN(const auto collections, ReadCollections(connection));
  ASSIGN_OR_RETURN(const int64_t version, ReadSchemaVersion(connection));
  catalog_.Publish(collections, version);
  ASSIGN_OR_RETURN(const int64_t pending, connection.QueryInt(kCountOutbox));
  outbox_pending_ = pending;
  ASSIGN_OR_RETURN(const int64_t failures, connection.QueryInt(kCountFailures));
  failures_ = failures;
  RETURN_IF_ERROR(followers_.Load(connection));
  ASSIGN_OR_RETURN(const int64_t oldest_bytes, ReadOldestBytes(connection));
  pruned_bytes_ = oldest_bytes;
  ASSIGN_OR_RETURN(const int64_t oldest, ReadOldestSequence(connection));
  oldest_sequence_ = oldest;
  metrics_->outbox_pending.Increment(static_cast<double>(pending));
  metrics_->embedding_failures.Increment(static_cast<double>(failures));
  ASSIGN_OR_RETURN(const JobEffects jobs, ReadJobEffects(connection));
  jobs_.Note(jobs);
  return absl::OkStatus();
}

absl::StatusOr<ReadView> Database::BeginRead() {
  ASSIGN_OR_RETURN(ReadPool::Lease reader, readers_.Acquire());
  return ReadView(name_, &catalog_, std::move(reader));
}

absl::StatusOr<ReadView> Database::BeginScan() {
  ASSIGN_OR_RETURN(ReadPool::Lease reader, scanners_.Acquire());
  return ReadView(name_, &catalog_, std::move(reader));
}

template <typename Find>
absl::StatusOr<CollectionPtr> ReadView::FindHere(Find find) {
  if (own_ == nullptr) {
    CollectionPtr found = find(*catalog_);
    const bool is_of_this_state =
        found == nullptr ? catalog_->schema_version() == schema_version()
                         : found->schema_version == schema_version();
    if (is_of_this_state) return found;
    // A schema was applied a moment ago: the catalog does not have it yet, or
    // this transaction began before it.
    ASSIGN_OR_RETURN(const auto collections, ReadCollections(*reader_));
    own_ = std::make_unique<Catalog>();
    own_->Publish(collections, schema_version());
  }
  return find(*own_);
}

absl::StatusOr<CollectionPtr> ReadView::FindByName(absl::string_view name) {
  return FindHere([&](const Catalog& catalog) { return catalog.Find(name); });
}

absl::StatusOr<CollectionPtr> ReadView::FindById(int64_t id) {
  return FindHere([&](const Catalog& catalog) { return catalog.FindById(id); });
}

absl::StatusOr<CollectionPtr> ReadView::Get(absl::string_view name) {
  ASSIGN_OR_RETURN(CollectionPtr found, FindByName(name));
  if (found != nullptr) return found;
  return CollectionUnknown(database_, name);
}

int64_t Database::SizeBytes() const {
  struct stat file;
  return stat(path_.c_str(), &file) == 0 ? file.st_size : 0;
}

void Database::OnCommit(const GroupCommitter::Commit& commit) {
  // A large log is to be moved and begun anew, with no reader in the way.
  const bool is_large = commit.wal_bytes >= options_.checkpoint_bytes;
  readers_.set_keeps(!is_large);
  scanners_.set_keeps(!is_large);
  // Before anybody is told of the commit, who must then see it.
  RenewReaders();
  const bool has_changes = commit.head.sequence != newest_sequence_;
  newest_sequence_ = commit.head.sequence;
  committed_us_ = commit.head.committed_us;
  log_bytes_ = commit.head.bytes_through;
  wal_bytes_ = commit.wal_bytes;
  outbox_pending_ += commit.effects.outbox_growth;
  failures_ += commit.effects.failures_growth;
  if (commit.effects.has_new_entries) outbox_.NoteNewEntries();
  caches_.sizes().NoteCommit(commit.head.sequence, commit.effects.cache_bytes);
  jobs_.Note(commit.effects.jobs);
  // Work on jobs, which has no changes, would wake followers for nothing.
  if (has_changes) commits_.Notify();
  if (has_changes || commit.effects.has_new_entries) {
    on_commit_(commit.effects.has_new_entries);
  }
}

void Database::Submit(Write write) {
  committer_->Submit(std::move(write));
  if (!touches_.empty()) SubmitTouches();
}

void Database::Touch(int64_t collection, int64_t row) {
  const bool kept = touches_.Add(
      {.collection = collection, .row = row, .count = 1, .last_us = now_us()});
  if (!kept) metrics_->touches_dropped.Increment();
}

void Database::FlushTouches() {
  if (touches_.HasWaitedSince(now_us() - kTouchPatienceUs)) SubmitTouches();
}

void Database::SubmitTouches() {
  const std::vector<storage::Touch> taken = touches_.Take();
  for (size_t begin = 0; begin < taken.size(); begin += kTouchesAWrite) {
    const auto end =
        taken.begin() + std::min(taken.size(), begin + kTouchesAWrite);
    struct Part {
      std::vector<storage::Touch> touches;
      std::vector<storage::Touch> rest;
    };
    const auto part = std::make_shared<Part>();
    part->touches.assign(taken.begin() + begin, end);
    committer_->Submit({.run =
                            [this, part](WriteTransaction& transaction) {
                              return WriteTouches(transaction, catalog_,
                                                  part->touches, &part->rest);
                            },
                        .done =
                            [this, part](absl::Status status) {
                              // What was not written waits for the next commit.
                              for (const storage::Touch& touch :
                                   status.ok() ? part->rest : part->touches) {
                                if (!touches_.Add(touch))
                                  metrics_->touches_dropped.Increment();
                              }
                            },
                        .rows = part->touches.size()});
  }
}

void Database::RenewReaders() {
  readers_.NoteCommit();
  scanners_.NoteCommit();
}

absl::Status Database::CheckpointIfLarge() {
  if (wal_bytes_ < options_.checkpoint_bytes) return absl::OkStatus();
  absl::MutexLock lock(&close_mutex_);
  if (closed_) return absl::OkStatus();
  // Until the next commit tells the size again.
  wal_bytes_ = 0;
  RETURN_IF_ERROR(checkpointer_->CheckpointPassive());
  readers_.set_keeps(true);
  scanners_.set_keeps(true);
  return absl::OkStatus();
}

ChangeRetention Database::RetentionNow(int64_t oldest) const {
  ChangeRetention retention = {.oldest_us = absl::ToUnixMicros(
                                   clock_->Now() - options_.change_retention),
                               .max_bytes = options_.change_max_bytes};
  const std::optional<int64_t> slowest = followers_.Slowest(epoch(), oldest);
  if (slowest.has_value()) retention.follower_sequence = *slowest;
  return retention;
}

void Database::PruneChanges() {
  if (pruning_.exchange(true)) return;
  ChangePruner::Start(*this, [this](absl::StatusOr<PrunedLog> left) {
    if (left.ok()) {
      pruned_bytes_ = left->oldest_bytes;
      oldest_sequence_ = left->oldest;
    } else {
      log::Warning("change log not pruned",
                   {{"database", name_}, {"error", left.status()}});
    }
    pruning_ = false;
  });
}

void Database::PruneChangesIfLarge() {
  // A little more, so that the log is not pruned change by change.
  const int64_t limit = options_.change_max_bytes;
  if (ChangeLogBytes() > limit + limit / 16) PruneChanges();
}

int64_t Database::FollowerLag() const {
  const std::optional<int64_t> slowest =
      followers_.Slowest(epoch(), oldest_sequence_);
  return slowest.has_value() ? newest_sequence_ - *slowest : 0;
}

void Database::SweepExpired() {
  if (sweeping_.exchange(true)) return;
  Sweep::Start(*this, {}, absl::InfiniteFuture(),
               [this](const absl::Status& status, const SweepResult& result) {
                 sweeping_ = false;
                 metrics_->records_swept.Increment(
                     static_cast<double>(result.expired + result.purged));
                 if (status.ok()) return;
                 log::Warning("expired records not swept",
                              {{"database", name_}, {"error", status}});
               });
}

void Database::RunDueJobs() {
  if (jobs_.due_us() > now_us() || running_due_jobs_.exchange(true)) return;
  Submit({.run =
              [](WriteTransaction& transaction) {
                return storage::RunDueJobs(transaction);
              },
          .done =
              [this](absl::Status status) {
                running_due_jobs_ = false;
                // The rest of what is due.
                if (status.ok()) return RunDueJobs();
                // Closing, or told of already.
                if (absl::IsUnavailable(status)) return;
                log::Warning("due jobs not seen to",
                             {{"database", name_}, {"error", status}});
              },
          .rows = kMaxDueJobs});
}

void Database::PublishSchema(const std::vector<CollectionPtr>& collections,
                             int64_t schema_version) {
  catalog_.Publish(collections, schema_version);
  generation_work_us_ = 0;
}

void Database::KeepGenerations() {
  const int64_t now = now_us();
  if (generation_work_us_ > now || keeping_generations_.exchange(true)) return;
  const auto work = std::make_shared<GenerationWork>();
  Submit({.run = [this, work, records = TakeBackfillAllowance(now)](
                     WriteTransaction& transaction) -> absl::Status {
            ASSIGN_OR_RETURN(
                *work, storage::KeepGenerations(transaction, catalog_, records,
                                                options_.rollback_period));
            return absl::OkStatus();
          },
          .done =
              [this, work](const absl::Status& status) {
                FinishGenerationWork(status, *work);
                keeping_generations_ = false;
              },
          .rows = kMaxUpkeepRows});
}

int Database::TakeBackfillAllowance(int64_t now_us) {
  const double rate = options_.backfill_rate;
  const double passed =
      static_cast<double>(now_us - backfill_allowance_us_) / 1e6;
  backfill_allowance_us_ = now_us;
  // What was not used in a second is not saved.
  backfill_allowance_ = std::min(rate, backfill_allowance_ + passed * rate);
  return static_cast<int>(backfill_allowance_);
}

void Database::FinishGenerationWork(const absl::Status& status,
                                    const GenerationWork& work) {
  if (!status.ok()) {
    generation_work_us_ = now_us() + kGenerationRetryUs;
    // Closing, or told of already.
    if (absl::IsUnavailable(status)) return;
    log::Warning("generations not looked after",
                 {{"database", name_}, {"error", status}});
    return;
  }
  backfill_allowance_ -= work.looked_at;
  generation_work_us_ = work.next_us;
  for (const int64_t generation : work.complete) {
    SubmitSchemaWork([this, generation](WriterAccess& access) {
      return CutOver(*this, access, generation);
    });
  }
  const int64_t retired_us =
      now_us() - absl::ToInt64Microseconds(options_.rollback_period);
  for (const int64_t generation : work.kept_enough) {
    SubmitSchemaWork([this, generation, retired_us](WriterAccess& access) {
      return DropRetired(*this, access, generation, retired_us);
    });
  }
}

void Database::SubmitSchemaWork(
    absl::AnyInvocable<absl::Status(WriterAccess&)> work) {
  Submit({.run_alone = std::move(work), .done = [this](absl::Status status) {
            if (status.ok() || absl::IsUnavailable(status)) return;
            log::Warning("generations not changed",
                         {{"database", name_}, {"error", status}});
          }});
}

void Database::Close() {
  absl::MutexLock lock(&close_mutex_);
  if (closed_) return;
  closed_ = true;
  commits_.Stop();
  caches_.leases().Stop();
  jobs_.Stop();
  readers_.Close();
  scanners_.Close();
  if (committer_ != nullptr) {
    SubmitTouches();
    committer_->Stop();
  }
  metrics_->outbox_pending.Decrement(static_cast<double>(outbox_pending_));
  metrics_->embedding_failures.Decrement(static_cast<double>(failures_));
  jobs_.Forget();
  checkpointer_.reset();
  if (committer_ == nullptr) return;
  const absl::Status status = committer_->connection().CheckpointTruncate();
  if (!status.ok()) {
    // Nothing is lost: the log is read when the file is opened again.
    log::Warning("write-ahead log not emptied",
                 {{"database", name_}, {"error", status}});
  }
  committer_->Disconnect();
}

}  // namespace engram::storage
