// What an answer holds beside ids and scores, and in which order: vectors,
// diversity, explanations.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::LetterVector;
using ::engram::search::testing::SearchTest;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

class QueryAnswerTest : public SearchTest {
 protected:
  static std::vector<std::string> StagesOf(const v1::QueryResponse& response) {
    std::vector<std::string> names;
    for (const v1::Stage& stage : response.explanation().stages()) {
      names.push_back(stage.name());
    }
    return names;
  }
};

TEST_F(QueryAnswerTest, HitsHoldTheirVectorsIfAskedFor) {
  StartSearch();
  WriteAndIndex({"a", "ab", "b"});
  v1::QueryRequest request = TextQuery("a");
  EXPECT_FALSE(Query(request)->hits(0).has_vector());
  request.mutable_include()->set_vector(true);
  for (const bool with_records : {false, true}) {
    if (with_records) {
      request.mutable_include()->mutable_fields()->add_paths("*");
    }
    ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
    ASSERT_EQ(found.hits_size(), 3);
    for (const v1::Hit& hit : found.hits()) {
      EXPECT_EQ(vector::Unpack(hit.vector().values()), LetterVector(hit.id()));
      EXPECT_EQ(hit.has_record(), with_records);
    }
  }
}

TEST_F(QueryAnswerTest, DiverseHitsAreUnlikeEachOther) {
  StartSearch();
  WriteAndIndex({"aaaab", "aaaaab", "aaaaaab", "aaac", "aad", "b"});
  v1::QueryRequest request = TextQuery("a");
  request.set_limit(3);
  EXPECT_THAT(Ids(request), ElementsAre("aaaaaab", "aaaaab", "aaaab"));
  request.set_diversity(0.6f);
  EXPECT_THAT(Ids(request), ElementsAre("aaaaaab", "b", "aad"));
  request.mutable_include()->mutable_fields()->add_paths("*");
  EXPECT_THAT(Ids(request), ElementsAre("aaaaaab", "b", "aad"));
  // What takes the place of a record that vanished is diverse, too.
  proxy_.HoldFeed();
  Delete("aad");
  EXPECT_THAT(Ids(request), ElementsAre("aaaaaab", "b", "aaac"));
}

// Of 4 x limit, not of all.
TEST_F(QueryAnswerTest, DiversityChoosesAmongTheNearest) {
  StartSearch();
  WriteAndIndex({"aaaab", "aaaaab", "aaaaaab", "aaac", "aad", "b", "c", "d"});
  v1::QueryRequest request = TextQuery("a");
  request.set_limit(1);
  request.set_diversity(1);
  EXPECT_THAT(Ids(request), ElementsAre("aaaaaab"));
  request.set_limit(2);
  EXPECT_EQ(Ids(request).size(), 2);
  request.set_limit(1000);
  EXPECT_EQ(Ids(request).size(), 8);
}

TEST_F(QueryAnswerTest, DiversityTakesSimilaritiesAndOnePage) {
  ASSERT_OK(storage_.ApplySchema({R"(
collection: places
fields: {name: {type: string}}
vectors: {at: {supplied: true, dimensions: 2, metric: l2}}
)"}));
  StartSearch();
  v1::QueryRequest request = VectorQuery({0, 0});
  request.set_collection("places");
  request.set_diversity(0.5f);
  request.set_min_position(Newest());
  EXPECT_THAT(Query(request), StatusIs(kInvalid, "diversity: takes a metric"));
  request = TextQuery("a");
  for (const float wrong : {-0.1f, 1.1f, NAN}) {
    request.set_diversity(wrong);
    EXPECT_THAT(Query(request), StatusIs(kInvalid, "send 0 to 1"));
  }
  request.set_diversity(0.5f);
  request.set_offset(10);
  EXPECT_THAT(Query(request),
              StatusIs(kInvalid, "offset: is set beside diversity"));
}

TEST_F(QueryAnswerTest, SaysHowItWasFound) {
  StartSearch();
  WriteAndIndex({"a", "ab", "b"});
  v1::QueryRequest request = TextQuery("a");
  EXPECT_FALSE(Query(request)->has_explanation());
  request.set_explain(true);
  ASSERT_OK_AND_ASSIGN(auto found, Query(request));
  const v1::Explanation& told = found.explanation();
  EXPECT_EQ(told.strategy(), v1::Explanation::STRATEGY_SCAN);
  EXPECT_EQ(told.distances(), 3);
  EXPECT_EQ(told.width(), 0);
  EXPECT_EQ(told.searches(), 1);
  EXPECT_EQ(told.records(), 0);
  EXPECT_THAT(StagesOf(found), ElementsAre("embed", "search"));
  EXPECT_GT(told.stages(0).duration().nanos(), 0);

  request.set_min_position(Newest());
  request.mutable_include()->mutable_fields()->add_paths("*");
  ASSERT_OK_AND_ASSIGN(found, Query(request));
  EXPECT_THAT(StagesOf(found),
              ElementsAre("wait", "embed", "search", "hydrate"));
}

TEST_F(QueryAnswerTest, SaysHowManyRecordsMeetTheFilter) {
  ASSERT_OK(storage_.ApplySchema({R"(
collection: memories
fields:
  body: {type: text}
  stars: {type: int, index: true}
  author: {type: string}
vectors:
  body: {source: [body], model: default, metric: cosine}
)"}));
  StartSearch();
  for (int i = 0; i < 20; ++i) {
    EXPECT_OK(
        storage_.Upsert("memories", absl::StrCat("m", i),
                        absl::StrCat(R"({"body": "ab", "stars": )", i, "}")));
  }
  EmbedPending();
  WaitUntilIndexed();
  v1::QueryRequest request = TextQuery("a");
  request.set_collection("memories");
  request.set_explain(true);
  request.set_filter("stars < 10");
  ASSERT_OK_AND_ASSIGN(auto found, Query(request));
  EXPECT_EQ(found.explanation().strategy(), v1::Explanation::STRATEGY_SCAN);
  EXPECT_EQ(found.explanation().matching_records(), 10);
  EXPECT_EQ(found.explanation().records(), 20);
  request.set_filter("stars = 7");
  ASSERT_OK_AND_ASSIGN(found, Query(request));
  EXPECT_EQ(found.explanation().strategy(),
            v1::Explanation::STRATEGY_SCAN_MATCHING);
  EXPECT_EQ(found.explanation().distances(), 1);
  // Nobody here knows.
  request.set_filter("author IS NULL");
  ASSERT_OK_AND_ASSIGN(found, Query(request));
  EXPECT_EQ(found.explanation().matching_records(), 0);
  EXPECT_THAT(StagesOf(found), ElementsAre("embed", "search", "hydrate"));
}

}  // namespace
}  // namespace engram::search
