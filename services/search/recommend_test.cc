// Queries by records: what is near to one, and Recommend.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::SearchTest;
using ::engram::testing::StatusIs;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class RecommendTest : public SearchTest {
 protected:
  static v1::QueryRequest IdQuery(const std::string& id) {
    v1::QueryRequest request;
    request.set_collection("notes");
    request.set_id(id);
    return request;
  }
  static v1::RecommendRequest Request(
      const std::vector<std::string>& positive,
      const std::vector<std::string>& negative = {}) {
    v1::RecommendRequest request;
    request.mutable_query()->set_collection("notes");
    for (const std::string& id : positive) request.add_positive_ids(id);
    for (const std::string& id : negative) request.add_negative_ids(id);
    return request;
  }
  std::vector<std::string> Recommended(const v1::RecommendRequest& request) {
    const auto found = Recommend(request);
    if (!found.ok()) return {found.status().ToString()};
    std::vector<std::string> ids;
    for (const v1::Hit& hit : found->response().hits()) ids.push_back(hit.id());
    return ids;
  }
};

TEST_F(RecommendTest, FindsWhatIsNearToARecordAndNotTheRecordItself) {
  StartSearch();
  WriteAndIndex({"a", "aab", "ab", "abb", "b"});
  v1::QueryRequest request = IdQuery("aab");
  EXPECT_THAT(Ids(request), ElementsAre("ab", "a", "abb", "b"));
  // As many as are asked for, though it is the nearest itself.
  request.set_limit(2);
  EXPECT_THAT(Ids(request), ElementsAre("ab", "a"));
  request.set_offset(2);
  EXPECT_THAT(Ids(request), ElementsAre("abb", "b"));
  request.mutable_include()->mutable_fields()->add_paths("*");
  EXPECT_THAT(Ids(request), ElementsAre("abb", "b"));
  ASSERT_OK_AND_ASSIGN(const auto found, Query(IdQuery("a")));
  EXPECT_FLOAT_EQ(found.hits(0).score(), 2 / std::sqrt(5.0f));
}

TEST_F(RecommendTest, OfSeveralChunksARecordIsTheMean) {
  ASSERT_OK(storage_.ApplySchema({R"(
collection: images
fields: {name: {type: string}}
vectors:
  pixels: {supplied: true, dimensions: 2, metric: dot}
)"}));
  StartSearch();
  const auto put = [&](const std::string& id,
                       const std::vector<std::vector<float>>& chunks) {
    storage::v1::WriteRequest write;
    storage::v1::WriteItem& item = *write.add_items();
    item.set_collection("images");
    item.mutable_create()->set_id(id);
    storage::v1::SuppliedVectors& vectors =
        *item.mutable_create()->add_vectors();
    vectors.set_vector_field("pixels");
    for (const auto& chunk : chunks) {
      vectors.add_chunks()->set_values(std::string(vector::Pack(chunk)));
    }
    EXPECT_OK(storage_.Write(write));
  };
  put("both", {{4, 0}, {0, 2}});
  put("other", {{3, 5}});
  v1::QueryRequest request = IdQuery("both");
  request.set_collection("images");
  request.set_min_position(Newest());
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  ASSERT_EQ(found.hits_size(), 1);
  EXPECT_EQ(found.hits(0).score(), 2 * 3 + 1 * 5);
}

TEST_F(RecommendTest, ARecordWithoutAVectorIsNotFound) {
  StartSearch();
  WriteAndIndex({"a"});
  Write("later", "ab");  // Not embedded.
  const absl::Status status = Query(IdQuery("later")).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kNotFound,
                       "the index of collection \"notes\" has no vector of "
                       "\"later\""));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kNotFound, "min_position"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_RECORD_UNKNOWN);
  Delete("a");
  EmbedPending();
  WaitUntilIndexed();
  EXPECT_THAT(Query(IdQuery("a")), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(Ids(IdQuery("later")), ElementsAre());
}

TEST_F(RecommendTest, AnExpiredRecordIsNoExample) {
  StartSearch();
  proxy_.AlterFeed([](storage::v1::WatchChangesResponse& response) {
    for (storage::v1::Change& change : *response.mutable_changes()) {
      if (change.record_changed().id() != "a") continue;
      change.mutable_record_changed()->mutable_expire_time()->set_seconds(1);
    }
  });
  WriteAndIndex({"a", "b"});
  EXPECT_THAT(Query(IdQuery("a")), StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecommendTest, FindsWhatTheExamplesHaveInCommonAndNoneOfThem) {
  StartSearch();
  WriteAndIndex({"a", "b", "ab", "abc", "c", "cd", "d"});
  EXPECT_EQ(Recommended(Request({"a", "b"}))[0], "ab");
  EXPECT_THAT(Recommended(Request({"a", "b"})),
              Not(::testing::Contains(::testing::AnyOf("a", "b"))));
}

TEST_F(RecommendTest, NegativesPushAway) {
  StartSearch();
  WriteAndIndex({"aab", "aac", "aad", "b", "c", "d"});
  EXPECT_EQ(Recommended(Request({"aab"}))[0], "aac");
  const auto found = Recommended(Request({"aab"}, {"c"}));
  EXPECT_EQ(found[0], "aad");
  EXPECT_THAT(found, Each(Not(::testing::AnyOf("aab", "c"))));
}

TEST_F(RecommendTest, AllElseIsAsInAQuery) {
  StartSearch();
  WriteAndIndex({"a", "aab", "ab", "abb", "b"});
  v1::RecommendRequest request = Request({"a"});
  request.mutable_query()->set_limit(1);
  request.mutable_query()->set_offset(1);
  request.mutable_query()->set_filter("body LIKE '%b'");
  request.mutable_query()->mutable_include()->mutable_fields()->add_paths("*");
  ASSERT_OK_AND_ASSIGN(const auto found, Recommend(request));
  ASSERT_EQ(found.response().hits_size(), 1);
  EXPECT_EQ(found.response().hits(0).id(), "ab");
  EXPECT_TRUE(found.response().hits(0).has_record());
  EXPECT_EQ(found.response().position(), Newest());
}

TEST_F(RecommendTest, MistakesAreNamedByTheirPaths) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  v1::RecommendRequest request = Request({"a", ""}, {"b", "a"});
  request.mutable_query()->set_limit(-1);
  request.mutable_query()->set_text("x");
  const absl::Status status = Recommend(request).status();
  for (const char* message :
       {"query.limit: is -1", "query.text: is set beside positive_ids",
        "positive_ids[1]: is empty",
        "negative_ids[1]: is one of positive_ids, too"}) {
    EXPECT_THAT(status, StatusIs(kInvalid, message));
  }
  EXPECT_THAT(Recommend(Request({})),
              StatusIs(kInvalid, "positive_ids: is empty"));
  EXPECT_THAT(
      Recommend(Request(std::vector<std::string>(101, "a"))),
      StatusIs(kInvalid, "positive_ids: names 101 records; send at most 100"));
  // What is found out later, too.
  request = Request({"a"});
  request.mutable_query()->set_filter("colour = 1");
  EXPECT_THAT(Recommend(request), StatusIs(kInvalid, "query.filter: column 1"));
  EXPECT_THAT(Recommend(Request({"a", "x", "y"}, {"z"})),
              StatusIs(absl::StatusCode::kNotFound, "\"x\", \"y\", \"z\""));
}

TEST_F(RecommendTest, AQueryNamesWhatItMayBeBy) {
  StartSearch();
  v1::QueryRequest request = IdQuery("");
  EXPECT_THAT(Query(request), StatusIs(kInvalid, "id: is empty"));
  request.clear_id();
  EXPECT_THAT(Query(request),
              StatusIs(kInvalid, "text: is missing, and so are vector and id"));
}

}  // namespace
}  // namespace engram::search
