// The clocks of storage and search are set, each by itself, and a minute passes
// in which storage says nothing: answers go on, say how old they may be, and
// what was put off by a clock is not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/vector/vector.h"
#include "tests/e2e/cluster.h"

namespace engram::e2e {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::string_view kCards = R"yaml(
collection: cards
fields:
  name: {type: string}
vectors:
  place: {supplied: true, dimensions: 2, metric: cosine}
expire: {after: 1h}
)yaml";

// So few of them are as many bytes as get a graph.
constexpr int kLargeDimensions = 4096;
constexpr int kManyBytes = 1200;
constexpr absl::string_view kLarge = R"yaml(
collection: large
fields:
  name: {type: string}
vectors:
  place: {supplied: true, dimensions: 4096, metric: cosine}
)yaml";

constexpr absl::Duration kLongJump = absl::Hours(2);

class ClockJumpsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.Start();
    cluster_.ApplySchema(kCards);
    Write("a", 1, 0);
    Write("b", 1, 1);
    cluster_.WaitForPosition(written_);
    request_.set_collection("cards");
    const std::vector<float> values = {1, 0};
    request_.mutable_vector()->set_values(std::string(vector::Pack(values)));
  }

  void Write(const std::string& id, float x, float y) {
    WriteVectors("cards", {id}, {x, y});
  }

  // All of the same vector.
  void WriteVectors(const std::string& collection,
                    const std::vector<std::string>& ids,
                    const std::vector<float>& values) {
    storage::v1::WriteRequest request;
    for (const std::string& id : ids) {
      storage::v1::WriteItem& item = *request.add_items();
      item.set_collection(collection);
      item.mutable_upsert()->set_id(id);
      storage::v1::SuppliedVectors& vectors =
          *item.mutable_upsert()->add_vectors();
      vectors.set_vector_field("place");
      vectors.add_chunks()->set_values(std::string(vector::Pack(values)));
    }
    storage::v1::WriteResponse response;
    const grpc::Status status =
        cluster_.records().Write(Cluster::Context().get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    written_ = response.position();
  }

  search::v1::QueryResponse Query(const std::string& min_position = "") {
    search::v1::QueryRequest request = request_;
    request.set_min_position(min_position);
    search::v1::QueryResponse response;
    const grpc::Status status =
        cluster_.search().Query(Cluster::Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  // What is found by somebody who has just written.
  std::vector<std::string> FindNewest() { return IdsOf(Query(written_)); }
  // What is found by somebody who takes what there is.
  std::vector<std::string> Find() { return IdsOf(Query()); }

  static std::vector<std::string> IdsOf(
      const search::v1::QueryResponse& response) {
    std::vector<std::string> ids;
    for (const auto& hit : response.hits()) ids.push_back(hit.id());
    return ids;
  }

  absl::Duration Lag() {
    const auto lag = Query().lag();
    return absl::Seconds(lag.seconds()) + absl::Nanoseconds(lag.nanos());
  }

  std::string Manifest() const {
    std::ostringstream text;
    text << std::ifstream(cluster_.CacheDirectory() + "/manifest").rdbuf();
    return text.str();
  }

  // Waits until search has seen that its clock was set: Abseil looks at it
  // every two seconds.
  void WaitUntilFound(const std::vector<std::string>& ids) {
    WaitUntil([&] { return Find() == ids; });
  }

  // Asks for so long that search sees meanwhile that its clock was set, also
  // for fields, which it asks of storage.
  int CountFailures() {
    search::v1::QueryRequest request = request_;
    request.mutable_include()->mutable_fields()->add_paths("name");
    int failures = 0;
    for (int tenth = 0; tenth < 30; ++tenth) {
      search::v1::QueryResponse response;
      const grpc::Status status =
          cluster_.search().Query(Cluster::Context().get(), request, &response);
      if (!status.ok()) ++failures;
      absl::SleepFor(absl::Milliseconds(100));
    }
    return failures;
  }

  // Soon by any clock that was not set: what waits by one that was set back
  // takes hours.
  static void WaitUntil(const std::function<bool()>& condition) {
    const absl::Time give_up = absl::Now() + absl::Seconds(20);
    while (!condition()) {
      ASSERT_LT(absl::Now(), give_up);
      absl::SleepFor(absl::Milliseconds(5));
    }
  }

  Cluster cluster_{{"--cache-save-interval", "1s"}, Cluster::WithClocks::kYes};
  std::string written_;
  // For all cards, the nearest to (1, 0) first.
  search::v1::QueryRequest request_;
};

TEST_F(ClockJumpsTest,
       WhereSearchsClockIsSetForwardWhatExpiresIsHiddenTillThen) {
  cluster_.search_clock().Set(kLongJump);
  // To the one that is under way when search sees it, it is too late.
  EXPECT_LE(CountFailures(), 1);
  WaitUntilFound({});
  EXPECT_EQ(Lag(), absl::ZeroDuration());
  // By storage's clock it is not over yet, and it is storage that writes.
  Write("c", 0, 1);
  EXPECT_THAT(FindNewest(), IsEmpty());
  cluster_.search_clock().Set(-kLongJump);
  WaitUntilFound({"a", "b", "c"});
  EXPECT_EQ(cluster_.Verify("cards").difference_count(), 0);
}

TEST_F(ClockJumpsTest, WhereSearchsClockIsSetBackNothingIsPutOff) {
  cluster_.ApplySchema(kLarge);
  const std::string manifest = Manifest();
  cluster_.search_clock().Set(-kLongJump);
  EXPECT_EQ(CountFailures(), 0);
  Write("c", 0, 1);
  EXPECT_THAT(FindNewest(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(Lag(), absl::ZeroDuration());
  // The cache is saved while there are changes.
  WaitUntil([&] {
    Write("d", 0, 1);
    return Manifest() != manifest;
  });
  // So are graphs built.
  const std::vector<float> values(kLargeDimensions, 1.0f);
  std::vector<std::string> ids;
  for (int i = 0; i < kManyBytes; ++i) {
    ids.push_back(absl::StrCat(i));
    if (ids.size() < 100) continue;
    WriteVectors("large", ids, values);
    ids.clear();
  }
  WaitUntil([&] {
    return cluster_.SearchLog().find("graph built") != std::string::npos;
  });
  // Who waits for a position that never comes is told at the time.
  search::v1::WaitForPositionRequest wait;
  wait.set_position(written_.substr(0, written_.rfind('.')) + ".999999");
  search::v1::WaitForPositionResponse reached;
  const grpc::Status status = cluster_.indexes().WaitForPosition(
      Cluster::Context(absl::Milliseconds(300)).get(), wait, &reached);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(cluster_.Verify("cards").difference_count(), 0);
}

// In the pause between two tries to reach storage.
TEST_F(ClockJumpsTest, SetBackWhileStorageIsAwaySearchFindsItAgain) {
  cluster_.storage_process().Kill();
  WaitUntil([&] { return Lag() > absl::ZeroDuration(); });
  cluster_.search_clock().Set(-kLongJump);
  WaitUntilFound({"a", "b"});
  cluster_.StartStorage();
  WaitUntil([&] { return Lag() == absl::ZeroDuration(); });
  Write("c", 0, 1);
  EXPECT_THAT(FindNewest(), ElementsAre("a", "b", "c"));
}

TEST_F(ClockJumpsTest, WhereStoragesClockIsSetWhatItSaysIsFollowed) {
  cluster_.storage_clock().Set(kLongJump);
  // Over by storage's clock: it deletes them, and search hears of it.
  WaitUntil([&] { return Find().empty(); });
  Write("c", 0, 1);
  EXPECT_THAT(FindNewest(), ElementsAre("c"));
  EXPECT_EQ(Lag(), absl::ZeroDuration());
  cluster_.storage_clock().Set(-kLongJump);
  Write("d", 1, 0);
  EXPECT_THAT(FindNewest(), ElementsAre("d", "c"));
  EXPECT_EQ(Lag(), absl::ZeroDuration());
  EXPECT_EQ(cluster_.Verify("cards").difference_count(), 0);
}

// It is there, and says nothing: a machine that is gone looks the same.
TEST_F(ClockJumpsTest,
       WhileStorageIsGoneForAMinuteAnswersGoOnAndSayHowOldTheyAre) {
  EXPECT_EQ(Lag(), absl::ZeroDuration());
  cluster_.storage_process().Pause();
  for (int seconds = 20; seconds <= 60; seconds += 20) {
    cluster_.search_clock().Pass(absl::Seconds(20));
    EXPECT_THAT(Find(), ElementsAre("a", "b"));
    EXPECT_GE(Lag(), absl::Seconds(seconds - 12));
    EXPECT_LE(Lag(), absl::Seconds(seconds + 12));
  }
  search::v1::ListIndexesResponse indexes;
  ASSERT_TRUE(cluster_.indexes()
                  .ListIndexes(Cluster::Context().get(), {}, &indexes)
                  .ok());
  EXPECT_GE(indexes.indexes(0).lag().seconds(), 48);
  cluster_.storage_process().Resume();
  WaitUntil([&] { return Lag() == absl::ZeroDuration(); });
  Write("c", 0, 1);
  EXPECT_THAT(FindNewest(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(cluster_.Verify("cards").difference_count(), 0);
}

}  // namespace
}  // namespace engram::e2e
