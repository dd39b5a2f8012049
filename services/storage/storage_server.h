#ifndef ENGRAM_SERVICES_STORAGE_STORAGE_SERVER_H_
#define ENGRAM_SERVICES_STORAGE_STORAGE_SERVER_H_

#include <grpcpp/impl/service_type.h>
#include <prometheus/registry.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/clock/clock.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/cache_service.h"
#include "services/storage/catalog_service.h"
#include "services/storage/data_directory_lock.h"
#include "services/storage/database_registry.h"
#include "services/storage/database_service.h"
#include "services/storage/feed_service.h"
#include "services/storage/job_service.h"
#include "services/storage/passage_service.h"
#include "services/storage/record_service.h"
#include "services/storage/storage_metrics.h"
#include "services/storage/storage_options.h"
#include "services/storage/vector_service.h"

namespace engram::storage {

// Storage's parts, in one process. Thread-safe.
class StorageServer {
 public:
  // Takes the data directory, opens every database in it and brings it up to
  // date. `FailedPrecondition` if another process has the directory, or a newer
  // program wrote it. Registry and clock must outlive the server.
  static absl::StatusOr<std::unique_ptr<StorageServer>> Create(
      StorageOptions options, prometheus::Registry& registry,
      const Clock& clock = Clock::Real());

  // Stops. The gRPC server that serves services() must be gone.
  ~StorageServer();

  // What to serve; owned by this object.
  std::vector<grpc::Service*> services();

  // Begins the regular work. Storage calls nobody, so it needs no peers.
  absl::Status Start();

  // From Start to Stop.
  bool IsReady() const { return ready_; }

  // Ends streams and long polls, commits what is queued and closes the files;
  // calls get `Unavailable` from then on. A repeat does nothing.
  void Stop();

  // Does the regular work that is due; the server's own thread calls it, and
  // tests do after moving the clock.
  void RunOnce() { databases_->Tick(); }

 private:
  StorageServer(DataDirectoryLock lock, const StorageOptions& options,
                std::unique_ptr<StorageMetrics> metrics,
                std::unique_ptr<DatabaseRegistry> databases,
                const Clock& clock);

  void RunRegularWork();

  const absl::Duration sweep_interval_;
  // In the order of their needs: the lock goes last.
  const DataDirectoryLock lock_;
  const std::unique_ptr<StorageMetrics> metrics_;
  const std::unique_ptr<DatabaseRegistry> databases_;
  rpc::ThreadPool pool_;
  DatabaseService database_service_;
  CatalogService catalog_service_;
  RecordService record_service_;
  CacheService cache_service_;
  VectorService vector_service_;
  FeedService feed_service_;
  JobService job_service_;
  PassageService passage_service_;
  std::atomic<bool> ready_ = false;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread regular_work_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_STORAGE_SERVER_H_
