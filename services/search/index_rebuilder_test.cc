#include "services/search/index_rebuilder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/clock/clock.h"
#include "libs/position/position.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/index_optimizer.h"
#include "services/search/search_server.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

namespace fs = std::filesystem;
using ::engram::search::testing::SearchTest;
using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Through the whole server, on the real storage.
class IndexRebuilderTest : public SearchTest {
 protected:
  // Waits until queries are refused as no index fits, and returns what they
  // say.
  std::string WaitUntilRefused() {
    std::string refused;
    WaitUntil([&] {
      const auto found = Query(TextQuery("a"));
      EXPECT_THAT(found, StatusIs(absl::StatusCode::kUnavailable));
      refused = std::string(found.status().message());
      return refused.find("does not fit") != std::string::npos;
    });
    return refused;
  }

  absl::StatusOr<common::v1::Operation> StartRebuild(
      const std::string& database = "") {
    grpc::ClientContext context;
    v1::RebuildIndexRequest request;
    request.set_database(database);
    v1::RebuildIndexResponse response;
    const grpc::Status status =
        indexes_->RebuildIndex(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response.operation();
  }

  // Rebuilds, and waits until that has ended.
  common::v1::Operation Rebuild() {
    const auto started = StartRebuild();
    EXPECT_OK(started);
    if (!started.ok()) return {};
    return End(started->name());
  }

  common::v1::Operation End(const std::string& name) {
    const auto ended = Wait(name, absl::Seconds(20));
    EXPECT_OK(ended);
    return ended.ok() ? *ended : common::v1::Operation();
  }

  void Cancel(const std::string& name) {
    grpc::ClientContext context;
    v1::OperationServiceCancelRequest request;
    request.set_name(name);
    v1::OperationServiceCancelResponse response;
    EXPECT_TRUE(operations_->Cancel(&context, request, &response).ok());
  }

  int64_t CountDifferences() {
    const auto result = Verify();
    EXPECT_OK(result);
    return result.ok() ? result->difference_count() : -1;
  }
};

TEST_F(IndexRebuilderTest, AWrongIndexIsRightAfterItAndSoIsItsCache) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  proxy_.AlterFeed([](storage::v1::WatchChangesResponse& response) {
    for (storage::v1::Change& change : *response.mutable_changes()) {
      if (change.has_vectors_stored()) {
        change.mutable_vectors_stored()->clear_chunks();
      }
    }
  });
  WriteAndIndex({"ab"});
  proxy_.AlterFeed({});
  EXPECT_EQ(CountDifferences(), 1);
  StopSearch();  // Saves what is wrong.
  StartSearch();
  EXPECT_EQ(CountDifferences(), 1);

  const common::v1::Operation operation = Rebuild();
  EXPECT_EQ(operation.state(), common::v1::Operation::STATE_SUCCEEDED)
      << operation.DebugString();
  EXPECT_EQ(operation.kind(), "rebuild-index");
  EXPECT_EQ(operation.progress().done(), 3);
  EXPECT_EQ(operation.progress().unit(), "records");
  EXPECT_EQ(CountDifferences(), 0);
  EXPECT_THAT(Find("ab"), ElementsAre("ab", "a", "b"));
  // The position is the same as that of the wrong one in the cache.
  CrashAndRestart();
  WaitUntilReady();
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 0);
  EXPECT_EQ(CountDifferences(), 0);
}

// Nothing of what is written meanwhile is lost, and no answer is of an older
// position than one before it.
TEST_F(IndexRebuilderTest, UnderWritesItEndsWithATrueIndex) {
  StartSearch();
  WriteAndIndex({"a", "ab", "b", "c", "cd"});
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; !done; ++i) {
      const std::string id = absl::StrCat("note-", i % 20);
      if (i % 7 == 6) {
        Delete(id);
      } else {
        Write(id, std::string(1 + i % 5, "abcd"[i % 4]) + "a");
      }
      EmbedPending();
    }
  });
  std::thread reader([&] {
    int64_t last = 0;
    while (!done) {
      const auto found = Query(TextQuery("a"));
      EXPECT_OK(found);
      if (!found.ok()) return;
      const auto position = Position::Parse(found->position());
      EXPECT_OK(position);
      EXPECT_GE(position->sequence, last);
      last = position->sequence;
    }
  });
  for (int i = 0; i < 5; ++i) {
    const common::v1::Operation operation = Rebuild();
    EXPECT_EQ(operation.state(), common::v1::Operation::STATE_SUCCEEDED)
        << operation.DebugString();
    EXPECT_EQ(CountDifferences(), 0);
  }
  done = true;
  writer.join();
  reader.join();
  WaitUntilIndexed();
  EXPECT_EQ(CountDifferences(), 0);
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 6);
}

TEST_F(IndexRebuilderTest, ChangesGoOnMeanwhileAndThereIsOneAtATime) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  proxy_.HoldSnapshots();
  ASSERT_OK_AND_ASSIGN(const auto started, StartRebuild());
  EXPECT_EQ(started.state(), common::v1::Operation::STATE_RUNNING);
  EXPECT_THAT(StartRebuild("default"),
              StatusIs(absl::StatusCode::kAborted,
                       "\"default\" are being rebuilt already"));
  WriteAndIndex({"c"});
  EXPECT_THAT(Find("c"), ElementsAre("c", "a", "b"));
  proxy_.ReleaseSnapshots();
  EXPECT_EQ(End(started.name()).state(),
            common::v1::Operation::STATE_SUCCEEDED);
  EXPECT_THAT(Find("c"), ElementsAre("c", "a", "b"));
  EXPECT_EQ(CountDifferences(), 0);
  // And then another one may begin.
  EXPECT_EQ(Rebuild().state(), common::v1::Operation::STATE_SUCCEEDED);
}

TEST_F(IndexRebuilderTest, CancelledItLeavesWhatServes) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  proxy_.HoldSnapshots();
  ASSERT_OK_AND_ASSIGN(const auto started, StartRebuild());
  Cancel(started.name());
  EXPECT_EQ(End(started.name()).state(),
            common::v1::Operation::STATE_CANCELLED);
  EXPECT_THAT(Find("a"), ElementsAre("a", "b"));
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 1);
  proxy_.ReleaseSnapshots();
  EXPECT_EQ(Rebuild().state(), common::v1::Operation::STATE_SUCCEEDED);
}

TEST_F(IndexRebuilderTest, WithoutStorageItFailsAndWhatServesStays) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  proxy_.HoldSnapshots();
  ASSERT_OK_AND_ASSIGN(const auto started, StartRebuild());
  WaitUntil([&] { return proxy_.snapshots() == 2; });
  proxy_.GoAway();
  const common::v1::Operation operation = End(started.name());
  EXPECT_EQ(operation.state(), common::v1::Operation::STATE_FAILED);
  EXPECT_EQ(operation.error().code(),
            static_cast<int>(absl::StatusCode::kUnavailable));
  EXPECT_THAT(operation.error().message(),
              HasSubstr("what serves stays as it is, start again: "));
  EXPECT_THAT(Find("a"), ElementsAre("a", "b"));
  proxy_.ReleaseSnapshots();
  proxy_.ComeBack();
  WriteAndIndex({"c"});
  EXPECT_EQ(Rebuild().state(), common::v1::Operation::STATE_SUCCEEDED);
  EXPECT_EQ(CountDifferences(), 0);
}

// A follower that cannot go on from where it is stays there for ever; what is
// read anew is beyond it.
TEST_F(IndexRebuilderTest, ItHelpsAFollowerThatIsStuck) {
  StartSearch();
  WriteAndIndex({"a"});
  proxy_.AlterFeed([](storage::v1::WatchChangesResponse& response) {
    for (storage::v1::Change& change : *response.mutable_changes()) {
      if (change.has_vectors_stored() &&
          change.vectors_stored().id() == "long") {
        change.mutable_vectors_stored()->mutable_chunks(0)->set_values("x");
      }
    }
  });
  Write("long", "abcd");
  EmbedPending();
  const std::string position = Newest();
  EXPECT_THAT(WaitForPosition(position, absl::Milliseconds(100)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_EQ(Rebuild().state(), common::v1::Operation::STATE_SUCCEEDED);
  EXPECT_THAT(WaitForPosition(position), IsOk());
  proxy_.AlterFeed({});
  EXPECT_EQ(CountDifferences(), 0);
}

TEST_F(IndexRebuilderTest, WhatDoesNotFitIsRefusedAndWhatServesGoesOn) {
  StartSearch();
  WriteAndIndex({"a", "b", "ab", "c", "bc", "abc", "d"});
  const int64_t bytes = ListIndexes()[0].memory_bytes();
  StopSearch();
  options_.max_index_bytes = bytes + bytes / 2;  // Once, but not twice.
  StartSearch();
  const common::v1::Operation operation = Rebuild();
  EXPECT_EQ(operation.state(), common::v1::Operation::STATE_FAILED);
  EXPECT_EQ(operation.error().code(),
            static_cast<int>(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(operation.error().message(),
              HasSubstr(absl::StrCat("allows ", options_.max_index_bytes)));
  WriteAndIndex({"cd"});
  EXPECT_EQ(Find("cd").at(0), "cd");
  EXPECT_EQ(CountDifferences(), 0);
}

// Without an index that serves, queries say why there is none.
TEST_F(IndexRebuilderTest, AFirstIndexThatDoesNotFitIsRefusedWithTheNumbers) {
  Write("a", "a");
  EmbedPending();
  options_.max_index_bytes = 10;
  StartSearchSoon();
  const std::string refused = WaitUntilRefused();
  EXPECT_THAT(refused, HasSubstr("the index of 1 of about 1 records: takes "));
  EXPECT_THAT(refused, HasSubstr("--max-index-bytes allows 10 together"));
  EXPECT_FALSE(server_->IsReady());
}

// What a save left is asked about as what is built, and stays for a start that
// may take more.
TEST_F(IndexRebuilderTest, ACacheThatDoesNotFitIsRefusedWithTheNumbers) {
  StartSearch();
  WriteAndIndex({"a", "b", "ab"});
  StopSearch();
  options_.max_index_bytes = 100;
  StartSearchSoon();
  const std::string refused = WaitUntilRefused();
  EXPECT_THAT(refused, HasSubstr("the index in the cache: takes "));
  EXPECT_THAT(refused, HasSubstr("--max-index-bytes allows 100 together"));
  EXPECT_FALSE(server_->IsReady());
  // A snapshot would not fit either, and costs storage much.
  EXPECT_EQ(proxy_.snapshots(), 1);
  StopSearch();
  options_.max_index_bytes = 0;
  StartSearch();
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 0);
  EXPECT_THAT(Find("ab"), ElementsAre("ab", "a", "b"));
}

// Search has what storage lost in a power cut, and did not notice yet.
TEST_F(IndexRebuilderTest, AStorageThatIsBehindWhatServesIsNotFollowed) {
  Write("a", "a");
  EmbedPending();
  storage::testing::TestStorage behind;
  storage_.Restart([&] {
    behind.Restart([&] {
      fs::remove_all(behind.data_dir());
      fs::copy(storage_.data_dir(), behind.data_dir(),
               fs::copy_options::recursive);
    });
  });
  Write("b", "b");
  EmbedPending();
  prometheus::Registry registry;
  SearchMetrics metrics(registry);
  DeadlineTimer timer;
  DatabaseWatcher watcher({}, proxy_.channel(), timer, metrics);
  watcher.Start();
  const std::shared_ptr<FeedFollower> follower = watcher.Ensure("default");
  const auto vectors = [&] {
    return follower->index() == nullptr
               ? 0
               : (*follower->index()->Find("notes", ""))->Stats().vectors;
  };
  WaitUntil([&] { return vectors() == 2; });

  MemoryBudget memory(1 << 30, [] { return 0; });
  OperationStore operations(timer, Clock::Real());
  const auto operation = operations.Start("rebuild-index", "records");
  IndexOptimizer optimizer(watcher, /*threads=*/1);
  const absl::Status rebuilt =
      IndexRebuilder(behind.feed(), timer, metrics, memory, optimizer,
                     *follower, *operation)
          .Run();
  EXPECT_THAT(rebuilt, StatusIs(absl::StatusCode::kAborted,
                                "it lost its newest commits"));
  operation->Finish(rebuilt);
  EXPECT_EQ(vectors(), 2);
}

TEST_F(IndexRebuilderTest, OfAnUnknownDatabaseThereIsNone) {
  StartSearch();
  EXPECT_THAT(StartRebuild("nobody"), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace engram::search
