// How searches are timed.

#ifndef ENGRAM_TESTS_BENCHMARKS_SEARCH_TIMING_H_
#define ENGRAM_TESTS_BENCHMARKS_SEARCH_TIMING_H_

#include <time.h>

#include "absl/functional/function_ref.h"

namespace engram::benchmarks {

inline double SecondsOf(clockid_t clock, absl::FunctionRef<void()> work) {
  const auto now = [clock] {
    timespec time;
    clock_gettime(clock, &time);
    return static_cast<double>(time.tv_sec) +
           static_cast<double>(time.tv_nsec) / 1e9;
  };
  const double start = now();
  work();
  return now() - start;
}

// How many seconds of processor time, of all threads, `work` took: what else
// the machine does lengthens the time on the clock, but hardly this.
inline double ProcessorSeconds(absl::FunctionRef<void()> work) {
  return SecondsOf(CLOCK_PROCESS_CPUTIME_ID, work);
}

// On the clock.
inline double ClockSeconds(absl::FunctionRef<void()> work) {
  return SecondsOf(CLOCK_MONOTONIC, work);
}

}  // namespace engram::benchmarks

#endif  // ENGRAM_TESTS_BENCHMARKS_SEARCH_TIMING_H_
