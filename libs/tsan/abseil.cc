// Tells ThreadSanitizer of Abseil's locks, and of what else of Abseil hands
// data from one thread to another.
//
// Debian's Abseil is not built for ThreadSanitizer, so what happens under an
// absl::Mutex looks like a race to it. The linker sends our calls here
// (--wrap), where they are announced as Abseil itself would, and go on to the
// real ones. Nothing is suppressed: data that no lock guards is still reported.
// Conditions are the one exception, for Abseil evaluates them inside its own
// calls.

#include <sanitizer/tsan_interface.h>

#include <cstdint>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace {

using absl::Condition;
using absl::CondVar;
using absl::Mutex;

constexpr unsigned kRead = __tsan_mutex_read_lock;

void BeforeLock(Mutex* mutex, unsigned flags = 0) {
  __tsan_mutex_pre_lock(mutex, flags);
}
void AfterLock(Mutex* mutex, unsigned flags = 0) {
  __tsan_mutex_post_lock(mutex, flags, 0);
}

// Announces that a wait gives the lock up, for as long as the object lives.
class Released {
 public:
  explicit Released(Mutex* mutex) : mutex_(mutex) {
    __tsan_mutex_pre_unlock(mutex_, 0);
    __tsan_mutex_post_unlock(mutex_, 0);
    BeforeLock(mutex_);
  }
  ~Released() { AfterLock(mutex_); }

 private:
  Mutex* const mutex_;
};

}  // namespace

// Names of Debian 12's Abseil, in namespace absl::debian3. `this` comes first.
#define ENGRAM_WRAP(result, name, ...)          \
  extern "C" result __real_##name(__VA_ARGS__); \
  extern "C" result __wrap_##name(__VA_ARGS__)

ENGRAM_WRAP(void, _ZN4absl7debian35Mutex4LockEv, Mutex* mutex) {
  BeforeLock(mutex);
  __real__ZN4absl7debian35Mutex4LockEv(mutex);
  AfterLock(mutex);
}

ENGRAM_WRAP(bool, _ZN4absl7debian35Mutex7TryLockEv, Mutex* mutex) {
  BeforeLock(mutex, __tsan_mutex_try_lock);
  const bool locked = __real__ZN4absl7debian35Mutex7TryLockEv(mutex);
  AfterLock(mutex, locked
                       ? __tsan_mutex_try_lock
                       : __tsan_mutex_try_lock | __tsan_mutex_try_lock_failed);
  return locked;
}

ENGRAM_WRAP(void, _ZN4absl7debian35Mutex6UnlockEv, Mutex* mutex) {
  __tsan_mutex_pre_unlock(mutex, 0);
  __real__ZN4absl7debian35Mutex6UnlockEv(mutex);
  __tsan_mutex_post_unlock(mutex, 0);
}

ENGRAM_WRAP(void, _ZN4absl7debian35Mutex10ReaderLockEv, Mutex* mutex) {
  BeforeLock(mutex, kRead);
  __real__ZN4absl7debian35Mutex10ReaderLockEv(mutex);
  AfterLock(mutex, kRead);
}

ENGRAM_WRAP(void, _ZN4absl7debian35Mutex12ReaderUnlockEv, Mutex* mutex) {
  __tsan_mutex_pre_unlock(mutex, kRead);
  __real__ZN4absl7debian35Mutex12ReaderUnlockEv(mutex);
  __tsan_mutex_post_unlock(mutex, kRead);
}

ENGRAM_WRAP(void, _ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE,
            Mutex* mutex, const Condition& condition) {
  BeforeLock(mutex);
  __real__ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE(mutex, condition);
  AfterLock(mutex);
}

ENGRAM_WRAP(void, _ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE, Mutex* mutex,
            const Condition& condition) {
  const Released released(mutex);
  __real__ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE(mutex, condition);
}

ENGRAM_WRAP(
    bool,
    _ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE,
    Mutex* mutex, const Condition& condition, absl::Duration timeout) {
  const Released released(mutex);
  return __real__ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE(
      mutex, condition, timeout);
}

ENGRAM_WRAP(
    bool, _ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE,
    Mutex* mutex, const Condition& condition, absl::Time deadline) {
  const Released released(mutex);
  return __real__ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE(
      mutex, condition, deadline);
}

ENGRAM_WRAP(void, _ZN4absl7debian37CondVar4WaitEPNS0_5MutexE, CondVar* condvar,
            Mutex* mutex) {
  const Released released(mutex);
  __real__ZN4absl7debian37CondVar4WaitEPNS0_5MutexE(condvar, mutex);
}

ENGRAM_WRAP(
    bool, _ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE,
    CondVar* condvar, Mutex* mutex, absl::Duration timeout) {
  const Released released(mutex);
  return __real__ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE(
      condvar, mutex, timeout);
}

ENGRAM_WRAP(bool,
            _ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE,
            CondVar* condvar, Mutex* mutex, absl::Time deadline) {
  const Released released(mutex);
  return __real__ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE(
      condvar, mutex, deadline);
}

ENGRAM_WRAP(void, _ZN4absl7debian35MutexD1Ev, Mutex* mutex) {
  __tsan_mutex_destroy(mutex, 0);
  __real__ZN4absl7debian35MutexD1Ev(mutex);
}

// A notification and a counter hand over what was done before them.

ENGRAM_WRAP(void, _ZN4absl7debian312Notification6NotifyEv, void* notification) {
  __tsan_release(notification);
  __real__ZN4absl7debian312Notification6NotifyEv(notification);
}

ENGRAM_WRAP(void, _ZNK4absl7debian312Notification19WaitForNotificationEv,
            void* notification) {
  __real__ZNK4absl7debian312Notification19WaitForNotificationEv(notification);
  __tsan_acquire(notification);
}

ENGRAM_WRAP(bool, _ZN4absl7debian315BlockingCounter14DecrementCountEv,
            void* counter) {
  __tsan_release(counter);
  return __real__ZN4absl7debian315BlockingCounter14DecrementCountEv(counter);
}

ENGRAM_WRAP(void, _ZN4absl7debian315BlockingCounter4WaitEv, void* counter) {
  __real__ZN4absl7debian315BlockingCounter4WaitEv(counter);
  __tsan_acquire(counter);
}

// So does the last of those who hold a status that several threads had.
ENGRAM_WRAP(void, _ZN4absl7debian36Status15UnrefNonInlinedEm, uintptr_t rep) {
  void* const shared = reinterpret_cast<void*>(rep);
  __tsan_release(shared);
  __tsan_acquire(shared);
  __real__ZN4absl7debian36Status15UnrefNonInlinedEm(rep);
}
