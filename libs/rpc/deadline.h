// gRPC's deadlines, which are times of the system clock, and ours.
//
// absl::Now() sees only after some two seconds that the system clock was set.
// So no time of the one is compared with one of the other: what both agree on
// is how much time is left.

#ifndef ENGRAM_LIBS_RPC_DEADLINE_H_
#define ENGRAM_LIBS_RPC_DEADLINE_H_

#include <algorithm>
#include <chrono>

#include "absl/time/time.h"

namespace engram::rpc {

// Returns how much time is left until `deadline`, which may be never.
inline absl::Duration TimeUntil(
    std::chrono::system_clock::time_point deadline) {
  return absl::FromChrono(deadline - std::chrono::system_clock::now());
}

// Returns the deadline of a call that may take so long, some years at most.
inline std::chrono::system_clock::time_point DeadlineIn(absl::Duration time) {
  constexpr absl::Duration kLongest = absl::Hours(24 * 365 * 10);
  return std::chrono::system_clock::now() +
         absl::ToChronoNanoseconds(std::min(time, kLongest));
}

}  // namespace engram::rpc

#endif  // ENGRAM_LIBS_RPC_DEADLINE_H_
