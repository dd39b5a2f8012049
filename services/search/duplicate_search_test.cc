#include "services/search/duplicate_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/status/grpc_status.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::SearchTest;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;

// `kind` is held by search, `author` is not.
constexpr char kMemories[] = R"(
collection: memories
fields:
  body: {type: text}
  kind: {type: string, index: true}
  author: {type: string}
vectors:
  body: {source: [body], model: default, metric: cosine}
)";

constexpr char kFarApart[] = R"(
collection: distances
fields:
  body: {type: text}
vectors:
  body: {source: [body], model: default, metric: l2}
)";

class DuplicateSearchTest : public SearchTest {
 protected:
  DuplicateSearchTest() {
    EXPECT_OK(storage_.ApplySchema({kMemories, kFarApart}));
  }

  void Put(const std::string& collection, const std::string& id,
           const std::string& body, const std::string& kind) {
    EXPECT_OK(
        storage_.Upsert(collection, id,
                        collection == "memories"
                            ? absl::StrCat(R"({"body": ")", body,
                                           R"(", "kind": ")", kind, R"("})")
                            : absl::StrCat(R"({"body": ")", body, R"("})")));
  }

  void PutTwins() {
    for (const std::string collection : {"memories", "distances"}) {
      Put(collection, "one", "aaab", "fact");
      Put(collection, "two", "aaaab", "fact");
      Put(collection, "three", "aaab", "rumour");
      Put(collection, "four", "cd", "fact");
      Put(collection, "five", "ccdd", "fact");
      Put(collection, "six", "bbc", "fact");
    }
    EmbedPending();
    WaitUntilIndexed();
  }

  absl::StatusOr<v1::FindDuplicatesResult> FindDuplicates(
      const v1::FindDuplicatesRequest& request) {
    grpc::ClientContext context;
    v1::FindDuplicatesResponse response;
    RETURN_IF_ERROR(
        FromGrpcStatus(search_->FindDuplicates(&context, request, &response)));
    EXPECT_EQ(response.operation().kind(), "find-duplicates");
    ASSIGN_OR_RETURN(const common::v1::Operation operation,
                     Wait(response.operation().name(), absl::Seconds(20)));
    if (operation.state() != common::v1::Operation::STATE_SUCCEEDED) {
      return absl::Status(
          static_cast<absl::StatusCode>(operation.error().code()),
          operation.error().message());
    }
    EXPECT_EQ(operation.progress().done(), operation.progress().total());
    v1::FindDuplicatesResult result;
    EXPECT_TRUE(operation.result().UnpackTo(&result));
    return result;
  }

  static v1::FindDuplicatesRequest Of(const std::string& collection) {
    v1::FindDuplicatesRequest request;
    request.set_collection(collection);
    return request;
  }
};

TEST_F(DuplicateSearchTest, GroupsWhatSaysNearlyTheSame) {
  StartSearch();
  PutTwins();
  ASSERT_OK_AND_ASSIGN(const auto result, FindDuplicates(Of("memories")));
  ASSERT_EQ(result.groups_size(), 2) << result.DebugString();
  EXPECT_THAT(result.groups(0).ids(), ElementsAre("one", "three", "two"));
  EXPECT_EQ(result.groups(0).record_count(), 3);
  // (3, 1) and (4, 1).
  EXPECT_NEAR(result.groups(0).weakest_score(), 0.997, 0.001);
  EXPECT_THAT(result.groups(1).ids(), ElementsAre("five", "four"));
  EXPECT_EQ(result.group_count(), 2);
  EXPECT_EQ(result.record_count(), 5);
  EXPECT_EQ(result.position(), Newest());

  v1::FindDuplicatesRequest looser = Of("memories");
  looser.set_min_score(0.2f);
  looser.set_limit(1);
  ASSERT_OK_AND_ASSIGN(const auto all, FindDuplicates(looser));
  EXPECT_THAT(all.groups(0).ids(),
              ElementsAre("five", "four", "one", "six", "three", "two"));
}

TEST_F(DuplicateSearchTest, AFilterSaysAmongWhich) {
  StartSearch();
  PutTwins();
  v1::FindDuplicatesRequest request = Of("memories");
  request.set_filter("kind = :k");
  ASSERT_OK(engram::json::Parser().ParseObject(R"({"k": "fact"})",
                                               request.mutable_parameters()));
  ASSERT_OK_AND_ASSIGN(const auto result, FindDuplicates(request));
  ASSERT_EQ(result.groups_size(), 2) << result.DebugString();
  EXPECT_THAT(result.groups(0).ids(), ElementsAre("five", "four"));
  EXPECT_THAT(result.groups(1).ids(), ElementsAre("one", "two"));

  request.set_filter("author = :k");
  EXPECT_THAT(FindDuplicates(request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "filter: names a field that search does not hold"));
  request.set_filter("kimd = :k");
  EXPECT_THAT(FindDuplicates(request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "filter: column 1: no field \"kimd\""));
}

// The operation waits for a thread of its own while the schema changes.
TEST_F(DuplicateSearchTest, AFilterIsReadAgainAsTheSchemaChanges) {
  StartSearch();
  PutTwins();
  proxy_.HoldSnapshots();
  // Both threads of operations wait for a snapshot.
  grpc::ClientContext rebuild_context, verify_context, find_context;
  v1::RebuildIndexResponse rebuild;
  ASSERT_TRUE(indexes_->RebuildIndex(&rebuild_context, {}, &rebuild).ok());
  v1::VerifyIndexRequest verify_request;
  verify_request.set_collection("notes");
  v1::VerifyIndexResponse verify;
  ASSERT_TRUE(
      indexes_->VerifyIndex(&verify_context, verify_request, &verify).ok());

  v1::FindDuplicatesRequest request = Of("memories");
  request.set_filter("kind = 'fact'");
  v1::FindDuplicatesResponse found;
  ASSERT_TRUE(search_->FindDuplicates(&find_context, request, &found).ok());
  ASSERT_OK(storage_.ApplySchema({R"(
collection: memories
fields:
  body: {type: text}
  kind: {type: string, index: true}
  author: {type: string}
  source: {type: string}
vectors:
  body: {source: [body], model: default, metric: cosine}
)"}));
  WaitUntilIndexed();
  proxy_.ReleaseSnapshots();

  ASSERT_OK_AND_ASSIGN(const auto ended,
                       Wait(found.operation().name(), absl::Seconds(20)));
  v1::FindDuplicatesResult result;
  ASSERT_TRUE(ended.result().UnpackTo(&result)) << ended.DebugString();
  ASSERT_EQ(result.groups_size(), 2) << result.DebugString();
  EXPECT_THAT(result.groups(1).ids(), ElementsAre("one", "two"));
}

TEST_F(DuplicateSearchTest, OtherMetricsNeedAScore) {
  StartSearch();
  PutTwins();
  v1::FindDuplicatesRequest request = Of("distances");
  EXPECT_THAT(
      FindDuplicates(request),
      StatusIs(absl::StatusCode::kInvalidArgument, "min_score: is missing"));
  request.set_min_score(-0.1f);
  EXPECT_THAT(FindDuplicates(request),
              StatusIs(absl::StatusCode::kInvalidArgument, "min_score: "));
  request.set_min_score(0.001f);
  ASSERT_OK_AND_ASSIGN(const auto result, FindDuplicates(request));
  ASSERT_EQ(result.groups_size(), 2) << result.DebugString();
  EXPECT_THAT(result.groups(0).ids(), ElementsAre("five", "four"));
  EXPECT_THAT(result.groups(1).ids(), ElementsAre("one", "three"));
}

TEST_F(DuplicateSearchTest, ARequestThatMakesNoSenseStartsNothing) {
  StartSearch();
  EXPECT_THAT(FindDuplicates(Of("")),
              StatusIs(absl::StatusCode::kInvalidArgument, "collection: "));
  EXPECT_THAT(FindDuplicates(Of("memorise")),
              StatusIs(absl::StatusCode::kNotFound));
  v1::FindDuplicatesRequest request = Of("memories");
  request.set_limit(1001);
  EXPECT_THAT(FindDuplicates(request),
              StatusIs(absl::StatusCode::kInvalidArgument, "limit: is 1001"));
  request.set_limit(0);
  for (const float score : {1.5f, std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::quiet_NaN()}) {
    request.set_min_score(score);
    EXPECT_THAT(FindDuplicates(request),
                StatusIs(absl::StatusCode::kInvalidArgument, "min_score: "));
  }
}

}  // namespace
}  // namespace engram::search
