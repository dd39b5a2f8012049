#include "services/search/index_optimizer.h"

#include <chrono>
#include <cstdint>
#include <memory>

#include "absl/time/clock.h"
#include "libs/log/log.h"
#include "services/search/processors.h"

namespace engram::search {
namespace {

// What has grown since is scanned as long.
constexpr absl::Duration kInterval = absl::Milliseconds(500);

// A large graph is built for a tenth at least.
constexpr int64_t kNewsShare = 10;

// How often one that waits for its turn asks whether it is still to.
constexpr absl::Duration kTurnCheck = absl::Milliseconds(20);

}  // namespace

void IndexOptimizer::Start() {
  thread_ = std::thread([this] { Run(); });
}

void IndexOptimizer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

bool IndexOptimizer::GoesOn() const {
  absl::MutexLock lock(&mutex_);
  return !stopped_;
}

void IndexOptimizer::Optimize(Index& index,
                              const std::function<bool()>& go_on) {
  {
    absl::MutexLock lock(&turn_mutex_);
    const auto is_free = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(turn_mutex_) {
      return !is_busy_;
    };
    // In slices, because nobody tells when `go_on` changes its mind.
    while (
        !turn_mutex_.AwaitWithTimeout(absl::Condition(&is_free), kTurnCheck)) {
      if (!go_on()) return;
    }
    is_busy_ = true;
  }
  index.Optimize(threads_, go_on);
  absl::MutexLock lock(&turn_mutex_);
  is_busy_ = false;
}

void IndexOptimizer::Run() {
  YieldToQueries();
  while (GoesOn()) {
    OptimizeAll();
    const SteadyCondVar::Time next = SteadyCondVar::After(kInterval);
    absl::MutexLock lock(&mutex_);
    while (!stopped_ && std::chrono::steady_clock::now() < next) {
      changed_.WaitUntil(&mutex_, next);
    }
  }
}

void IndexOptimizer::OptimizeAll() {
  for (const auto& follower : watcher_.followers()) {
    const auto database = follower->index();
    if (database == nullptr) continue;
    for (const std::shared_ptr<Index>& index : database->indexes()) {
      const absl::Time start = absl::Now();
      const int64_t before = index->Stats().graph_vectors;
      Optimize(*index, [this] { return GoesOn(); });
      const int64_t after = index->Stats().graph_vectors;
      // What is deleted meanwhile leaves the graph, and a small one is no news.
      if ((after - before) * kNewsShare <= after) continue;
      const IndexName name = database->NameOf(index->spec().generation);
      log::Info("graph built",
                {{"database", follower->database()},
                 {"collection", name.collection},
                 {"vector_field", name.vector_field},
                 {"vectors", after},
                 {"seconds", absl::ToDoubleSeconds(absl::Now() - start)}});
    }
  }
}

}  // namespace engram::search
