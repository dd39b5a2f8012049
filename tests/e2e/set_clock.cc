// Preloaded into a process, lets a test set its clocks (see ProcessClock): what
// the kernel tells is changed by two numbers in a file. Waits that have an end,
// of Abseil and of the standard library, end by these clocks, too; they are
// done in slices, as the kernel does not know when a test sets a clock.

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdlib>

namespace {

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kSlice = 10'000'000;
// Times since the machine's start are below it, those since 1970 are not.
constexpr int64_t kWallTime = 1'000'000'000 * kSecond;

struct Offsets {
  std::atomic<int64_t> system_ns;
  std::atomic<int64_t> steady_ns;
};

// In assembler, as the function of that name is one of those below.
long Kernel(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  long result = number;
  asm volatile("syscall"
               : "+a"(result)
               : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  if (result >= 0 || result < -4095) return result;
  errno = static_cast<int>(-result);
  return -1;
}

const Offsets& OffsetsOf() {
  static const Offsets* const offsets = [] {
    const char* const path = getenv("ENGRAM_TEST_CLOCK");
    const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    void* const mapped =
        fd < 0 ? MAP_FAILED
               : mmap(nullptr, sizeof(Offsets), PROT_READ, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) abort();
    close(fd);
    return static_cast<const Offsets*>(mapped);
  }();
  return *offsets;
}

int64_t OffsetOf(clockid_t clock) {
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
      return OffsetsOf().system_ns;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_BOOTTIME:
      return OffsetsOf().steady_ns;
    default:
      return 0;  // What a thread or a process has used.
  }
}

int64_t Nanos(const timespec& time) {
  return time.tv_sec * kSecond + time.tv_nsec;
}

timespec ToTimespec(int64_t nanos) {
  return {.tv_sec = nanos / kSecond, .tv_nsec = nanos % kSecond};
}

int64_t RealNow(clockid_t clock) {
  timespec now{};
  Kernel(SYS_clock_gettime, clock, reinterpret_cast<long>(&now), 0, 0, 0, 0);
  return Nanos(now);
}

int64_t Now(clockid_t clock) { return RealNow(clock) + OffsetOf(clock); }

// How long a wait until `end` may go on before the clock is looked at again.
int64_t SliceUntil(clockid_t clock, int64_t end) {
  return std::min(end - Now(clock), kSlice);
}

long WaitForFutex(long word, long operation, long value, long end, long mask) {
  const clockid_t clock = (operation & FUTEX_CLOCK_REALTIME) != 0
                              ? CLOCK_REALTIME
                              : CLOCK_MONOTONIC;
  const int64_t wanted = Nanos(*reinterpret_cast<const timespec*>(end));
  const int64_t slice = SliceUntil(clock, wanted);
  const timespec until =
      ToTimespec(RealNow(clock) + std::max<int64_t>(slice, 0));
  const long result = Kernel(SYS_futex, word, operation, value,
                             reinterpret_cast<long>(&until), 0, mask);
  // As after a signal: who waits looks and goes on.
  if (result < 0 && errno == ETIMEDOUT && Now(clock) < wanted) errno = EINTR;
  return result;
}

int WaitForCondition(pthread_cond_t* condition, pthread_mutex_t* mutex,
                     clockid_t clock, const timespec* end) {
  using Wait =
      int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*);
  static const auto wait =
      reinterpret_cast<Wait>(dlsym(RTLD_NEXT, "pthread_cond_clockwait"));
  const int64_t wanted = Nanos(*end);
  const int64_t slice = SliceUntil(clock, wanted);
  if (slice <= 0) return ETIMEDOUT;
  const timespec until = ToTimespec(RealNow(CLOCK_MONOTONIC) + slice);
  const int result = wait(condition, mutex, CLOCK_MONOTONIC, &until);
  // Who waits is ready to be woken for no reason.
  return result == ETIMEDOUT && Now(clock) < wanted ? 0 : result;
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const long result = Kernel(SYS_clock_gettime, clock,
                             reinterpret_cast<long>(time), 0, 0, 0, 0);
  if (result == 0) *time = ToTimespec(Nanos(*time) + OffsetOf(clock));
  return static_cast<int>(result);
}

int gettimeofday(timeval* time, void*) noexcept {
  const int64_t now = Now(CLOCK_REALTIME);
  time->tv_sec = now / kSecond;
  time->tv_usec = now % kSecond / 1000;
  return 0;
}

time_t time(time_t* seconds) noexcept {
  const time_t now = Now(CLOCK_REALTIME) / kSecond;
  if (seconds != nullptr) *seconds = now;
  return now;
}

long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  long a[6];
  for (long& argument : a) argument = va_arg(list, long);
  va_end(list);
  if (number == SYS_futex && (a[1] & FUTEX_CMD_MASK) == FUTEX_WAIT_BITSET &&
      a[3] != 0) {
    return WaitForFutex(a[0], a[1], a[2], a[3], a[5]);
  }
  return Kernel(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           clockid_t clock, const timespec* end) {
  return WaitForCondition(condition, mutex, clock, end);
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex,
                           const timespec* end) {
  // Which of the two clocks a condition goes by, only its maker knows.
  return WaitForCondition(
      condition, mutex,
      Nanos(*end) < kWallTime ? CLOCK_MONOTONIC : CLOCK_REALTIME, end);
}

}  // extern "C"
