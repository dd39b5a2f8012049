#include "services/search/index_optimizer.h"

#include <chrono>
#include <cstdint>
#include <memory>

#include "absl/time/clock.h"
#include "libs/log/log.h"

namespace engram::search {
namespace {

// What has grown since is scanned as long.
constexpr absl::Duration kInterval = absl::Milliseconds(500);

// A large graph is built for a tenth at least.
constexpr int64_t kNewsShare = 10;

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

void IndexOptimizer::Run() {
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
      index->Optimize([this] { return GoesOn(); });
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
