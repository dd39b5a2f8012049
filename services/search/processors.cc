#include "services/search/processors.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace engram::search {
namespace {

// Where both want a processor, a thread of queries gets half as much time
// again: of two processors one such thread has nearly one, and two that build
// have the rest, which takes them less than twice as long. Much nicer ones
// would be left with one processor by it, and with next to nothing by several.
constexpr int kNiceness = 2;

// Processors as share of time; 0 where there is no limit, which is told by
// another word or by a number below 0, or by no file at all.
double Quota(double microseconds, double of_microseconds) {
  return microseconds > 0 && of_microseconds > 0
             ? microseconds / of_microseconds
             : 0;
}

double QuotaOf(const std::string& control_groups) {
  double quota = 0;
  double period = 0;
  // Of version 2 and 1.
  if (std::ifstream(absl::StrCat(control_groups, "/cpu.max")) >> quota >>
      period) {
    return Quota(quota, period);
  }
  const std::string stem = absl::StrCat(control_groups, "/cpu/cpu.cfs_");
  if (std::ifstream(absl::StrCat(stem, "quota_us")) >> quota &&
      std::ifstream(absl::StrCat(stem, "period_us")) >> period) {
    return Quota(quota, period);
  }
  return 0;
}

}  // namespace

int UsableProcessors(const std::string& control_groups) {
  // Those that the process may run on.
  const int processors =
      std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const double quota = QuotaOf(control_groups);
  if (quota == 0) return processors;
  return std::clamp(static_cast<int>(std::ceil(quota)), 1, processors);
}

void YieldToQueries() {
  thread_local bool yields = false;
  if (std::exchange(yields, true)) return;
  // On Linux it is the thread's. A failure, where threads may not be told
  // apart, costs no more than the time.
  (void)!nice(kNiceness);
}

}  // namespace engram::search
