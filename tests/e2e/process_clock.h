#ifndef ENGRAM_TESTS_E2E_PROCESS_CLOCK_H_
#define ENGRAM_TESTS_E2E_PROCESS_CLOCK_H_

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace engram::e2e {

// The clocks of one process, which a test may set while it runs.
class ProcessClock {
 public:
  // Keeps what they are set to in the file `path`, which it creates.
  explicit ProcessClock(std::string path);
  ~ProcessClock();
  ProcessClock(const ProcessClock&) = delete;
  ProcessClock& operator=(const ProcessClock&) = delete;

  // What a process must have in its environment for it.
  std::vector<std::string> Environment() const;

  // Sets the system clock so much forward or, less than nothing, back.
  void Set(absl::Duration change);
  // Has so much time pass at once: by every clock.
  void Pass(absl::Duration time);

 private:
  struct Offsets {
    std::atomic<int64_t> system_ns;
    std::atomic<int64_t> steady_ns;
  };

  const std::string path_;
  Offsets* offsets_ = nullptr;
};

}  // namespace engram::e2e

#endif  // ENGRAM_TESTS_E2E_PROCESS_CLOCK_H_
