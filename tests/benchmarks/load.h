// Makes load and compares two programs by it.

#ifndef ENGRAM_TESTS_BENCHMARKS_LOAD_H_
#define ENGRAM_TESTS_BENCHMARKS_LOAD_H_

#include <functional>
#include <limits>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"

namespace engram::benchmarks {

// What a load came to.
struct LoadResult {
  double calls_per_second = 0;
  absl::Duration p50;
  absl::Duration p99;
};

// When a load ends: no call is begun after either.
struct LoadEnd {
  absl::Duration duration = absl::InfiniteDuration();
  int calls = std::numeric_limits<int>::max();
};

// Begins call number `call`, from 0, and calls `done` at its end, from any
// thread. A call that fails ends the program.
using StartCall = std::function<void(int call, std::function<void()> done)>;

// Keeps as many calls under way as there are clients.
LoadResult RunLoad(int clients, const LoadEnd& end, StartCall start);

// One program's measure, such as calls a second, and the other's.
struct Comparison {
  // The medians.
  double ours = 0;
  double theirs = 0;
  // The median of the rounds' own ratios: what slows a machine for a while
  // slows both programs of a round.
  double ratio = 0;
};

// Measures both `rounds` times, alternately, in one run of one machine.
Comparison Compare(int rounds, absl::FunctionRef<double()> ours,
                   absl::FunctionRef<double()> theirs);

// The processor, the number of its cores and the file system of `directory`.
std::string DescribeMachine(const std::string& directory);

}  // namespace engram::benchmarks

#endif  // ENGRAM_TESTS_BENCHMARKS_LOAD_H_
