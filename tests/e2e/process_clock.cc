#include "tests/e2e/process_clock.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

#ifndef ENGRAM_SET_CLOCK
#error "the build defines ENGRAM_SET_CLOCK, what is to be preloaded"
#endif

namespace engram::e2e {

ProcessClock::ProcessClock(std::string path) : path_(std::move(path)) {
  const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  EXPECT_EQ(ftruncate(fd, sizeof(Offsets)), 0);
  void* const mapped =
      mmap(nullptr, sizeof(Offsets), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  EXPECT_NE(mapped, MAP_FAILED);
  close(fd);
  offsets_ = static_cast<Offsets*>(mapped);
}

ProcessClock::~ProcessClock() { munmap(offsets_, sizeof(Offsets)); }

std::vector<std::string> ProcessClock::Environment() const {
  return {absl::StrCat("LD_PRELOAD=", ENGRAM_SET_CLOCK),
          absl::StrCat("ENGRAM_TEST_CLOCK=", path_)};
}

void ProcessClock::Set(absl::Duration change) {
  offsets_->system_ns += absl::ToInt64Nanoseconds(change);
}

void ProcessClock::Pass(absl::Duration time) {
  offsets_->system_ns += absl::ToInt64Nanoseconds(time);
  offsets_->steady_ns += absl::ToInt64Nanoseconds(time);
}

}  // namespace engram::e2e
