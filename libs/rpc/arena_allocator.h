#ifndef ENGRAM_LIBS_RPC_ARENA_ALLOCATOR_H_
#define ENGRAM_LIBS_RPC_ARENA_ALLOCATOR_H_

#include <google/protobuf/arena.h>
#include <grpcpp/support/message_allocator.h>

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace engram::rpc {

// Puts the messages of each call of a method on an arena of their own: an
// answer of many small parts, as a Struct is, is then made and freed in a few
// pieces. Give it to `SetMessageAllocatorFor_<Method>` of a callback service,
// which it must outlive. Thread-safe.
template <typename Request, typename Response>
class ArenaAllocator : public grpc::MessageAllocator<Request, Response> {
 public:
  grpc::MessageHolder<Request, Response>* AllocateMessages() override {
    std::unique_ptr<Holder> holder = TakeIdle();
    if (holder == nullptr) holder = std::make_unique<Holder>(this);
    holder->Begin();
    return holder.release();
  }

 private:
  // Each has some 2 KiB, which malloc does not give and take back quickly.
  static constexpr size_t kMaxIdle = 64;

  class Holder : public grpc::MessageHolder<Request, Response> {
   public:
    explicit Holder(ArenaAllocator* owner) : owner_(owner) {}

    void Begin() {
      using google::protobuf::Arena;
      // A new one, as an arena is quick only in the thread that made it.
      arena_.emplace(first_block_, sizeof(first_block_));
      this->set_request(Arena::CreateMessage<Request>(&*arena_));
      this->set_response(Arena::CreateMessage<Response>(&*arena_));
    }

    // gRPC calls it at the end of the call.
    void Release() override {
      arena_.reset();
      owner_->Keep(std::unique_ptr<Holder>(this));
    }

   private:
    ArenaAllocator* const owner_;
    // Enough for a small call, which then allocates nothing else.
    alignas(8) char first_block_[2048];
    std::optional<google::protobuf::Arena> arena_;
  };

  std::unique_ptr<Holder> TakeIdle() {
    absl::MutexLock lock(&mutex_);
    if (idle_.empty()) return nullptr;
    std::unique_ptr<Holder> holder = std::move(idle_.back());
    idle_.pop_back();
    return holder;
  }

  void Keep(std::unique_ptr<Holder> holder) {
    absl::MutexLock lock(&mutex_);
    if (idle_.size() < kMaxIdle) idle_.push_back(std::move(holder));
  }

  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Holder>> idle_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::rpc

#endif  // ENGRAM_LIBS_RPC_ARENA_ALLOCATOR_H_
