// How long a start takes that finds its index in the cache: see README.md.
//
//   start_benchmark <count> <dimensions> <folder>
//
// A folder that is not there is made, which takes a minute for a million
// vectors, and stays for the next run.

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "services/search/database_index.h"
#include "services/search/durable_file.h"
#include "services/search/index_cache.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/search/search_data.h"
#include "tests/benchmarks/search/search_database.h"

namespace engram::benchmarks {
namespace {

namespace fs = std::filesystem;

constexpr int kRounds = 5;

// What some work took: on the clock, and of processor time, which what else the
// machine does lengthens less.
struct Cost {
  double seconds = 0;
  double processor_seconds = 0;
};

Cost CostOf(absl::FunctionRef<void()> work) {
  const auto now = [](clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_nsec) / 1e9;
  };
  const double start = now(CLOCK_MONOTONIC);
  const double processor_start = now(CLOCK_PROCESS_CPUTIME_ID);
  work();
  return {.seconds = now(CLOCK_MONOTONIC) - start,
          .processor_seconds = now(CLOCK_PROCESS_CPUTIME_ID) - processor_start};
}

void Print(absl::string_view what, std::vector<Cost> costs,
           absl::string_view goal) {
  std::sort(costs.begin(), costs.end(),
            [](const Cost& a, const Cost& b) { return a.seconds < b.seconds; });
  const Cost& median = costs[costs.size() / 2];
  PrintRow(what, Rounded(median.seconds, "%.2f s"), "",
           Rounded(median.processor_seconds, "%.2f s of processor time"), goal);
}

void MakeCache(int64_t count, int dimensions, const std::string& folder) {
  const SearchData data = MakeClusteredData(count, dimensions, 1, 1);
  const auto database = MakeDatabase(data);
  search::IndexCache cache(folder);
  const auto save = [&] {
    Expect(cache.Save(*database).ok(), "the cache cannot be saved");
  };
  Print("a save with a new graph", {CostOf(save)}, "");
  Print("the next, with the same graph", {CostOf(save)}, "");
}

// Every file is in the system's page cache by then.
void MeasureLoads(int64_t count, int dimensions, const std::string& folder) {
  std::vector<Cost> loads;
  std::vector<Cost> checksums;
  for (int round = 0; round < kRounds; ++round) {
    checksums.push_back(CostOf([&] {
      for (const auto& file : fs::directory_iterator(folder)) {
        Expect(search::Summarize(file.path()).ok(), "a file cannot be read");
      }
    }));
    std::shared_ptr<search::DatabaseIndex> loaded;
    loads.push_back(
        CostOf([&] { loaded = search::IndexCache(folder).Load(); }));
    Expect(loaded != nullptr, "the cache cannot be loaded");
    const search::IndexStats stats = IndexOf(*loaded)->Stats();
    Expect(stats.vectors == count && stats.graph_vectors == count,
           "the index did not come back with its graph");
  }
  Print(absl::StrCat(count, " x ", dimensions, ", start, all verified"), loads,
        count == 1'000'000 && dimensions == 256 ? "<= 3 s" : "");
  Print("of that, checksums", checksums, "");
}

void Measure(int64_t count, int dimensions, const std::string& folder) {
  if (!fs::exists(folder)) MakeCache(count, dimensions, folder);
  MeasureLoads(count, dimensions, folder);
}

}  // namespace
}  // namespace engram::benchmarks

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr,
                 "usage: start_benchmark <count> <dimensions> <folder>\n");
    return 2;
  }
  engram::benchmarks::Measure(std::atoll(argv[1]), std::atoi(argv[2]), argv[3]);
  return 0;
}
