#ifndef ENGRAM_SERVICES_SEARCH_TESTING_STORAGE_PROXY_H_
#define ENGRAM_SERVICES_SEARCH_TESTING_STORAGE_PROXY_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "engram/storage/v1/database.grpc.pb.h"
#include "engram/storage/v1/feed.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "engram/storage/v1/vector.grpc.pb.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::search::testing {

// A wrapper: forwards what search calls to a real storage, and on request
// fails, holds back, repeats or falsifies. Thread-safe.
class StorageProxy {
 public:
  using Alter = std::function<void(storage::v1::WatchChangesResponse&)>;

  // `storage` must outlive this object, and not be restarted meanwhile.
  explicit StorageProxy(storage::testing::TestStorage& storage);
  ~StorageProxy();

  std::shared_ptr<grpc::Channel> channel() { return channel_; }

  // Ends all calls, and every new one, with `Unavailable`.
  void GoAway();
  void ComeBack();

  // Ends the feed, and answers its next WatchChanges with `OutOfRange`.
  void PruneFeed();

  // Lets no change through until released.
  void HoldFeed();
  void ReleaseFeed();

  // Lets no snapshot end until released.
  void HoldSnapshots();
  void ReleaseSnapshots();

  // Sends every response of the feed twice.
  void DeliverTwice();

  // Changes every response of the feed; empty stops that.
  void AlterFeed(Alter alter);

  // Every SearchText ends with this; OK works again.
  void FailSearchText(grpc::Status status);

  // How many snapshots have begun.
  int snapshots() const;

  // How many times records were read, by id or listed.
  int reads() const;

 private:
  class Databases;
  class Feed;
  class Records;
  class Vectors;
  class Passages;

  // A call to the real storage that GoAway can end.
  class Call {
   public:
    Call(StorageProxy& proxy, const grpc::ServerContext& context);
    ~Call();
    grpc::ClientContext* context() { return context_.get(); }

   private:
    StorageProxy& proxy_;
    std::unique_ptr<grpc::ClientContext> context_;
  };

  void CountRead();
  bool IsAway() const;
  // Waits while `held`; false if the call was cancelled meanwhile.
  bool WaitWhile(const bool& held, grpc::ServerContext& context);

  storage::testing::TestStorage& storage_;
  std::unique_ptr<Databases> databases_;
  std::unique_ptr<Feed> feed_;
  std::unique_ptr<Records> records_;
  std::unique_ptr<Vectors> vectors_;
  std::unique_ptr<Passages> passages_;

  mutable absl::Mutex mutex_;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mutex_);
  bool away_ ABSL_GUARDED_BY(mutex_) = false;
  bool pruned_ ABSL_GUARDED_BY(mutex_) = false;
  bool feed_held_ ABSL_GUARDED_BY(mutex_) = false;
  bool snapshots_held_ ABSL_GUARDED_BY(mutex_) = false;
  bool twice_ ABSL_GUARDED_BY(mutex_) = false;
  int snapshots_ ABSL_GUARDED_BY(mutex_) = 0;
  int reads_ ABSL_GUARDED_BY(mutex_) = 0;
  Alter alter_ ABSL_GUARDED_BY(mutex_);
  grpc::Status search_text_failure_ ABSL_GUARDED_BY(mutex_);

  std::unique_ptr<grpc::Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace engram::search::testing

#endif  // ENGRAM_SERVICES_SEARCH_TESTING_STORAGE_PROXY_H_
