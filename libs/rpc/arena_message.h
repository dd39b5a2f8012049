#ifndef ENGRAM_LIBS_RPC_ARENA_MESSAGE_H_
#define ENGRAM_LIBS_RPC_ARENA_MESSAGE_H_

#include "google/protobuf/arena.h"

namespace engram::rpc {

// One message after the other of a stream, each on an arena that is emptied for
// the next: cheaper where a message holds thousands of small ones, which are
// else made and freed one by one. Not thread-safe.
template <typename Message>
class ArenaMessage {
 public:
  // An empty message, for as long as this object lives and Renew is not called
  // again.
  Message* Renew() {
    arena_.Reset();
    return google::protobuf::Arena::CreateMessage<Message>(&arena_);
  }

 private:
  google::protobuf::Arena arena_;
};

}  // namespace engram::rpc

#endif  // ENGRAM_LIBS_RPC_ARENA_MESSAGE_H_
