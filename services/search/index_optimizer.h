#ifndef ENGRAM_SERVICES_SEARCH_INDEX_OPTIMIZER_H_
#define ENGRAM_SERVICES_SEARCH_INDEX_OPTIMIZER_H_

#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/clock/steady_cond_var.h"
#include "services/search/database_watcher.h"

namespace engram::search {

// Has every index of every database do what makes its searches faster (see
// Index::Optimize), one after the other in one thread, so that what is built
// takes no more of the machine than that.
class IndexOptimizer {
 public:
  // `watcher` must outlive this object.
  explicit IndexOptimizer(const DatabaseWatcher& watcher) : watcher_(watcher) {}
  // Stops.
  ~IndexOptimizer() { Stop(); }

  // Call it once.
  void Start();
  // Ends what is being built. Idempotent.
  void Stop();

 private:
  void Run();
  void OptimizeAll();
  bool GoesOn() const;

  const DatabaseWatcher& watcher_;
  mutable absl::Mutex mutex_;
  // Woken by Stop.
  SteadyCondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_INDEX_OPTIMIZER_H_
