#ifndef ENGRAM_SERVICES_EMBEDDING_LEASE_KEEPER_H_
#define ENGRAM_SERVICES_EMBEDDING_LEASE_KEEPER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engram/storage/v1/vector.pb.h"
#include "libs/clock/clock.h"
#include "services/embedding/storage_client.h"

namespace engram::embedding {

// Makes leases last while their texts are being embedded, however long a
// provider takes, so that no other process embeds the same texts.
//
// Thread-safe.
class LeaseKeeper {
 public:
  // Leases last for `lease`; each is extended when a third of that has passed.
  // `storage` and `clock` must outlive this object.
  LeaseKeeper(StorageClient& storage, absl::Duration lease,
              const Clock& clock = Clock::Real());

  // Waits for the loop's end; `storage` must be shut down before.
  ~LeaseKeeper();

  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  // Starts a thread that calls RunOnce until `storage` is shut down. Call it
  // once.
  void Start();

  // Extends what is due. Storage that does not answer is asked again by the
  // next call.
  void RunOnce();

 private:
  // Database and number of an entry.
  using Entry = std::pair<std::string, int64_t>;
  struct State {
    int64_t lease_id = 0;
    absl::flat_hash_set<Entry> open;
    absl::flat_hash_set<Entry> lost;
    absl::Time next;
    // Whether a call about it is under way.
    bool is_being_extended = false;
  };

 public:
  // Keeps one lease until the end of the scope. Not thread-safe.
  class Hold {
   public:
    // `keeper` must outlive it.
    Hold(LeaseKeeper& keeper, const storage::v1::LeasePendingResponse& leased);
    ~Hold();

    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

    int64_t lease_id() const { return state_->lease_id; }

    // Whether another has the entry by now.
    bool IsLost(const storage::v1::OutboxEntry& entry) const;

    // Notes that the entry needs no lease any more.
    void Release(const std::string& database, int64_t entry);

    // Lets others have what was not released: at once if storage answers, else
    // when the lease ends.
    void GiveBack();

   private:
    // Takes the lease from the keeper, and returns what is open.
    storage::v1::ExtendLeaseRequest End();

    LeaseKeeper& keeper_;
    const std::shared_ptr<State> state_;
  };

 private:
  storage::v1::ExtendLeaseRequest RequestFor(const State& state) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  StorageClient& storage_;
  const absl::Duration lease_;
  const Clock& clock_;

  mutable absl::Mutex mutex_;
  // What they point to is guarded too.
  std::vector<std::shared_ptr<State>> states_ ABSL_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_LEASE_KEEPER_H_
