// Ten thousand queries at once: each is answered, or told at once to come
// again. None fails otherwise, and search is as well afterwards as before.

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <deque>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "libs/status/grpc_status.h"
#include "tests/e2e/cluster.h"

namespace engram::e2e {
namespace {

constexpr int kFlood = 10'000;
constexpr int kRecords = 300;
// What search_options.h says may wait for a thread.
constexpr int kQueue = 512;

class QueryFloodTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.Start();
    cluster_.ApplySchema(kNotesSchema);
    RandomText text(3);
    for (int i = 0; i < kRecords; ++i) {
      cluster_.Write("notes", absl::StrCat("n-", i), text(8));
    }
    cluster_.WaitForCoverage("notes");
    const auto found = Find("a river in the mountains");
    ASSERT_TRUE(found.ok()) << found.status();
    before_ = *found;
  }

  static search::v1::QueryRequest QueryFor(const std::string& text) {
    search::v1::QueryRequest request;
    request.set_collection("notes");
    request.set_text(text);
    return request;
  }

  absl::StatusOr<std::vector<std::string>> Find(const std::string& text) {
    search::v1::QueryResponse response;
    const grpc::Status status = cluster_.search().Query(
        Cluster::Context().get(), QueryFor(text), &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return IdsOf(response);
  }

  static std::vector<std::string> IdsOf(
      const search::v1::QueryResponse& response) {
    std::vector<std::string> ids;
    for (const auto& hit : response.hits()) ids.push_back(hit.id());
    return ids;
  }

  // In kB, as /proc/<pid>/status tells it.
  int64_t MemoryOfSearch(const std::string& name) {
    std::ifstream file(
        absl::StrCat("/proc/", cluster_.search_process().pid(), "/status"));
    for (std::string word; file >> word;) {
      int64_t kilobytes = 0;
      if (word == name && file >> kilobytes) return kilobytes;
    }
    ADD_FAILURE() << name;
    return 0;
  }

  Cluster cluster_;
  std::vector<std::string> before_;
};

// Calls that are all under way together.
class Flood {
 public:
  explicit Flood(const std::string& address) {
    for (int i = 0; i < 8; ++i) {
      // Connections of their own, which a common one would not be.
      grpc::ChannelArguments arguments;
      arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
      stubs_.push_back(
          search::v1::SearchService::NewStub(grpc::CreateCustomChannel(
              address, grpc::InsecureChannelCredentials(), arguments)));
    }
  }

  void Send(search::v1::QueryRequest request) {
    Call& call = calls_.emplace_back();
    call.request = std::move(request);
    call.context.set_deadline(
        absl::ToChronoTime(absl::Now() + absl::Minutes(1)));
    stubs_[calls_.size() % stubs_.size()]->async()->Query(
        &call.context, &call.request, &call.response,
        [this, &call](const grpc::Status& status) {
          absl::MutexLock lock(&mutex_);
          call.status = FromGrpcStatus(status);
          ++ended_;
        });
  }

  int ended() const {
    absl::MutexLock lock(&mutex_);
    return ended_;
  }

  struct Answers {
    std::vector<search::v1::QueryResponse> answered;
    int shed = 0;
  };
  // Waits for all. Anything but an answer or being told to come again fails.
  Answers Wait() {
    Answers answers;
    absl::MutexLock lock(&mutex_);
    const auto all_ended = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return ended_ == static_cast<int>(calls_.size());
    };
    mutex_.Await(absl::Condition(&all_ended));
    std::map<std::string, int> others;
    for (Call& call : calls_) {
      if (call.status.ok()) {
        answers.answered.push_back(std::move(call.response));
      } else if (absl::IsResourceExhausted(call.status)) {
        ++answers.shed;
      } else {
        ++others[call.status.ToString()];
      }
    }
    for (const auto& [status, count] : others) {
      ADD_FAILURE() << count << " times " << status;
    }
    return answers;
  }

 private:
  struct Call {
    grpc::ClientContext context;
    search::v1::QueryRequest request;
    search::v1::QueryResponse response;
    absl::Status status;
  };

  std::vector<std::unique_ptr<search::v1::SearchService::Stub>> stubs_;
  // They stay where they are.
  std::deque<Call> calls_;
  mutable absl::Mutex mutex_;
  int ended_ ABSL_GUARDED_BY(mutex_) = 0;
};

TEST_F(QueryFloodTest, EachIsAnsweredOrShed) {
  const int64_t memory = MemoryOfSearch("VmRSS:");
  Flood flood(cluster_.search_address());
  for (int i = 0; i < kFlood; ++i) {
    search::v1::QueryRequest request = QueryFor("a river in the mountains");
    // Short ones, ones that take a thread, and ones that storage is asked for.
    request.set_exact(i % 3 == 1);
    if (i % 3 == 2) request.mutable_include()->mutable_fields()->add_paths("*");
    flood.Send(std::move(request));
  }
  const Flood::Answers answers = flood.Wait();
  for (const auto& answer : answers.answered) {
    ASSERT_EQ(IdsOf(answer), before_);
  }
  RecordProperty("answered", static_cast<int>(answers.answered.size()));
  RecordProperty("shed", answers.shed);
  EXPECT_GE(answers.answered.size(), kQueue);
  const auto after = Find("a river in the mountains");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(*after, before_);
  EXPECT_LT(MemoryOfSearch("VmHWM:") - memory, 500'000);
}

// All of them wait for one write, and its coming sets them off at one moment:
// more than may wait for a thread.
TEST_F(QueryFloodTest, ThoseThatAWriteSetsOffAreAnsweredOrShed) {
  const int64_t memory = MemoryOfSearch("VmRSS:");
  cluster_.embedding_process().Pause();
  const std::string position =
      cluster_.Write("notes", "late", "a river in the mountains");
  Flood flood(cluster_.search_address());
  for (int i = 0; i < kFlood; ++i) {
    search::v1::QueryRequest request = QueryFor("a river in the mountains");
    request.set_min_position(position);
    flood.Send(std::move(request));
  }
  EXPECT_EQ(flood.ended(), 0);
  cluster_.embedding_process().Resume();
  const Flood::Answers answers = flood.Wait();
  for (const auto& answer : answers.answered) {
    ASSERT_EQ(answer.hits(0).id(), "late");
  }
  EXPECT_GE(answers.answered.size(), kQueue / 2);
  EXPECT_GE(answers.shed, kFlood / 10);
  RecordProperty("answered", static_cast<int>(answers.answered.size()));
  const auto after = Find("a river in the mountains");
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->at(0), "late");
  EXPECT_LT(MemoryOfSearch("VmHWM:") - memory, 500'000);
  EXPECT_EQ(cluster_.Verify("notes").difference_count(), 0);
}

}  // namespace
}  // namespace engram::e2e
