#ifndef ENGRAM_SERVICES_SEARCH_TESTING_OCCUPIED_BACKEND_H_
#define ENGRAM_SERVICES_SEARCH_TESTING_OCCUPIED_BACKEND_H_

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/search_backend.h"

namespace engram::search::testing {

// The real thing, with one search thread, which can be occupied as by a search
// that takes long.
class OccupiedBackend {
 public:
  explicit OccupiedBackend(const SearchPeers& peers)
      : backend_(OneThread(), peers, timer_, metrics_) {
    backend_.watcher.Start();
  }
  ~OccupiedBackend() {
    if (!go_.HasBeenNotified()) go_.Notify();
    backend_.watcher.Stop();
  }

  // Calls must end before this object does.
  std::shared_ptr<SearchBackend> Lend() {
    return std::shared_ptr<SearchBackend>(&backend_, [](SearchBackend*) {});
  }

  // From now until LetGo, both of which are called once, nothing else is done
  // by the thread.
  void Occupy() {
    ASSERT_OK(
        backend_.search_pool.Submit([this] { go_.WaitForNotification(); }));
  }
  void LetGo() { go_.Notify(); }

  // Returns when the thread has done what it had to.
  void WaitForThread() {
    absl::Notification done;
    ASSERT_OK(backend_.search_pool.Submit([&] { done.Notify(); }));
    done.WaitForNotification();
  }

 private:
  static SearchOptions OneThread() {
    SearchOptions options;
    options.cache_dir = "";
    options.threads = 1;
    return options;
  }

  prometheus::Registry registry_;
  SearchMetrics metrics_{registry_};
  DeadlineTimer timer_;
  absl::Notification go_;
  SearchBackend backend_;
};

}  // namespace engram::search::testing

#endif  // ENGRAM_SERVICES_SEARCH_TESTING_OCCUPIED_BACKEND_H_
