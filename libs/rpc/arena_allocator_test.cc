#include "libs/rpc/arena_allocator.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "google/protobuf/struct.pb.h"

namespace engram::rpc {
namespace {

using google::protobuf::ListValue;
using google::protobuf::Struct;
using Holder = grpc::MessageHolder<Struct, ListValue>;

void Fill(Holder& holder) {
  for (int i = 0; i < 100; ++i) {
    const std::string text(1000, 'x');
    (*holder.request()->mutable_fields())[std::to_string(i)].set_string_value(
        text);
    holder.response()->add_values()->set_string_value(text);
  }
}

TEST(ArenaAllocatorTest, NoCallSeesWhatAnEarlierOneLeft) {
  ArenaAllocator<Struct, ListValue> allocator;
  for (int call = 0; call < 3; ++call) {
    Holder* holder = allocator.AllocateMessages();
    EXPECT_EQ(holder->request()->fields_size(), 0);
    EXPECT_EQ(holder->response()->values_size(), 0);
    Fill(*holder);
    holder->Release();
  }
}

TEST(ArenaAllocatorTest, CallsAtOnceHaveMessagesOfTheirOwn) {
  ArenaAllocator<Struct, ListValue> allocator;
  for (int round = 0; round < 2; ++round) {
    std::vector<Holder*> calls;
    std::set<Struct*> requests;
    for (int i = 0; i < 200; ++i) {  // More than are kept.
      calls.push_back(allocator.AllocateMessages());
      Fill(*calls.back());
      requests.insert(calls.back()->request());
    }
    EXPECT_EQ(requests.size(), calls.size());
    for (Holder* call : calls) call->Release();
  }
}

TEST(ArenaAllocatorTest, ServesManyThreads) {
  ArenaAllocator<Struct, ListValue> allocator;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < 200; ++call) {
        Holder* holder = allocator.AllocateMessages();
        Fill(*holder);
        // Calls often end in another thread.
        std::thread([&] { holder->Release(); }).join();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace engram::rpc
