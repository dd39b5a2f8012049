#ifndef ENGRAM_SERVICES_EMBEDDING_CONCURRENCY_LIMIT_H_
#define ENGRAM_SERVICES_EMBEDDING_CONCURRENCY_LIMIT_H_

#include <array>
#include <cstddef>

#include "absl/time/time.h"

namespace engram::embedding {

// Finds out how many calls a provider really serves at once, by comparing how
// long calls take beside others with how long they take alone (the rule of TCP
// Vegas). Calls beyond that only queue up over there, where their texts cannot
// be put together any more.
//
// Not thread-safe.
class ConcurrencyLimit {
 public:
  // Never lets more than `most` be under way, at least 1.
  explicit ConcurrencyLimit(int most);

  // How many calls may be under way: 2, one that is served and one that is on
  // its way, or as many as proved to be of use. Now and then it is 1 for a
  // moment, so that a call is alone and its time can be measured.
  int value() const;

  // A call of `texts` texts took `duration`, and when it began there were
  // `under_way`, itself among them.
  void Learn(size_t texts, int under_way, absl::Duration duration);

 private:
  // By the binary logarithm of the texts.
  static constexpr size_t kSizes = 13;

  const int most_;
  int value_;
  // Calls in a row that did not wait over there, with as many under way as may
  // be.
  int unhindered_ = 0;
  // How long a call takes alone; zero is not known.
  std::array<absl::Duration, kSizes> alone_ = {};
  // Whether the first call has ended, which had to connect.
  bool is_warm_ = false;
  int calls_since_alone_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_CONCURRENCY_LIMIT_H_
