#ifndef ENGRAM_SERVICES_SEARCH_INDEX_OPTIMIZER_H_
#define ENGRAM_SERVICES_SEARCH_INDEX_OPTIMIZER_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "libs/clock/steady_cond_var.h"
#include "services/search/database_watcher.h"
#include "services/search/index.h"

namespace engram::search {

// Has every index of every database do what makes its searches faster (see
// Index::Optimize), one after the other, so that what is built takes no more of
// the machine than some threads, which yield to queries. Thread-safe.
class IndexOptimizer {
 public:
  // `watcher` must outlive this object; of `threads` one is the caller's of
  // Optimize.
  IndexOptimizer(const DatabaseWatcher& watcher, int threads)
      : watcher_(watcher), threads_(threads) {}
  // Stops.
  ~IndexOptimizer() { Stop(); }

  // Call it once.
  void Start();
  // Ends what this object's own thread builds. Idempotent.
  void Stop();

  // Has one index do so, in its turn with all others, as long as `go_on` says
  // yes. The calling thread should yield to queries.
  void Optimize(Index& index, const std::function<bool()>& go_on);

 private:
  void Run();
  void OptimizeAll();
  bool GoesOn() const;

  const DatabaseWatcher& watcher_;
  const int threads_;

  // Apart from the other, which `go_on` takes.
  absl::Mutex turn_mutex_;
  // Whether an index is at work.
  bool is_busy_ ABSL_GUARDED_BY(turn_mutex_) = false;

  mutable absl::Mutex mutex_;
  // Woken by Stop.
  SteadyCondVar changed_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_INDEX_OPTIMIZER_H_
