#include "tests/benchmarks/load.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "tests/benchmarks/report.h"

namespace engram::benchmarks {
namespace {

class Load {
 public:
  Load(const LoadEnd& end, StartCall start)
      : start_(std::move(start)),
        begin_(absl::Now()),
        end_(begin_ + end.duration),
        calls_left_(end.calls) {}

  LoadResult Run(int clients) {
    {
      absl::MutexLock lock(&mutex_);
      under_way_ = clients;
    }
    for (int client = 0; client < clients; ++client) Next();
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(
        +[](Load* self) ABSL_EXCLUSIVE_LOCKS_REQUIRED(self->mutex_) {
          return self->under_way_ == 0;
        },
        this));
    std::sort(latencies_.begin(), latencies_.end());
    return {.calls_per_second = static_cast<double>(latencies_.size()) /
                                absl::ToDoubleSeconds(absl::Now() - begin_),
            .p50 = Percentile(50),
            .p99 = Percentile(99)};
  }

 private:
  // A client's next call, or its end.
  void Next() {
    const absl::Time start = absl::Now();
    int call = 0;
    {
      absl::MutexLock lock(&mutex_);
      if (calls_left_ == 0 || start >= end_) {
        --under_way_;
        return;
      }
      --calls_left_;
      call = calls_begun_++;
    }
    start_(call, [=, this] {
      {
        absl::MutexLock lock(&mutex_);
        latencies_.push_back(absl::Now() - start);
      }
      Next();
    });
  }

  absl::Duration Percentile(int percent) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return latencies_[latencies_.size() * percent / 100];
  }

  const StartCall start_;
  const absl::Time begin_;
  const absl::Time end_;
  absl::Mutex mutex_;
  int under_way_ ABSL_GUARDED_BY(mutex_) = 0;
  int calls_begun_ ABSL_GUARDED_BY(mutex_) = 0;
  int calls_left_ ABSL_GUARDED_BY(mutex_);
  std::vector<absl::Duration> latencies_ ABSL_GUARDED_BY(mutex_);
};

std::string ProcessorName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (absl::StartsWith(line, "model name")) {
      return line.substr(line.find(": ") + 2);
    }
  }
  return "unknown processor";
}

// Of the mount that `directory` is on.
std::string FileSystem(const std::string& directory) {
  std::ifstream mounts("/proc/mounts");
  std::string device, folder, type, rest, best, name = "unknown";
  while (mounts >> device >> folder >> type && std::getline(mounts, rest)) {
    if (absl::StartsWith(directory, folder) && folder.size() >= best.size()) {
      best = folder;
      name = absl::StrCat(type, " on ", device);
    }
  }
  return name;
}

}  // namespace

LoadResult RunLoad(int clients, const LoadEnd& end, StartCall start) {
  return Load(end, std::move(start)).Run(clients);
}

Comparison Compare(int rounds, absl::FunctionRef<double()> ours,
                   absl::FunctionRef<double()> theirs) {
  std::vector<double> our_results, their_results, ratios;
  for (int round = 0; round < rounds; ++round) {
    our_results.push_back(ours());
    their_results.push_back(theirs());
    ratios.push_back(our_results.back() / their_results.back());
  }
  return {.ours = Median(our_results),
          .theirs = Median(their_results),
          .ratio = Median(ratios)};
}

std::string DescribeMachine(const std::string& directory) {
  return absl::StrCat(ProcessorName(), ", ",
                      std::thread::hardware_concurrency(), " cores, ",
                      FileSystem(directory));
}

}  // namespace engram::benchmarks
