#ifndef ENGRAM_SERVICES_STORAGE_CALL_JOIN_H_
#define ENGRAM_SERVICES_STORAGE_CALL_JOIN_H_

#include <grpcpp/support/server_callback.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "libs/rpc/reactors.h"

namespace engram::storage {

// Ends a call when all its parts have, with the first error. Thread-safe.
class CallJoin {
 public:
  // Begins with one part, so that the call cannot end while others are added.
  explicit CallJoin(grpc::ServerUnaryReactor* reactor) : reactor_(reactor) {}

  void Add() {
    absl::MutexLock lock(&mutex_);
    ++unfinished_;
  }

  // Ends a part. After the last one the call's messages are gone.
  void End(const absl::Status& status) {
    absl::Status result;
    {
      absl::MutexLock lock(&mutex_);
      status_.Update(status);
      if (--unfinished_ > 0) return;
      result = status_;
    }
    rpc::Finish(reactor_, result);
  }

 private:
  grpc::ServerUnaryReactor* const reactor_;

  absl::Mutex mutex_;
  int unfinished_ ABSL_GUARDED_BY(mutex_) = 1;
  // The first error.
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CALL_JOIN_H_
