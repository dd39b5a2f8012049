#ifndef ENGRAM_SERVICES_STORAGE_DATABASE_REGISTRY_H_
#define ENGRAM_SERVICES_STORAGE_DATABASE_REGISTRY_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "engram/common/v1/model.pb.h"
#include "libs/clock/clock.h"
#include "libs/sqlite/connection.h"
#include "services/storage/database.h"
#include "services/storage/embedding_pauses.h"
#include "services/storage/storage_metrics.h"
#include "services/storage/wait_list.h"

namespace engram::storage {

// Which databases there are, which models schemas may name, and what is not
// embedded for now: system.db.
//
// Thread-safe. A database that was returned lives as long as the registry: one
// that is deleted is closed, and takes a few KB until then.
class DatabaseRegistry {
 public:
  // Opens system.db in `data_dir`, then every database; creates `default` the
  // first time. A database that cannot be opened is logged, and its error is
  // what its callers get; the others serve. Clock and metrics must outlive the
  // registry.
  static absl::StatusOr<std::unique_ptr<DatabaseRegistry>> Open(
      std::string data_dir, Database::Options options, const Clock* clock,
      StorageMetrics* metrics);

  // Closes.
  ~DatabaseRegistry();

  // Returns a database; the empty name is `default`. `NotFound`, reason
  // `DATABASE_UNKNOWN`, if there is none.
  absl::StatusOr<Database*> Find(absl::string_view name) const;

  // Creates an empty database. `InvalidArgument` for a bad name,
  // `AlreadyExists` for one that is taken.
  absl::StatusOr<Database*> Create(const std::string& name);

  // Deletes a database with its folder and its backups: it is gone for good
  // once this returns. Those who wait for its changes are woken; its calls get
  // `Unavailable`. `NotFound` as Find; `FailedPrecondition` for `default`.
  // After a crash in the middle the next start finishes it.
  absl::Status Delete(const std::string& name);

  // Those that are open, by name.
  std::vector<Database*> List() const;

  // Keeps models, replacing those of the same name. A new default takes the
  // place of the old one.
  absl::Status RegisterModels(const std::vector<common::v1::Model>& models);

  // By name.
  std::vector<common::v1::Model> Models() const;

  // Adds or removes a pause, and wakes those who wait for text if one ends.
  // What it names is not checked.
  absl::Status SetPause(const EmbeddingPause& pause, bool paused);

  // By database, collection, provider.
  std::vector<EmbeddingPause> Pauses() const;

  // Notified after each commit of any database, after Create and Delete.
  WaitList& commits() { return commits_; }
  // Notified when there may be text to embed.
  WaitList& pending() { return pending_; }

  // Does what is due: ends leases and waits, checkpoints, prunes logs that are
  // too large, measures. Called regularly, by
  // one thread.
  void Tick();
  // Drops changes that may go. As Tick, but seldom.
  void Prune();
  // Deletes records that have expired, and the like. As Prune.
  void Sweep();

  // Wakes those who wait and closes every database.
  void Close();

 private:
  // A database, or why it is not open.
  using Entry = absl::StatusOr<std::unique_ptr<Database>>;

  DatabaseRegistry(std::string data_dir, Database::Options options,
                   const Clock* clock, StorageMetrics* metrics,
                   std::unique_ptr<sqlite::Connection> system);

  absl::Status OpenAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(system_mutex_);
  absl::StatusOr<Database*> CreateLocked(const std::string& name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(system_mutex_);
  // Takes a database out of system.db, its folder noted as one to remove.
  // Returns its incarnation.
  absl::StatusOr<std::string> NoteDeleted(const std::string& name)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(system_mutex_);
  // Removes what a crash left of databases deleted or half created.
  absl::Status RemoveLeftovers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(system_mutex_);
  // Removes a database's folder and its backups, then the note that says so.
  absl::Status RemoveFolder(const std::string& name,
                            const std::string& incarnation)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(system_mutex_);
  std::string BackupDirectory(const std::string& name) const;
  Entry OpenDatabase(const std::string& name, const std::string& incarnation,
                     int64_t created_us);
  absl::Status LoadModels() ABSL_EXCLUSIVE_LOCKS_REQUIRED(system_mutex_);
  absl::Status LoadPauses() ABSL_EXCLUSIVE_LOCKS_REQUIRED(system_mutex_);

  const std::string data_dir_;
  const Database::Options options_;
  const Clock* const clock_;
  StorageMetrics* const metrics_;
  WaitList commits_;
  WaitList pending_;

  // Held while system.db is used.
  absl::Mutex system_mutex_;
  const std::unique_ptr<sqlite::Connection> system_
      ABSL_PT_GUARDED_BY(system_mutex_);

  // Guards what is in memory; taken after system_mutex_.
  mutable absl::Mutex mutex_;
  std::map<std::string, Entry, std::less<>> databases_ ABSL_GUARDED_BY(mutex_);
  std::vector<common::v1::Model> models_ ABSL_GUARDED_BY(mutex_);
  std::vector<EmbeddingPause> pauses_ ABSL_GUARDED_BY(mutex_);
  // Closed.
  std::vector<std::unique_ptr<Database>> deleted_ ABSL_GUARDED_BY(mutex_);
};

// Whether `name` can be a database's: `[a-z][a-z0-9_-]*`, at most 63
// characters.
bool IsDatabaseName(absl::string_view name);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_DATABASE_REGISTRY_H_
