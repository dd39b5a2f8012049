#ifndef ENGRAM_LIBS_RPC_ARENA_ALLOCATOR_H_
#define ENGRAM_LIBS_RPC_ARENA_ALLOCATOR_H_

#include <google/protobuf/arena.h>
#include <grpcpp/support/message_allocator.h>

namespace engram::rpc {

// Puts the messages of each call of a method on an arena of their own: an
// answer of many small parts, as a Struct is, is then made and freed in a few
// pieces. Give it to `SetMessageAllocatorFor_<Method>` of a callback service,
// which it must outlive. Thread-safe.
template <typename Request, typename Response>
class ArenaAllocator : public grpc::MessageAllocator<Request, Response> {
 public:
  grpc::MessageHolder<Request, Response>* AllocateMessages() override {
    return new Holder();
  }

 private:
  // gRPC releases it at the end of the call.
  class Holder : public grpc::MessageHolder<Request, Response> {
   public:
    Holder() : arena_(first_block_, sizeof(first_block_)) {
      using google::protobuf::Arena;
      this->set_request(Arena::CreateMessage<Request>(&arena_));
      this->set_response(Arena::CreateMessage<Response>(&arena_));
    }
    void Release() override { delete this; }

   private:
    // Enough for a small call, which then allocates nothing else.
    alignas(8) char first_block_[2048];
    google::protobuf::Arena arena_;
  };
};

}  // namespace engram::rpc

#endif  // ENGRAM_LIBS_RPC_ARENA_ALLOCATOR_H_
