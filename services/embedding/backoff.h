#ifndef ENGRAM_SERVICES_EMBEDDING_BACKOFF_H_
#define ENGRAM_SERVICES_EMBEDDING_BACKOFF_H_

#include <algorithm>

#include "absl/random/random.h"
#include "absl/time/time.h"

namespace engram::embedding {

// How long to pause between tries: twice as long each time, up to a limit, and
// somewhat at random, so that those who failed together do not return together.
class Backoff {
 public:
  explicit Backoff(absl::Duration limit) : limit_(limit) {}

  // Returns the next pause: half to all of the step that it has reached.
  absl::Duration Next() {
    const absl::Duration step = std::min(step_, limit_);
    step_ = std::min(2 * step, limit_);
    return step * absl::Uniform(random_, 0.5, 1.0);
  }

  // A try succeeded: the next pause is short again.
  void Reset() { step_ = kFirst; }

 private:
  static constexpr absl::Duration kFirst = absl::Milliseconds(100);

  const absl::Duration limit_;
  absl::Duration step_ = kFirst;
  absl::InsecureBitGen random_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_BACKOFF_H_
