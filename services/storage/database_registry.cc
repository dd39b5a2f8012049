#include "services/storage/database_registry.h"

#include <algorithm>
#include <filesystem>
#include <initializer_list>
#include <random>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/log/log.h"
#include "libs/sqlite/migrator.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/data_directory_lock.h"
#include "services/storage/migrations/migrations.h"
#include "services/storage/version.h"

namespace engram::storage {
namespace {

using common::v1::Model;

constexpr absl::string_view kSelectDatabases =
    "SELECT name, incarnation, created_us FROM _databases ORDER BY name";
constexpr absl::string_view kInsertDatabase =
    "INSERT INTO _databases (name, incarnation, created_us) VALUES (?, ?, ?)";
constexpr absl::string_view kSelectIncarnation =
    "SELECT incarnation FROM _databases WHERE name = ?";
constexpr absl::string_view kDeleteDatabase =
    "DELETE FROM _databases WHERE name = ?";
constexpr absl::string_view kSelectRemovals =
    "SELECT name, incarnation FROM _removals ORDER BY name, incarnation";
constexpr absl::string_view kInsertRemoval =
    "INSERT INTO _removals (name, incarnation) VALUES (?, ?)";
constexpr absl::string_view kDeleteRemoval =
    "DELETE FROM _removals WHERE name = ? AND incarnation = ?";
constexpr absl::string_view kSelectModels = R"sql(
SELECT name, fingerprint, dimensions, normalized, max_tokens, is_default
FROM _models ORDER BY name)sql";
constexpr absl::string_view kUpsertModel = R"sql(
INSERT OR REPLACE INTO _models
  (name, fingerprint, dimensions, normalized, max_tokens, is_default)
VALUES (?, ?, ?, ?, ?, ?))sql";
constexpr absl::string_view kClearDefault =
    "UPDATE _models SET is_default = 0 WHERE is_default = 1";

constexpr absl::string_view kDefaultDatabase = "default";
// The folder of all backups lies beside those of the databases.
constexpr absl::string_view kBackups = "backups";
constexpr size_t kMaxNameLength = 63;

// A folder name that no earlier database of the same name had.
std::string NewIncarnation() {
  std::random_device device;
  return absl::StrFormat("%08x%08x", device(), device());
}

// Runs a statement whose parameters are texts.
absl::Status RunWith(sqlite::Connection& system, absl::string_view sql,
                     std::initializer_list<absl::string_view> texts) {
  ASSIGN_OR_RETURN(sqlite::Statement statement, system.Cached(sql));
  int parameter = 0;
  for (const absl::string_view text : texts) {
    statement.BindText(++parameter, text);
  }
  return statement.Run();
}

absl::Status DatabaseUnknown(absl::string_view name) {
  return MakeError(absl::StatusCode::kNotFound,
                   common::v1::ERROR_REASON_DATABASE_UNKNOWN,
                   absl::StrCat("no database \"", name,
                                "\"; create it with DatabaseService.Create"),
                   {{"database", name}});
}

absl::Status UpsertModel(sqlite::Connection& system, const Model& model) {
  ASSIGN_OR_RETURN(sqlite::Statement upsert, system.Cached(kUpsertModel));
  upsert.BindText(1, model.name());
  upsert.BindText(2, model.fingerprint());
  upsert.BindInt(3, model.dimensions());
  upsert.BindInt(4, model.normalized() ? 1 : 0);
  upsert.BindInt(5, model.max_tokens());
  upsert.BindInt(6, model.is_default() ? 1 : 0);
  return upsert.Run();
}

}  // namespace

bool IsDatabaseName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxNameLength && name != kBackups &&
         absl::ascii_islower(name[0]) &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) ||
                  c == '_' || c == '-';
         });
}

absl::StatusOr<std::unique_ptr<DatabaseRegistry>> DatabaseRegistry::Open(
    std::string data_dir, Database::Options options, const Clock* clock,
    StorageMetrics* metrics) {
  const std::string path = absl::StrCat(data_dir, "/system.db");
  auto opened = sqlite::Connection::Open(path, sqlite::Access::kReadWrite);
  if (!opened.ok()) return WithContext(opened.status(), path);
  std::unique_ptr<sqlite::Connection> system = *std::move(opened);
  RETURN_IF_ERROR(sqlite::Migrate(*system, SystemMigrations(), kWrittenBy));
  RETURN_IF_ERROR(SyncDirectory(data_dir));
  auto registry = absl::WrapUnique(new DatabaseRegistry(
      std::move(data_dir), options, clock, metrics, std::move(system)));
  absl::MutexLock lock(&registry->system_mutex_);
  RETURN_IF_ERROR(registry->LoadModels());
  RETURN_IF_ERROR(registry->LoadPauses());
  RETURN_IF_ERROR(registry->OpenAll());
  return registry;
}

DatabaseRegistry::DatabaseRegistry(std::string data_dir,
                                   Database::Options options,
                                   const Clock* clock, StorageMetrics* metrics,
                                   std::unique_ptr<sqlite::Connection> system)
    : data_dir_(std::move(data_dir)),
      options_(options),
      clock_(clock),
      metrics_(metrics),
      system_(std::move(system)) {}

DatabaseRegistry::~DatabaseRegistry() { Close(); }

absl::Status DatabaseRegistry::OpenAll() {
  RETURN_IF_ERROR(RemoveLeftovers());
  {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     system_->Prepare(kSelectDatabases));
    while (true) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) break;
      const std::string name(select.Text(0));
      Entry entry =
          OpenDatabase(name, std::string(select.Text(1)), select.Int(2));
      if (!entry.ok()) {
        log::Error("database not opened",
                   {{"database", name}, {"error", entry.status()}});
      }
      absl::MutexLock lock(&mutex_);
      databases_.emplace(name, std::move(entry));
    }
  }
  {
    absl::MutexLock lock(&mutex_);
    if (databases_.contains(kDefaultDatabase)) return absl::OkStatus();
  }
  return CreateLocked(std::string(kDefaultDatabase)).status();
}

DatabaseRegistry::Entry DatabaseRegistry::OpenDatabase(
    const std::string& name, const std::string& incarnation,
    int64_t created_us) {
  const std::string folder =
      absl::StrCat(data_dir_, "/", name, "/", incarnation);
  RETURN_IF_ERROR(CreateDirectories(folder));
  Database::Options options = options_;
  options.backup_directory = BackupDirectory(name);
  auto database = Database::Open(name, absl::StrCat(folder, "/engram.db"),
                                 created_us, std::move(options), clock_,
                                 metrics_, [this](bool has_new_entries) {
                                   commits_.Notify();
                                   if (has_new_entries) pending_.Notify();
                                 });
  if (!database.ok()) return WithContext(database.status(), name);
  RETURN_IF_ERROR(SyncDirectory(folder));
  return database;
}

absl::StatusOr<Database*> DatabaseRegistry::Find(absl::string_view name) const {
  if (name.empty()) name = kDefaultDatabase;
  absl::MutexLock lock(&mutex_);
  const auto found = databases_.find(std::string(name));
  if (found == databases_.end()) return DatabaseUnknown(name);
  if (!found->second.ok()) return found->second.status();
  return found->second->get();
}

absl::StatusOr<Database*> DatabaseRegistry::Create(const std::string& name) {
  if (!IsDatabaseName(name)) {
    return InvalidField(
        "database",
        absl::StrCat("is not a name; give a lower-case letter, "
                     "then letters, digits, _ and -, at most ",
                     kMaxNameLength, " in all, but not ", kBackups));
  }
  absl::MutexLock system_lock(&system_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    if (databases_.contains(name)) {
      return MakeError(absl::StatusCode::kAlreadyExists,
                       common::v1::ERROR_REASON_ALREADY_EXISTS,
                       absl::StrCat("database \"", name, "\" exists already"),
                       {{"database", name}});
    }
  }
  return CreateLocked(name);
}

absl::StatusOr<Database*> DatabaseRegistry::CreateLocked(
    const std::string& name) {
  const std::string incarnation = NewIncarnation();
  const int64_t created_us = absl::ToUnixMicros(clock_->Now());
  // A crash from here on leaves a folder that nothing names but this.
  RETURN_IF_ERROR(RunWith(*system_, kInsertRemoval, {name, incarnation}));
  Entry database = OpenDatabase(name, incarnation, created_us);
  if (!database.ok()) {
    RemoveFolder(name, incarnation).IgnoreError();
    return database.status();
  }
  {
    ASSIGN_OR_RETURN(sqlite::Transaction transaction,
                     sqlite::Transaction::Begin(
                         *system_, sqlite::Transaction::Kind::kWrite));
    ASSIGN_OR_RETURN(sqlite::Statement insert,
                     system_->Cached(kInsertDatabase));
    insert.BindText(1, name);
    insert.BindText(2, incarnation);
    insert.BindInt(3, created_us);
    RETURN_IF_ERROR(insert.Run());
    RETURN_IF_ERROR(RunWith(*system_, kDeleteRemoval, {name, incarnation}));
    RETURN_IF_ERROR(transaction.Commit());
  }
  Database* const created = database->get();
  {
    absl::MutexLock lock(&mutex_);
    databases_.emplace(name, std::move(database));
  }
  commits_.Notify();
  return created;
}

absl::Status DatabaseRegistry::Delete(const std::string& name) {
  if (name == kDefaultDatabase) {
    return absl::FailedPreconditionError(
        "the database \"default\" cannot be deleted");
  }
  std::string incarnation;
  Database* deleted = nullptr;
  {
    absl::MutexLock system_lock(&system_mutex_);
    ASSIGN_OR_RETURN(incarnation, NoteDeleted(name));
    absl::MutexLock lock(&mutex_);
    const auto found = databases_.find(name);
    if (found != databases_.end()) {
      if (found->second.ok()) {
        deleted = found->second->get();
        deleted_.push_back(*std::move(found->second));
      }
      databases_.erase(found);
    }
  }
  // Without the lock: what is being written takes its time.
  if (deleted != nullptr) deleted->Close();
  commits_.Notify();
  absl::MutexLock system_lock(&system_mutex_);
  return RemoveFolder(name, incarnation);
}

absl::StatusOr<std::string> DatabaseRegistry::NoteDeleted(
    const std::string& name) {
  ASSIGN_OR_RETURN(
      sqlite::Transaction transaction,
      sqlite::Transaction::Begin(*system_, sqlite::Transaction::Kind::kWrite));
  std::string incarnation;
  {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     system_->Cached(kSelectIncarnation));
    select.BindText(1, name);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return DatabaseUnknown(name);
    incarnation = std::string(select.Text(0));
  }
  RETURN_IF_ERROR(RunWith(*system_, kDeleteDatabase, {name}));
  RETURN_IF_ERROR(RunWith(*system_, kInsertRemoval, {name, incarnation}));
  RETURN_IF_ERROR(RemovePausesOf(*system_, name));
  RETURN_IF_ERROR(transaction.Commit());
  RETURN_IF_ERROR(LoadPauses());
  return incarnation;
}

absl::Status DatabaseRegistry::RemoveFolder(const std::string& name,
                                            const std::string& incarnation) {
  const std::string parent = absl::StrCat(data_dir_, "/", name);
  std::error_code error;
  std::filesystem::remove_all(absl::StrCat(parent, "/", incarnation), error);
  if (!error) {
    // Another incarnation may have its folder there.
    std::error_code is_not_empty;
    std::filesystem::remove(parent, is_not_empty);
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     system_->Cached(kSelectIncarnation));
    select.BindText(1, name);
    ASSIGN_OR_RETURN(const bool lives, select.Step());
    if (!lives) {
      std::filesystem::remove_all(BackupDirectory(name), error);
    }
  }
  if (error) {
    // The next start tries again.
    return absl::UnavailableError(
        absl::StrCat("the files of database \"", name,
                     "\" are not removed yet: ", error.message()));
  }
  RETURN_IF_ERROR(SyncDirectory(data_dir_));
  return RunWith(*system_, kDeleteRemoval, {name, incarnation});
}

absl::Status DatabaseRegistry::RemoveLeftovers() {
  std::vector<std::pair<std::string, std::string>> removals;
  {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     system_->Prepare(kSelectRemovals));
    while (true) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) break;
      removals.push_back(
          {std::string(select.Text(0)), std::string(select.Text(1))});
    }
  }
  for (const auto& [name, incarnation] : removals) {
    const absl::Status status = RemoveFolder(name, incarnation);
    if (!status.ok()) {
      log::Warning("leftovers of a database not removed",
                   {{"database", name}, {"error", status}});
    }
  }
  return absl::OkStatus();
}

std::string DatabaseRegistry::BackupDirectory(const std::string& name) const {
  return absl::StrCat(data_dir_, "/", kBackups, "/", name);
}

std::vector<Database*> DatabaseRegistry::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Database*> databases;
  for (const auto& [name, entry] : databases_) {
    if (entry.ok()) databases.push_back(entry->get());
  }
  return databases;
}

absl::Status DatabaseRegistry::RegisterModels(
    const std::vector<Model>& models) {
  absl::MutexLock lock(&system_mutex_);
  ASSIGN_OR_RETURN(
      sqlite::Transaction transaction,
      sqlite::Transaction::Begin(*system_, sqlite::Transaction::Kind::kWrite));
  for (const Model& model : models) {
    if (model.is_default()) RETURN_IF_ERROR(system_->Execute(kClearDefault));
    RETURN_IF_ERROR(UpsertModel(*system_, model));
  }
  RETURN_IF_ERROR(transaction.Commit());
  return LoadModels();
}

absl::Status DatabaseRegistry::LoadModels() {
  ASSIGN_OR_RETURN(sqlite::Statement select, system_->Prepare(kSelectModels));
  std::vector<Model> models;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) break;
    Model& model = models.emplace_back();
    model.set_name(std::string(select.Text(0)));
    model.set_fingerprint(std::string(select.Text(1)));
    model.set_dimensions(static_cast<int>(select.Int(2)));
    model.set_normalized(select.Int(3) != 0);
    model.set_max_tokens(static_cast<int>(select.Int(4)));
    model.set_is_default(select.Int(5) != 0);
  }
  absl::MutexLock lock(&mutex_);
  models_ = std::move(models);
  return absl::OkStatus();
}

std::vector<Model> DatabaseRegistry::Models() const {
  absl::MutexLock lock(&mutex_);
  return models_;
}

absl::Status DatabaseRegistry::SetPause(const EmbeddingPause& pause,
                                        bool paused) {
  {
    absl::MutexLock lock(&system_mutex_);
    RETURN_IF_ERROR(paused ? StorePause(*system_, pause)
                           : RemovePause(*system_, pause));
    RETURN_IF_ERROR(LoadPauses());
  }
  if (!paused) pending_.Notify();
  return absl::OkStatus();
}

absl::Status DatabaseRegistry::LoadPauses() {
  ASSIGN_OR_RETURN(std::vector<EmbeddingPause> pauses, ReadPauses(*system_));
  absl::MutexLock lock(&mutex_);
  pauses_ = std::move(pauses);
  return absl::OkStatus();
}

std::vector<EmbeddingPause> DatabaseRegistry::Pauses() const {
  absl::MutexLock lock(&mutex_);
  return pauses_;
}

void DatabaseRegistry::Tick() {
  const absl::Time now = clock_->Now();
  bool has_pending = false;
  int64_t change_log_bytes = 0;
  int64_t follower_lag = 0;
  for (Database* database : List()) {
    change_log_bytes += database->ChangeLogBytes();
    follower_lag = std::max(follower_lag, database->FollowerLag());
    database->PruneChangesIfLarge();
    has_pending |= database->outbox().ExpireLeases(now);
    database->commits().Tick(now);
    database->caches().leases().Tick();
    database->jobs().waiters().Tick(now);
    database->RunDueJobs();
    database->KeepGenerations();
    database->FlushTouches();
    database->RenewReaders();
    const absl::Status status = database->CheckpointIfLarge();
    if (!status.ok()) {
      log::Warning("checkpoint failed",
                   {{"database", database->name()}, {"error", status}});
    }
  }
  metrics_->change_log_bytes.Set(static_cast<double>(change_log_bytes));
  metrics_->follower_lag.Set(static_cast<double>(follower_lag));
  if (has_pending) pending_.Notify();
  commits_.Tick(now);
  pending_.Tick(now);
}

void DatabaseRegistry::Prune() {
  for (Database* database : List()) database->PruneChanges();
}

void DatabaseRegistry::Sweep() {
  for (Database* database : List()) database->SweepExpired();
}

void DatabaseRegistry::Close() {
  commits_.Stop();
  pending_.Stop();
  for (Database* database : List()) database->Close();
}

}  // namespace engram::storage
