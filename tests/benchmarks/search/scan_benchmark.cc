// How near a scan of 8-bit codes comes to what memory can deliver: see
// README.md.
//
//   scan_benchmark [count] [dimensions]

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "libs/hnsw/code_kernels.h"
#include "libs/hnsw/code_range.h"
#include "libs/hnsw/encoded_query.h"
#include "libs/hnsw/huge_array.h"
#include "libs/hnsw/rerank.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/search/timing.h"

namespace engram::benchmarks {
namespace {

constexpr int kRounds = 15;
constexpr int64_t kBlock = 256;

hnsw::HugeArray<uint8_t> RandomCodes(int64_t bytes) {
  hnsw::HugeArray<uint8_t> codes(bytes);
  std::mt19937_64 random(3);
  std::generate(codes.data(), codes.data() + bytes,
                [&] { return static_cast<uint8_t>(random() >> 56 | 1); });
  return codes;
}

// The best of a part of the rows: what a flat index does for one query.
void ScanRows(const hnsw::EncodedQuery& query, const uint8_t* codes,
              int dimensions, int64_t count,
              std::vector<std::pair<int32_t, int64_t>>& best) {
  const hnsw::CodeKernels& kernels = hnsw::BestCodeKernels();
  int32_t scores[kBlock];
  int32_t least = std::numeric_limits<int32_t>::min();
  best.clear();
  for (int64_t first = 0; first < count; first += kBlock) {
    const int64_t rows = std::min(kBlock, count - first);
    kernels.scan(query.codes(), codes + first * dimensions, dimensions, rows,
                 scores);
    for (int64_t i = 0; i < rows; ++i) {
      if (scores[i] <= least) continue;
      best.emplace_back(-scores[i], first + i);
      std::push_heap(best.begin(), best.end());
      if (best.size() <= hnsw::kUsualRerank) continue;
      std::pop_heap(best.begin(), best.end());
      best.pop_back();
      least = -best.front().first;
    }
  }
}

// Reads all bytes and does next to nothing with them: the bandwidth. In
// vectors of 16 bytes, of which every processor reads more at once than memory
// delivers, and as many sums as it has registers to spare.
uint64_t ReadAll(const uint8_t* bytes, int64_t size) {
  using Words = uint64_t __attribute__((vector_size(16)));
  constexpr int kSums = 8;
  const auto* words = reinterpret_cast<const Words*>(bytes);
  Words sums[kSums] = {};
  const int64_t count = size / static_cast<int64_t>(sizeof(Words));
  for (int64_t i = 0; i + kSums <= count; i += kSums) {
#pragma GCC unroll 8
    for (int j = 0; j < kSums; ++j) sums[j] ^= words[i + j];
  }
  uint64_t all = 0;
  for (const Words& sum : sums) all ^= sum[0] ^ sum[1];
  return all;
}

// Does `part` in as many threads, each with its number.
void InThreads(int threads, absl::FunctionRef<void(int thread)> part) {
  std::vector<std::thread> workers;
  workers.reserve(threads);
  for (int i = 1; i < threads; ++i) workers.emplace_back([&, i] { part(i); });
  part(0);
  for (std::thread& worker : workers) worker.join();
}

void Measure(int64_t count, int dimensions, int threads) {
  const hnsw::HugeArray<uint8_t> codes = RandomCodes(count * dimensions);
  std::mt19937_64 random(4);
  std::normal_distribution<float> normal;
  std::vector<float> values(dimensions);
  for (float& value : values) value = normal(random);
  const hnsw::EncodedQuery query(values, hnsw::CodeRange(), hnsw::Metric::kDot);
  const int64_t rows = count / threads;
  std::vector<std::vector<std::pair<int32_t, int64_t>>> best(threads);
  std::vector<uint64_t> read(threads);
  std::vector<double> scans, reads, ratios;
  const double gigabytes =
      static_cast<double>(rows) * threads * dimensions / 1e9;
  for (int round = 0; round < kRounds; ++round) {
    scans.push_back(gigabytes / ClockSeconds([&] {
                      InThreads(threads, [&](int thread) {
                        ScanRows(query,
                                 codes.data() + thread * rows * dimensions,
                                 dimensions, rows, best[thread]);
                      });
                    }));
    reads.push_back(gigabytes / ClockSeconds([&] {
                      InThreads(threads, [&](int thread) {
                        read[thread] =
                            ReadAll(codes.data() + thread * rows * dimensions,
                                    rows * dimensions);
                      });
                    }));
    ratios.push_back(scans.back() / reads.back());
  }
  // Somebody has to want to know.
  if (best[0].empty() || read[0] == 1) std::abort();
  PrintRow(absl::StrCat("scan of ", count, " x ", dimensions, " codes, ",
                        threads, threads == 1 ? " thread, " : " threads, ",
                        hnsw::BestCodeKernels().name),
           Rounded(Median(scans), "%.1f GB/s"),
           Rounded(Median(reads), "%.1f GB/s"),
           absl::StrCat(Rounded(100 * Median(ratios)), " %"), ">= 80 %");
}

int Main(int argc, char** argv) {
  int64_t count = 2'000'000;
  int dimensions = 256;
  if ((argc > 1 && !absl::SimpleAtoi(argv[1], &count)) ||
      (argc > 2 && !absl::SimpleAtoi(argv[2], &dimensions))) {
    std::fprintf(stderr, "usage: scan_benchmark [count] [dimensions]\n");
    return 2;
  }
  for (const int threads : {1, 2}) Measure(count, dimensions, threads);
  return 0;
}

}  // namespace
}  // namespace engram::benchmarks

int main(int argc, char** argv) { return engram::benchmarks::Main(argc, argv); }
