#include "services/search/search_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::SearchTest;
using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SearchServiceTest : public SearchTest {};

TEST_F(SearchServiceTest, FindsByTextTheNearestFirst) {
  StartSearch();
  WriteAndIndex({"a", "ab", "b", "c"});
  EXPECT_THAT(Find("aaab"), ElementsAre("a", "ab", "b", "c"));
  EXPECT_EQ(embedding_.last_purpose(), embedding::v1::PURPOSE_QUERY);
}

TEST_F(SearchServiceTest, FindsByVectorOfAnyLengthUnderCosine) {
  StartSearch();
  WriteAndIndex({"a", "ab", "b"});
  v1::QueryRequest request = VectorQuery({0, 250, 0, 0});
  request.set_limit(2);
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  ASSERT_EQ(found.hits_size(), 2);
  EXPECT_EQ(found.hits(0).id(), "b");
  EXPECT_FLOAT_EQ(found.hits(0).score(), 1);
  EXPECT_EQ(found.hits(1).id(), "ab");
  EXPECT_FLOAT_EQ(found.hits(1).score(), std::sqrt(0.5f));
  EXPECT_EQ(found.metric(), common::v1::METRIC_COSINE);
  EXPECT_EQ(found.position(), Newest());
}

TEST_F(SearchServiceTest, ATargetRecallThatNoSearchCanHaveIsRefused) {
  StartSearch();
  WriteAndIndex({"a", "ab", "b"});
  v1::QueryRequest request = TextQuery("a");
  request.set_target_recall(0.999f);
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  EXPECT_EQ(found.hits_size(), 3);
  request.set_target_recall(1);
  EXPECT_THAT(Query(request), StatusIs(absl::StatusCode::kInvalidArgument,
                                       "target_recall: is 1; send 0.5 to"));
}

TEST_F(SearchServiceTest, AVectorThatDoesNotFitNamesTheFieldAndBothSizes) {
  StartSearch();
  EXPECT_THAT(Query(VectorQuery({1, 2, 3})),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "vector.values: has 3 values; the index wants 4"));
  EXPECT_THAT(Query(VectorQuery({1, 2, 3, NAN})),
              StatusIs(absl::StatusCode::kInvalidArgument, "not finite"));
  EXPECT_THAT(Query(VectorQuery({0, 0, 0, 0})),
              StatusIs(absl::StatusCode::kInvalidArgument, "no direction"));
  EXPECT_THAT(Query(TextQuery("xyz")),
              StatusIs(absl::StatusCode::kInvalidArgument, "text: "));
}

TEST_F(SearchServiceTest, WhatDoesNotExistIsNotFound) {
  StartSearch();
  v1::QueryRequest request = TextQuery("a");
  request.set_collection("memories");
  absl::Status status = Query(request).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "\"memories\""));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_COLLECTION_UNKNOWN);
  request = TextQuery("a");
  request.set_vector_field("image");
  EXPECT_THAT(Query(request), StatusIs(absl::StatusCode::kNotFound, "image"));
  request = TextQuery("a");
  request.set_database("nobody");
  status = Query(request).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "nobody"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_DATABASE_UNKNOWN);
}

// Every query comes right after its write was acknowledged, while the vectors
// are still being made.
TEST_F(SearchServiceTest, AQueryWithMinPositionFindsWhatWasJustWritten) {
  StartSearch();
  for (int i = 0; i < 30; ++i) {
    const std::string id = absl::StrCat("note-", i);
    v1::QueryRequest request = TextQuery("aab");
    request.set_min_position(Write(id, i % 2 == 0 ? "aab" : "aabb"));
    request.set_limit(1000);
    std::thread embedder([&] { EmbedPending(); });
    const auto found = Query(request);
    embedder.join();
    ASSERT_THAT(found, IsOk());
    EXPECT_EQ(found->hits_size(), i + 1);
  }
}

TEST_F(SearchServiceTest, MinPositionReachesACollectionThatWasJustCreated) {
  StartSearch();
  ASSERT_OK_AND_ASSIGN(const auto applied, storage_.ApplySchema({R"(
collection: tasks
fields:
  body: {type: text}
vectors:
  body: {source: [body], model: default, metric: cosine}
)"}));
  v1::QueryRequest request = TextQuery("a");
  request.set_collection("tasks");
  request.set_min_position(applied.position());
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  EXPECT_THAT(found.hits(), IsEmpty());
}

TEST_F(SearchServiceTest, MinPositionWaitsForTheVectorToTheDeadlineAndSaysSo) {
  StartSearch();
  WriteAndIndex({"a"});
  v1::QueryRequest request = TextQuery("a");
  request.set_min_position(Write("b", "b"));  // Never embedded.
  EXPECT_THAT(Query(request, absl::Milliseconds(200)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  // A query that does not ask for it is answered.
  EXPECT_THAT(Find("a"), ElementsAre("a"));
}

TEST_F(SearchServiceTest, APositionOfAnEpochThatHasEndedFailsAtOnce) {
  StartSearch();
  ASSERT_OK_AND_ASSIGN(Position position, Position::Parse(Newest()));
  position.epoch ^= 1;
  v1::QueryRequest request = TextQuery("a");
  request.set_min_position(position.ToString());
  const absl::Status status = Query(request).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_EPOCH_CHANGED);
  EXPECT_EQ(ReasonOf(WaitForPosition(position.ToString())),
            common::v1::ERROR_REASON_EPOCH_CHANGED);
}

TEST_F(SearchServiceTest, ADatabaseIsFollowedFromTheMomentItIsAskedFor) {
  StartSearch();
  grpc::ClientContext context;
  storage::v1::DatabaseServiceCreateRequest create;
  create.set_database("tenant");
  storage::v1::DatabaseServiceCreateResponse created;
  ASSERT_TRUE(storage_.databases().Create(&context, create, &created).ok());
  EXPECT_THAT(WaitForPosition(Newest("tenant")), IsOk());
  v1::QueryRequest request = TextQuery("a");
  request.set_database("tenant");
  EXPECT_THAT(Query(request),
              StatusIs(absl::StatusCode::kNotFound, "no collection"));
}

TEST_F(SearchServiceTest, WithoutEmbeddingTextsFailClearlyAndVectorsAreFound) {
  StartSearch();
  WriteAndIndex({"a"});
  embedding_.FailWith({grpc::StatusCode::UNAVAILABLE, "no provider"});
  const absl::Status status = Query(TextQuery("a")).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, "no provider"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_EMBEDDING_UNAVAILABLE);
  EXPECT_EQ(Query(VectorQuery({1, 0, 0, 0}))->hits_size(), 1);
  embedding_.FailWith({grpc::StatusCode::NOT_FOUND, "no model"});
  EXPECT_EQ(ReasonOf(Query(TextQuery("a")).status()),
            common::v1::ERROR_REASON_MODEL_UNKNOWN);
  embedding_.FailWith(grpc::Status::OK);
  EXPECT_THAT(Find("a"), ElementsAre("a"));
}

TEST_F(SearchServiceTest, VectorsOfTwoModelsNeverMeet) {
  StartSearch();
  WriteAndIndex({"a"});
  embedding_.ChangeFingerprint("letters-2");
  const absl::Status status = Query(TextQuery("a")).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "letters-2"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_FINGERPRINT_MISMATCH);
}

TEST_F(SearchServiceTest, AnExpiredRecordIsHiddenThoughNothingIsReadBack) {
  StartSearch();
  WriteAndIndex({"a", "ab"});
  // As of a collection that expires; the sweep has not come by yet.
  proxy_.AlterFeed([](storage::v1::WatchChangesResponse& response) {
    for (storage::v1::Change& change : *response.mutable_changes()) {
      if (!change.has_record_changed()) continue;
      change.mutable_record_changed()->mutable_expire_time()->set_seconds(
          change.record_changed().id() == "b" ? 1 : 4'000'000'000);
    }
  });
  WriteAndIndex({"b", "abb"});
  EXPECT_THAT(Find("a"), ElementsAre("a", "ab", "abb"));
}

TEST_F(SearchServiceTest, SuppliedVectorsAreFoundByVectorAndNotByText) {
  StartSearch();
  ASSERT_OK_AND_ASSIGN(const auto applied, storage_.ApplySchema({R"(
collection: images
fields:
  name: {type: string}
vectors:
  pixels: {supplied: true, dimensions: 2, metric: cosine}
)"}));
  storage::v1::WriteRequest write;
  storage::v1::WriteItem& item = *write.add_items();
  item.set_collection("images");
  item.mutable_create()->set_id("cat");
  storage::v1::SuppliedVectors& vectors = *item.mutable_create()->add_vectors();
  vectors.set_vector_field("pixels");
  const std::vector<float> values = {0, 2};
  vectors.add_chunks()->set_values(std::string(vector::Pack(values)));
  ASSERT_OK_AND_ASSIGN(const auto written, storage_.Write(write));
  v1::QueryRequest request = VectorQuery({0, 1});
  request.set_collection("images");
  request.set_min_position(written.position());
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  ASSERT_EQ(found.hits_size(), 1);
  EXPECT_EQ(found.hits(0).id(), "cat");
  request.set_text("cat");
  EXPECT_THAT(Query(request), StatusIs(absl::StatusCode::kInvalidArgument,
                                       "give a vector instead"));
}

// Of the schema changes only that search follows them: see DatabaseIndexTest.
TEST_F(SearchServiceTest, ACollectionIsFoundByItsNewNameAtOnce) {
  StartSearch();
  WriteAndIndex({"a"});
  ASSERT_OK_AND_ASSIGN(const auto applied, storage_.ApplySchema({R"(
collection: memos
renamed_from: notes
fields:
  body: {type: text}
vectors:
  body: {source: [body], model: default, metric: cosine}
)"}));
  v1::QueryRequest request = TextQuery("a");
  request.set_collection("memos");
  request.set_min_position(applied.position());
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  EXPECT_EQ(found.hits_size(), 1);
  EXPECT_THAT(Query(TextQuery("a")), StatusIs(absl::StatusCode::kNotFound));
  ASSERT_EQ(ListIndexes().size(), 1);
  EXPECT_EQ(ListIndexes()[0].collection(), "memos");
}

TEST_F(SearchServiceTest, HitsHoldTheFieldsThatWereAskedFor) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  v1::QueryRequest request = TextQuery("a");
  ASSERT_OK_AND_ASSIGN(auto found, Query(request));
  EXPECT_FALSE(found.hits(0).has_record());
  request.mutable_include()->mutable_fields()->add_paths("*");
  ASSERT_OK_AND_ASSIGN(found, Query(request));
  ASSERT_EQ(found.hits_size(), 2);
  EXPECT_EQ(found.hits(0).record().id(), "a");
  EXPECT_EQ(found.hits(0).record().fields().fields().at("body").string_value(),
            "a");
  EXPECT_EQ(found.hits(1).record().id(), "b");
  request.mutable_include()->mutable_fields()->set_paths(0, "colour");
  EXPECT_THAT(Query(request),
              StatusIs(absl::StatusCode::kInvalidArgument, "colour"));
}

TEST_F(SearchServiceTest, RecordsThatVanishedAreReplacedByTheNextCandidates) {
  StartSearch();
  WriteAndIndex({"a", "aab", "ab", "abb", "b"});
  proxy_.HoldFeed();  // The index does not hear of the deletes.
  Delete("a");
  Delete("ab");
  v1::QueryRequest request = TextQuery("a");
  request.set_limit(2);
  request.mutable_include()->mutable_fields()->add_paths("body");
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  ASSERT_EQ(found.hits_size(), 2);
  EXPECT_EQ(found.hits(0).id(), "aab");
  EXPECT_EQ(found.hits(1).id(), "abb");
  request.set_limit(10);
  EXPECT_EQ(Query(request)->hits_size(), 3);
}

TEST_F(SearchServiceTest, ManyQueriesAtOnceAreAnsweredOrShed) {
  StartSearch();
  WriteAndIndex({"a", "ab", "b"});
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&] {
      for (int j = 0; j < 50; ++j) {
        const auto found = Query(TextQuery("a"));
        ASSERT_THAT(found, IsOk());
        ASSERT_EQ(found->hits(0).id(), "a");
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

TEST_F(SearchServiceTest, AStopEndsTheCallsThatWait) {
  StartSearch();
  const std::string never = Write("a", "a");  // Not embedded.
  absl::Status status;
  std::thread waiting([&] { status = WaitForPosition(never); });
  StopSearch();
  waiting.join();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace engram::search
