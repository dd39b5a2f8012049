#include "services/search/feed_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "libs/position/position.h"
#include "libs/rpc/stream_reader.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/search_server.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

namespace fs = std::filesystem;
using ::engram::search::testing::kNotes;
using ::engram::search::testing::SearchTest;
using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

// Through the whole server, on the real storage.
class FeedFollowerTest : public SearchTest {
 protected:
  // What a query for all notes finds.
  std::vector<std::string> Indexed() { return Find("abcd"); }

  // Has search serve "b", "c" and "d", and then, while it is cut off, sets
  // storage's files back to when they held "a" and "b".
  void WriteAndLose() {
    Write("a", "a");
    Write("b", "b");
    EmbedPending();
    const fs::path kept = cache_.File("storage");
    storage_.Restart([&] {
      fs::copy(storage_.data_dir(), kept, fs::copy_options::recursive);
    });
    StartSearch();
    WriteAndIndex({"c", "d"});
    Delete("a");
    WaitUntilIndexed();
    proxy_.GoAway();
    storage_.Restart([&] {
      fs::remove_all(storage_.data_dir());
      fs::copy(kept, storage_.data_dir(), fs::copy_options::recursive);
    });
    ASSERT_THAT(Indexed(), UnorderedElementsAre("b", "c", "d"));
  }
};

TEST_F(FeedFollowerTest, AnEmptyIndexIsBuiltFromASnapshot) {
  Write("a", "a");
  Write("b", "b");
  EmbedPending();
  StartSearch();
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 1);
}

TEST_F(FeedFollowerTest, ChangesFollow) {
  StartSearch();
  WriteAndIndex({"a", "b", "c"});
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b", "c"));
  Delete("b");
  WaitUntilIndexed();
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "c"));
  Write("c", "");  // No text, no vector.
  WaitUntilIndexed();
  EXPECT_THAT(Indexed(), ElementsAre("a"));
}

TEST_F(FeedFollowerTest, ARestartGoesOnFromTheCacheWithoutASnapshot) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  StopSearch();
  Write("c", "c");
  EmbedPending();
  Delete("a");
  StartSearch();
  EXPECT_THAT(Indexed(), UnorderedElementsAre("b", "c"));
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 0);
}

TEST_F(FeedFollowerTest, ReplaysWhatTheCacheHadNotSaved) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  StopSearch();  // Saves.
  StartSearch();
  WriteAndIndex({"c"});
  Delete("a");
  WaitUntilIndexed();
  CrashAndRestart();  // "c" and the delete were applied in memory only.
  WaitUntilIndexed();
  EXPECT_THAT(Indexed(), UnorderedElementsAre("b", "c"));
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 0);
}

TEST_F(FeedFollowerTest, ACacheThatIsDamagedIsBuiltAgain) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  StopSearch();
  for (const auto& entry :
       fs::directory_iterator(fs::path(cache_.path()) / "cache" / "default")) {
    if (entry.path().extension() == ".vectors") {
      std::ofstream(entry.path(), std::ios::app) << "x";
    }
  }
  StartSearch();
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 1);
}

TEST_F(FeedFollowerTest, ChangesDeliveredTwiceDoNoHarm) {
  proxy_.DeliverTwice();
  StartSearch();
  WriteAndIndex({"a", "b"});
  Delete("a");
  WriteAndIndex({"c"});
  EXPECT_THAT(Indexed(), UnorderedElementsAre("b", "c"));
  ASSERT_OK_AND_ASSIGN(const auto result, Verify());
  EXPECT_EQ(result.difference_count(), 0);
}

TEST_F(FeedFollowerTest,
       AfterAPrunedPositionTheOldIndexServesUntilTheNewOneIs) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  proxy_.HoldSnapshots();
  proxy_.PruneFeed();
  Delete("a");
  const std::string deleted = Newest();
  // The new index cannot be complete while the snapshot is held.
  EXPECT_THAT(WaitForPosition(deleted, absl::Milliseconds(300)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b"));
  proxy_.ReleaseSnapshots();
  ASSERT_THAT(WaitForPosition(deleted), IsOk());
  EXPECT_THAT(Indexed(), ElementsAre("b"));
  EXPECT_EQ(proxy_.snapshots(), 2);
}

TEST_F(FeedFollowerTest, WhileStorageIsAwayAnswersGoOnAndThenItCatchesUp) {
  StartSearch();
  WriteAndIndex({"a"});
  proxy_.GoAway();
  Write("b", "b");
  EmbedPending();
  EXPECT_THAT(Indexed(), ElementsAre("a"));
  EXPECT_TRUE(server_->IsReady());
  proxy_.ComeBack();
  WaitUntilIndexed();
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b"));
}

// As after a power loss of a storage that does not sync each commit: what
// serves is of positions that storage never had.
TEST_F(FeedFollowerTest, AStorageThatLostItsNewestCommitsIsFollowedBack) {
  WriteAndLose();
  proxy_.ComeBack();
  WaitUntil([&] { return Indexed().size() == 2; });
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b"));
  EXPECT_EQ(ListIndexes()[0].position(), Newest());
  // Positions that it had are used again, for other changes.
  WriteAndIndex({"ab", "abc"});
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b", "ab", "abc"));
  ASSERT_OK_AND_ASSIGN(const auto result, Verify());
  EXPECT_EQ(result.difference_count(), 0);
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 2);
}

// By then there are other commits at the positions that it has, and beyond.
TEST_F(FeedFollowerTest, AStorageThatHasOtherCommitsMeanwhileIsFollowedBack) {
  WriteAndLose();
  for (const char* id : {"ab", "abc", "abcd"}) Write(id, id);
  EmbedPending();
  EXPECT_GT(Newest(), ListIndexes()[0].position());
  proxy_.ComeBack();
  WaitUntil([&] { return Indexed().size() == 5; });
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b", "ab", "abc", "abcd"));
  EXPECT_EQ(ListIndexes()[0].position(), Newest());
  ASSERT_OK_AND_ASSIGN(const auto result, Verify());
  EXPECT_EQ(result.difference_count(), 0);
}

// A database that was deleted and created again, which search did not see.
TEST_F(FeedFollowerTest, AnEpochThatEndedIsLeftBehind) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  const std::string old_position = Newest();
  proxy_.GoAway();
  storage::testing::TestStorage other;
  ASSERT_OK(other.RegisterModel(testing::FakeEmbeddingService::kModel,
                                testing::FakeEmbeddingService::kFingerprint,
                                4));
  ASSERT_OK(other.ApplySchema({kNotes}));
  other.Restart([&] {
    storage_.Restart([&] {
      fs::remove_all(storage_.data_dir());
      fs::copy(other.data_dir(), storage_.data_dir(),
               fs::copy_options::recursive);
    });
  });
  // Nobody waits for what can never come.
  absl::Status waited;
  std::thread waiting([&] {
    ASSERT_OK_AND_ASSIGN(Position later, Position::Parse(old_position));
    later.sequence += 100;
    waited = WaitForPosition(later.ToString());
  });
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b"));
  proxy_.ComeBack();
  waiting.join();
  EXPECT_EQ(ReasonOf(waited), common::v1::ERROR_REASON_EPOCH_CHANGED) << waited;
  WriteAndIndex({"c"});
  EXPECT_THAT(Indexed(), ElementsAre("c"));
  v1::QueryRequest request = TextQuery("c");
  request.set_min_position(old_position);
  EXPECT_EQ(ReasonOf(Query(request).status()),
            common::v1::ERROR_REASON_EPOCH_CHANGED);
  ASSERT_OK_AND_ASSIGN(const auto result, Verify());
  EXPECT_EQ(result.difference_count(), 0);
}

TEST_F(FeedFollowerTest, SearchStartsBeforeStorageIsThere) {
  Write("a", "a");
  EmbedPending();
  proxy_.GoAway();
  StartSearchSoon();
  EXPECT_FALSE(server_->IsReady());
  proxy_.ComeBack();
  WaitUntilIndexed();
  EXPECT_THAT(Indexed(), ElementsAre("a"));
}

TEST_F(FeedFollowerTest, UntilItHasCaughtUpQueriesAreRefusedWithTheProgress) {
  StartSearch();
  WriteAndIndex({"a"});
  StopSearch();
  Write("b", "b");
  EmbedPending();
  proxy_.HoldFeed();
  StartSearchSoon();
  // The wait ends by its deadline, whatever has been loaded by then.
  EXPECT_THAT(WaitForPosition(Newest(), absl::Milliseconds(300)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  const absl::Status refused = Query(TextQuery("a")).status();
  EXPECT_THAT(refused, StatusIs(absl::StatusCode::kUnavailable, "catching up"));
  EXPECT_EQ(ReasonOf(refused), common::v1::ERROR_REASON_INDEX_NOT_READY);
  EXPECT_FALSE(server_->IsReady());
  proxy_.ReleaseFeed();
  WaitUntilReady();
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b"));
}

TEST_F(FeedFollowerTest, AnswersTellHowLongAgoEverythingWasKnown) {
  StartSearch();
  WriteAndIndex({"a"});
  const auto lag_of_answer = [this] {
    const auto found = Query(TextQuery("a"));
    EXPECT_OK(found);
    return found.ok() ? absl::Seconds(found->lag().seconds()) +
                            absl::Nanoseconds(found->lag().nanos())
                      : absl::ZeroDuration();
  };
  // It is noted only after all is applied.
  WaitUntil([&] { return lag_of_answer() == absl::ZeroDuration(); });
  EXPECT_EQ(ListIndexes()[0].lag().nanos(), 0);

  proxy_.GoAway();
  const absl::Time away = absl::Now();
  Write("b", "b");
  EmbedPending();
  WaitUntil([&] { return lag_of_answer() > absl::Milliseconds(20); });
  const absl::Duration before = lag_of_answer();
  EXPECT_GT(lag_of_answer(), before);
  EXPECT_LT(lag_of_answer(), absl::Now() - away + absl::Seconds(10));
  EXPECT_GT(ListIndexes()[0].lag().nanos(), 0);
  EXPECT_THAT(Indexed(), ElementsAre("a"));

  proxy_.ComeBack();
  WaitUntilIndexed();
  WaitUntil([&] { return lag_of_answer() == absl::ZeroDuration(); });
  EXPECT_THAT(Indexed(), UnorderedElementsAre("a", "b"));
}

TEST_F(FeedFollowerTest, LagAndSizeAreTold) {
  StartSearch();
  WriteAndIndex({"a", "b", "c"});
  const auto indexes = ListIndexes();
  ASSERT_EQ(indexes.size(), 1);
  EXPECT_EQ(indexes[0].database(), "default");
  EXPECT_EQ(indexes[0].collection(), "notes");
  EXPECT_EQ(indexes[0].vector_field(), "body");
  EXPECT_EQ(indexes[0].fingerprint(), "letters-1");
  EXPECT_EQ(indexes[0].dimensions(), 4);
  EXPECT_EQ(indexes[0].metric(), common::v1::METRIC_COSINE);
  EXPECT_EQ(indexes[0].state(), v1::Index::STATE_SERVING);
  EXPECT_EQ(indexes[0].records(), 3);
  EXPECT_EQ(indexes[0].vectors(), 3);
  EXPECT_EQ(indexes[0].pending(), 0);
  EXPECT_EQ(indexes[0].position(), Newest());
  EXPECT_EQ(indexes[0].newest_position(), Newest());
  EXPECT_GT(indexes[0].memory_bytes(), 3 * 4 * 4);
}

// Small pieces that need no server.

class StreamCallTest : public ::testing::Test {
 protected:
  // The changes from now on.
  storage::v1::WatchChangesRequest FromNow() {
    grpc::ClientContext context;
    storage::v1::DatabaseServiceGetResponse response;
    EXPECT_TRUE(storage_.databases().Get(&context, {}, &response).ok());
    storage::v1::WatchChangesRequest request;
    request.set_after_position(response.database().position());
    return request;
  }

  // Returns after `duration`.
  void Pass(absl::Duration duration) {
    absl::Notification passed;
    timer_.At(absl::Now() + duration, [&] { passed.Notify(); });
    passed.WaitForNotification();
  }

  storage::testing::TestStorage storage_;
  DeadlineTimer timer_;
};

TEST_F(StreamCallTest, ACallThatStaysSilentIsCancelled) {
  StreamCall call(timer_, absl::Milliseconds(1));
  grpc::ClientContext context;
  StreamCall::Scope scope(call, context);
  const storage::v1::WatchChangesRequest request = FromNow();
  rpc::StreamReader<storage::v1::WatchChangesResponse> reader(
      context, [&](auto* reactor) {
        storage_.feed().async()->WatchChanges(&context, &request, reactor);
      });
  storage::v1::WatchChangesResponse response;
  while (scope.Read(reader, &response)) {
  }
  EXPECT_THAT(reader.Finish(), StatusIs(absl::StatusCode::kCancelled));
}

// As long as a large index takes to be saved, it is nobody's silence; but what
// comes after it may be.
TEST_F(StreamCallTest, OnlyAWaitForTheNextMessageIsSilence) {
  constexpr absl::Duration kMaxSilence = absl::Milliseconds(400);
  StreamCall call(timer_, kMaxSilence);
  grpc::ClientContext context;
  StreamCall::Scope scope(call, context);
  const storage::v1::WatchChangesRequest request = FromNow();
  rpc::StreamReader<storage::v1::WatchChangesResponse> reader(
      context, [&](auto* reactor) {
        storage_.feed().async()->WatchChanges(&context, &request, reactor);
      });
  storage::v1::WatchChangesResponse response;
  for (const char* name : {"one", "other"}) {
    ASSERT_OK(storage_.ApplySchema(
        {absl::StrCat("collection: ", name, "\nfields: {a: {type: int}}\n")}));
    ASSERT_TRUE(scope.Read(reader, &response));
    Pass(2.5 * kMaxSilence);
  }
  while (scope.Read(reader, &response)) {
  }
  EXPECT_THAT(reader.Finish(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(StreamCallTest, StopEndsAPause) {
  StreamCall call(timer_, absl::InfiniteDuration());
  timer_.At(absl::Now(), [&] { call.Stop(); });
  call.Pause(absl::Hours(1));
  EXPECT_TRUE(call.stopped());
}

TEST(BackoffTest, PausesGrowToTheLimitAndStartOverAfterASuccess) {
  Backoff backoff(absl::Milliseconds(10), absl::Milliseconds(35));
  for (int i = 0; i < 2; ++i) {
    for (const int most : {10, 20, 35, 35}) {
      const absl::Duration pause = backoff.Next();
      EXPECT_LE(pause, absl::Milliseconds(most));
      EXPECT_GE(pause, absl::Milliseconds(most) / 2);
    }
    backoff.Reset();
  }
}

}  // namespace
}  // namespace engram::search
