#ifndef ENGRAM_SERVICES_EMBEDDING_CACHING_PROVIDER_H_
#define ENGRAM_SERVICES_EMBEDDING_CACHING_PROVIDER_H_

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "libs/clock/timers.h"
#include "services/embedding/provider_decorator.h"
#include "services/embedding/vector_cache.h"

namespace engram::embedding {

// Pays for no text twice as long as the cache holds its vector. A text whose
// vector is at hand is not asked for; one that was asked for already, by
// whomever, is waited for (single flight). Both are one class, as one lock must
// decide: between a look into the cache and one at what is on its way, the
// vector would slip through.
//
// It also parts callers from calls: a caller gets `DeadlineExceeded` at its
// deadline and `Cancelled` when it leaves, while a text that was sent is
// brought to its end, for the cache. What waits for nobody any more is not
// sent.
//
// Errors are not kept.
class CachingProvider : public ProviderDecorator {
 public:
  // The references must outlive this object.
  CachingProvider(std::unique_ptr<Provider> next, VectorCache& cache,
                  Timers& timers, prometheus::Registry& registry);
  // Shuts down, and waits until what was sent has come back.
  ~CachingProvider() override;

  void Start(const EmbedCall& call, EmbedDone done) override;
  void Shutdown() override;

 private:
  // A caller's call, until it is answered.
  struct Waiting;
  using WaitingPtr = std::shared_ptr<Waiting>;
  // A text that is on its way, and who waits for it.
  struct Flight;
  // Texts that were sent in one call.
  struct Group;
  using GroupPtr = std::shared_ptr<Group>;

  // Answers texts of `waiting` from the cache, joins it to flights, and returns
  // those that must be sent; null if there are none.
  GroupPtr Board(const WaitingPtr& waiting, const std::vector<VectorKey>& keys);
  void Join(const WaitingPtr& waiting, size_t place, Flight& flight)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Ends `waiting` when its caller leaves or its deadline passes.
  void Watch(const WaitingPtr& waiting);
  void Send(const GroupPtr& group);
  void Land(const Group& group, std::vector<EmbedResult> results);
  // Returns the texts of `group` that were dropped because those who waited
  // left, while somebody new waits for them; null if there are none.
  GroupPtr Reboard(const Group& group, const std::vector<EmbedResult>& results)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Gives texts of `waiting` that have no result `error`, and answers it unless
  // that was done.
  void End(const WaitingPtr& waiting, const absl::Status& error);
  static void Answer(Timers& timers, const WaitingPtr& waiting);

  VectorCache& cache_;
  Timers& timers_;
  prometheus::Counter& hits_;
  prometheus::Counter& joins_;
  prometheus::Counter& misses_;

  absl::Mutex mutex_;
  absl::flat_hash_map<VectorKey, std::shared_ptr<Flight>> flights_
      ABSL_GUARDED_BY(mutex_);
  // Those that wait for a flight.
  absl::flat_hash_set<WaitingPtr> waiting_ ABSL_GUARDED_BY(mutex_);
  // Those under way.
  size_t groups_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_shut_down_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_CACHING_PROVIDER_H_
