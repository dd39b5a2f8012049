#include "services/search/batch_query_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/rpc_status.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/occupied_backend.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::FakeEmbeddingService;
using ::engram::search::testing::OccupiedBackend;
using ::engram::search::testing::SearchTest;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;

class BatchQueryTest : public SearchTest {
 protected:
  absl::StatusOr<v1::BatchQueryResponse> BatchQuery(
      const std::vector<v1::QueryRequest>& queries,
      absl::Duration timeout = absl::Seconds(20)) {
    grpc::ClientContext context;
    SetDeadline(context, timeout);
    v1::BatchQueryRequest request;
    for (const v1::QueryRequest& query : queries)
      *request.add_queries() = query;
    v1::BatchQueryResponse response;
    RETURN_IF_ERROR(
        FromGrpcStatus(search_->BatchQuery(&context, request, &response)));
    return response;
  }

  static absl::Status ErrorOf(const v1::BatchQueryAnswer& answer) {
    return FromRpcStatus(answer.error());
  }
};

TEST_F(BatchQueryTest, EachIsAnsweredAsItWouldBeAloneInTheOrderAsked) {
  StartSearch();
  WriteAndIndex({"a", "ab", "b", "bc", "c"});
  std::vector<v1::QueryRequest> queries;
  for (int i = 0; i < kMaxBatchQueries; ++i) {
    queries.push_back(i % 3 == 0 ? VectorQuery({1, static_cast<float>(i), 0, 0})
                                 : TextQuery(i % 3 == 1 ? "bbc" : "aab"));
    queries.back().set_limit(1 + i % 5);
    if (i % 2 == 0) {
      queries.back().mutable_include()->mutable_fields()->add_paths("body");
    }
  }
  const int calls = embedding_.calls();
  ASSERT_OK_AND_ASSIGN(const auto answered, BatchQuery(queries));
  EXPECT_EQ(embedding_.calls(), calls + 1);
  ASSERT_EQ(answered.answers_size(), kMaxBatchQueries);
  for (int i = 0; i < kMaxBatchQueries; ++i) {
    ASSERT_TRUE(answered.answers(i).has_response()) << i;
    ASSERT_OK_AND_ASSIGN(const auto alone, Query(queries[i]));
    const v1::QueryResponse& response = answered.answers(i).response();
    ASSERT_EQ(response.hits_size(), 1 + i % 5);
    for (int j = 0; j < response.hits_size(); ++j) {
      EXPECT_EQ(response.hits(j).SerializeAsString(),
                alone.hits(j).SerializeAsString());
    }
    EXPECT_EQ(response.position(), alone.position());
  }
}

TEST_F(BatchQueryTest, OneThatFailsHasItsErrorAndTheOthersTheirAnswers) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  v1::QueryRequest unknown = TextQuery("a");
  unknown.set_collection("memories");
  v1::QueryRequest late = TextQuery("b");
  late.set_min_position(Write("c", "c"));  // Never embedded.
  const absl::Time begin = absl::Now();
  constexpr absl::Duration kTimeout = absl::Seconds(1);
  ASSERT_OK_AND_ASSIGN(
      const auto answered,
      BatchQuery({TextQuery("a"), unknown, VectorQuery({1, 2}), TextQuery(""),
                  TextQuery(FakeEmbeddingService::kRefused), TextQuery("xyz"),
                  late, TextQuery("b")},
                 kTimeout));
  EXPECT_LT(absl::Now() - begin, kTimeout);
  ASSERT_EQ(answered.answers_size(), 8);
  EXPECT_THAT(IdsOf(answered.answers(0).response()), ElementsAre("a", "b"));
  EXPECT_EQ(ReasonOf(ErrorOf(answered.answers(1))),
            common::v1::ERROR_REASON_COLLECTION_UNKNOWN);
  EXPECT_THAT(ErrorOf(answered.answers(2)),
              StatusIs(absl::StatusCode::kInvalidArgument, "vector.values: "));
  EXPECT_THAT(ErrorOf(answered.answers(3)),
              StatusIs(absl::StatusCode::kInvalidArgument, "text: is empty"));
  EXPECT_EQ(ErrorOf(answered.answers(4)).message(), "text: is too long");
  EXPECT_THAT(ErrorOf(answered.answers(5)),
              StatusIs(absl::StatusCode::kInvalidArgument, "no direction"));
  EXPECT_THAT(ErrorOf(answered.answers(6)),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(IdsOf(answered.answers(7).response()), ElementsAre("b", "a"));
}

TEST_F(BatchQueryTest, WithoutEmbeddingOnlyTextsFail) {
  StartSearch();
  WriteAndIndex({"a"});
  embedding_.FailWith({grpc::StatusCode::UNAVAILABLE, "no provider"});
  ASSERT_OK_AND_ASSIGN(
      const auto answered,
      BatchQuery({TextQuery("a"), VectorQuery({1, 0, 0, 0}), TextQuery("b")}));
  for (const int i : {0, 2}) {
    EXPECT_EQ(ReasonOf(ErrorOf(answered.answers(i))),
              common::v1::ERROR_REASON_EMBEDDING_UNAVAILABLE);
  }
  EXPECT_EQ(answered.answers(1).response().hits_size(), 1);
}

TEST_F(BatchQueryTest, OneThatWaitsForAWriteIsEmbeddedByItself) {
  StartSearch();
  WriteAndIndex({"a"});
  v1::QueryRequest waiting = TextQuery("b");
  waiting.set_min_position(Write("b", "b"));
  const int calls = embedding_.calls();
  std::thread embedder([&] { EmbedPending(); });
  const auto answered = BatchQuery({TextQuery("a"), waiting});
  embedder.join();
  ASSERT_OK(answered);
  EXPECT_THAT(IdsOf(answered->answers(1).response()), ElementsAre("b", "a"));
  EXPECT_LE(embedding_.calls(), calls + 2);
}

TEST_F(BatchQueryTest, ItTakesFromOneToSixtyFour) {
  StartSearch();
  EXPECT_THAT(BatchQuery({}), StatusIs(absl::StatusCode::kInvalidArgument,
                                       "queries: has 0 queries; send 1 to 64"));
  EXPECT_THAT(BatchQuery(std::vector<v1::QueryRequest>(65, TextQuery("a"))),
              StatusIs(absl::StatusCode::kInvalidArgument, "has 65"));
}

// The only thread starts them all before it begins with the first search.
TEST_F(BatchQueryTest, SearchesBeyondThePoolsQueueAreShed) {
  options_.threads = 1;
  options_.search_queue = 5;
  StartSearch();
  WriteAndIndex({"a"});
  ASSERT_OK_AND_ASSIGN(
      const auto answered,
      BatchQuery(std::vector<v1::QueryRequest>(20, VectorQuery({1, 0, 0, 0}))));
  for (int i = 0; i < 20; ++i) {
    const v1::BatchQueryAnswer& answer = answered.answers(i);
    EXPECT_EQ(answer.has_response(), i < 5) << i;
    if (i < 5) continue;
    EXPECT_THAT(ErrorOf(answer),
                StatusIs(absl::StatusCode::kResourceExhausted));
  }
}

// Of what clients take two answers of two such records fit in, three do not.
TEST_F(BatchQueryTest, AnswersBeyondWhatAClientTakesFailAloneAndSayTheRemedy) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  constexpr size_t kBytes = 700 << 10;
  for (const char* id : {"a", "b"}) {
    Write(id, absl::StrCat(id, std::string(kBytes, ' ')));
  }
  EmbedPending();
  WaitUntilIndexed();
  v1::QueryRequest large = VectorQuery({1, 0, 0, 0});
  large.mutable_include()->mutable_fields()->add_paths("body");
  v1::QueryRequest small = VectorQuery({0, 1, 0, 0});
  ASSERT_OK_AND_ASSIGN(const auto answered,
                       BatchQuery({large, large, small, large, small}));
  int large_answers = 0;
  for (const int i : {0, 1, 3}) {
    const v1::BatchQueryAnswer& answer = answered.answers(i);
    if (answer.has_response()) {
      ++large_answers;
      EXPECT_GT(answer.response().hits(1).record().ByteSizeLong(), kBytes);
      continue;
    }
    EXPECT_THAT(ErrorOf(answer), StatusIs(absl::StatusCode::kResourceExhausted,
                                          "send fewer queries at once"));
  }
  EXPECT_EQ(large_answers, 2);
  for (const int i : {2, 4}) {
    EXPECT_THAT(IdsOf(answered.answers(i).response()), ElementsAre("b", "a"));
  }
}

class LateBatchQueryTest : public BatchQueryTest {
 protected:
  // A call on its way.
  struct Asked {
    v1::BatchQueryResponse response;
    absl::Status status;
    absl::Notification done;
  };

  std::shared_ptr<Asked> Ask(const std::vector<v1::QueryRequest>& queries,
                             absl::Duration timeout) {
    auto asked = std::make_shared<Asked>();
    v1::BatchQueryRequest request;
    for (const v1::QueryRequest& query : queries)
      *request.add_queries() = query;
    const absl::Time now = absl::Now();
    std::make_shared<BatchQueryCall>(
        backend_.Lend(), CallTimes{.start = now, .deadline = now + timeout},
        &asked->response,
        [asked](const absl::Status& status) {
          asked->status = status;
          asked->done.Notify();
        })
        ->Start(request);
    return asked;
  }

  static constexpr absl::Duration kTimeout = absl::Seconds(2);

  OccupiedBackend backend_{{proxy_.channel(), embedding_.channel()}};
};

TEST_F(LateBatchQueryTest, ASearchThatTakesTooLongFailsAlone) {
  StartSearch();
  WriteAndIndex({"a"});
  v1::QueryRequest quick = VectorQuery({1, 0, 0, 0});
  quick.set_min_position(Newest());
  ASSERT_TRUE(Ask({quick}, absl::Seconds(20))
                  ->done.WaitForNotificationWithTimeout(absl::Seconds(20)));
  v1::QueryRequest slow = quick;
  slow.set_min_position(Write("b", "b"));
  const std::shared_ptr<Asked> asked = Ask({slow, quick}, kTimeout);
  backend_.WaitForThread();  // Both have been started,
  backend_.WaitForThread();  // and the quick one has been answered.
  backend_.Occupy();
  EmbedPending();  // The slow one's turn never comes.
  ASSERT_TRUE(asked->done.WaitForNotificationWithTimeout(kTimeout));
  ASSERT_OK(asked->status);
  ASSERT_EQ(asked->response.answers_size(), 2);
  EXPECT_THAT(ErrorOf(asked->response.answers(0)),
              StatusIs(absl::StatusCode::kDeadlineExceeded,
                       "not answered within the call's time"));
  EXPECT_THAT(IdsOf(asked->response.answers(1).response()), ElementsAre("a"));
  // What it comes to after that changes nothing.
  backend_.LetGo();
  backend_.WaitForThread();
  EXPECT_FALSE(asked->response.answers(0).has_response());
}

TEST_F(LateBatchQueryTest, WhatTheThreadsHaveNoTimeForIsAnsweredInTime) {
  backend_.Occupy();
  const std::shared_ptr<Asked> asked =
      Ask({TextQuery("a"), VectorQuery({1, 0, 0, 0})}, kTimeout);
  ASSERT_TRUE(asked->done.WaitForNotificationWithTimeout(kTimeout));
  ASSERT_OK(asked->status);
  ASSERT_EQ(asked->response.answers_size(), 2);
  for (const v1::BatchQueryAnswer& answer : asked->response.answers()) {
    EXPECT_THAT(ErrorOf(answer), StatusIs(absl::StatusCode::kDeadlineExceeded));
  }
}

}  // namespace
}  // namespace engram::search
