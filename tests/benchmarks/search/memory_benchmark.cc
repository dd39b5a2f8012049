// How much memory an index takes that serves from its cache, and what that does
// to searches: see README.md.
//
//   memory_benchmark <count> <dimensions> <folder>
//
// A folder that is not there is made, and its index measured as it is after
// that, by a process that has built it; then another starts with it.

#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "services/search/index_cache.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/search/search_data.h"
#include "tests/benchmarks/search/search_database.h"

namespace engram::benchmarks {
namespace {

namespace fs = std::filesystem;

constexpr int kQueries = 1000;
constexpr int kLimit = 10;
constexpr int kRounds = 7;

// Of memory of this process that is no file's, in bytes.
int64_t AnonymousBytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    long long kilobytes = 0;
    if (std::sscanf(line.c_str(), "RssAnon: %lld", &kilobytes) == 1) {
      return kilobytes * 1024;
    }
  }
  Expect(false, "the kernel does not tell");
  return 0;
}

// Searches, so that what that takes is there, too.
void Search(const search::Index& index, const SearchData& data) {
  for (int64_t query = 0; query < data.queries; ++query) {
    const auto found = index.Search(
        absl::MakeConstSpan(&data.query_rows[query * data.dimensions],
                            data.dimensions),
        kLimit, search::AnyRow);
    Expect(found.candidates.size() == kLimit, "a query finds too little");
  }
}

// Searches in a second of processor time: the median of some rounds.
double Rate(const search::Index& index, const SearchData& data) {
  const auto now = [] {
    timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_nsec) / 1e9;
  };
  Search(index, data);
  std::vector<double> rates;
  for (int round = 0; round < kRounds; ++round) {
    const double start = now();
    Search(index, data);
    rates.push_back(static_cast<double>(data.queries) / (now() - start));
  }
  std::sort(rates.begin(), rates.end());
  return rates[rates.size() / 2];
}

void Print(absl::string_view what, int64_t bytes, int64_t count,
           absl::string_view goal) {
  PrintRow(
      what,
      Rounded(static_cast<double>(bytes) / static_cast<double>(count), "%.1f"),
      "", "", goal);
}

void PrintMemory(absl::string_view when, int64_t empty,
                 const search::Index& index, const SearchData& queries) {
  Search(index, queries);
  const int64_t grown = AnonymousBytes() - empty;
  const search::IndexStats stats = index.Stats();
  Expect(stats.graph_vectors == stats.vectors, "not all is in the graph");
  const int64_t count = stats.vectors;
  Print(absl::StrCat(count, " x ", queries.dimensions, ", ", when,
                     ", bytes a vector"),
        grown, count,
        count == 1'000'000 && queries.dimensions == 384 ? "<= 560" : "");
  Print("codes", stats.memory.codes, count, "");
  Print("links", stats.memory.graph, count, "");
  Print("keys and records", stats.memory.records, count, "");
  Print("vectors that are not mapped", stats.memory.vectors, count, "");
  Print("all else", grown - stats.memory.total(), count, "");
  Print("beside it, mapped", stats.memory.mapped, count, "");
}

void MeasureBuilt(int64_t count, int dimensions, const std::string& folder) {
  const SearchData queries =
      MakeClusteredData(1, dimensions, kQueries, /*limit=*/1);
  const int64_t empty = AnonymousBytes();
  SearchData data = MakeClusteredData(count, dimensions, 1, 1);
  const auto database = MakeDatabase(data);
  data = SearchData();
  const double in_memory = Rate(*IndexOf(*database), queries);
  search::IndexCache cache(folder);
  Expect(cache.Save(*database).ok(), "the cache cannot be saved");
  const double mapped = Rate(*IndexOf(*database), queries);
  PrintRow(absl::StrCat(count, " x ", dimensions,
                        ", searches/s: mapped vectors, and in memory"),
           Rounded(mapped), Rounded(in_memory),
           Rounded(mapped / in_memory, "%.2f x"), "");
  PrintMemory("built and saved", empty, *IndexOf(*database), queries);
}

void MeasureLoaded(int dimensions, const std::string& folder) {
  const SearchData queries =
      MakeClusteredData(1, dimensions, kQueries, /*limit=*/1);
  const int64_t empty = AnonymousBytes();
  const auto database = search::IndexCache(folder).Load();
  Expect(database != nullptr, "the cache cannot be loaded");
  PrintMemory("started", empty, *IndexOf(*database), queries);
}

void Measure(int64_t count, int dimensions, const std::string& folder) {
  if (!fs::exists(folder)) {
    // What it leaves in its heap does not count for the next.
    const pid_t builder = fork();
    if (builder == 0) {
      MeasureBuilt(count, dimensions, folder);
      std::fflush(stdout);
      _exit(0);
    }
    int status = 1;
    Expect(
        builder > 0 && waitpid(builder, &status, 0) == builder && status == 0,
        "the index cannot be built");
  }
  MeasureLoaded(dimensions, folder);
}

}  // namespace
}  // namespace engram::benchmarks

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr,
                 "usage: memory_benchmark <count> <dimensions> <folder>\n");
    return 2;
  }
  engram::benchmarks::Measure(std::atoll(argv[1]), std::atoi(argv[2]), argv[3]);
  return 0;
}
