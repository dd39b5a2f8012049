// Queries by words, and by words and meaning, from storage's full-text index to
// what is found.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::SearchTest;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSupersetOf;
using ::testing::UnorderedElementsAre;

// The model sees the letters a to d, the words used here have none of them.
constexpr char kPosts[] = R"(
collection: posts
fields:
  body: {type: text}
  kind: {type: string, index: true}
full_text: [body]
vectors:
  body: {source: [body], model: default, metric: cosine}
)";

constexpr char kLogs[] = R"(
collection: logs
fields:
  line: {type: text}
full_text: [line]
)";

class QueryModesTest : public SearchTest {
 protected:
  QueryModesTest() { EXPECT_OK(storage_.ApplySchema({kPosts, kLogs})); }

  std::string Put(const std::string& id, const std::string& body,
                  const std::string& kind = "fact") {
    const auto written = storage_.Upsert(
        "posts", id,
        absl::StrCat(R"({"body": ")", body, R"(", "kind": ")", kind, "\"}"));
    EXPECT_OK(written);
    return written.ok() ? written->position() : "";
  }

  // By meaning "a" they are m1, m2, m3, w2, w1; the word fish is in w1 and w2,
  // of which w1 has it more often.
  void PutFive() {
    Put("m1", "aaaa");
    Put("m2", "aaab");
    Put("m3", "aabb");
    Put("w1", "bbb fish fish fish");
    Put("w2", "abbb fish in some very long stones");
    EmbedPending();
    WaitUntilIndexed();
  }

  static v1::QueryRequest PostQuery(const std::string& text,
                                    v1::QueryRequest::Mode mode) {
    v1::QueryRequest request = TextQuery(text);
    request.set_collection("posts");
    request.set_mode(mode);
    return request;
  }
  static v1::QueryRequest Keyword(const std::string& text) {
    return PostQuery(text, v1::QueryRequest::MODE_KEYWORD);
  }
  static v1::QueryRequest Hybrid(const std::string& text) {
    return PostQuery(text, v1::QueryRequest::MODE_HYBRID);
  }

  std::vector<std::string> FindAll(const v1::QueryRequest& request) {
    const auto found = Query(request);
    if (!found.ok()) return {found.status().ToString()};
    return IdsOf(*found);
  }

  static std::vector<std::string> StagesOf(const v1::QueryResponse& response) {
    std::vector<std::string> names;
    for (const v1::Stage& stage : response.explanation().stages()) {
      names.push_back(stage.name());
    }
    return names;
  }

  absl::StatusOr<storage::v1::SearchTextResponse> SearchText(
      const std::string& query) {
    grpc::ClientContext context;
    storage::v1::SearchTextRequest request;
    request.set_collection("posts");
    request.set_query(query);
    storage::v1::SearchTextResponse response;
    RETURN_IF_ERROR(FromGrpcStatus(
        storage_.records().SearchText(&context, request, &response)));
    return response;
  }
};

TEST_F(QueryModesTest, KeywordFindsByWordsWithStoragesScores) {
  StartSearch();
  PutFive();
  ASSERT_OK_AND_ASSIGN(const auto found, Query(Keyword("fish")));
  ASSERT_OK_AND_ASSIGN(const auto expected, SearchText("fish"));
  ASSERT_THAT(IdsOf(found), ElementsAre("w1", "w2"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(found.hits(i).id(), expected.hits(i).record().id());
    EXPECT_FLOAT_EQ(found.hits(i).score(), expected.hits(i).score());
    EXPECT_FALSE(found.hits(i).has_record());
  }
  EXPECT_EQ(found.position(), Newest());
  EXPECT_EQ(found.metric(), common::v1::METRIC_UNSPECIFIED);
  EXPECT_EQ(found.degraded(), "");
  // The language of SearchText: all words, unless it says otherwise.
  EXPECT_THAT(FindAll(Keyword("fish stones")), ElementsAre("w2"));
  EXPECT_THAT(FindAll(Keyword("fish -stones")), ElementsAre("w1"));
  EXPECT_THAT(FindAll(Keyword("...")), IsEmpty());
  v1::QueryRequest request = Keyword("fish");
  request.set_limit(1);
  EXPECT_THAT(FindAll(request), ElementsAre("w1"));
}

TEST_F(QueryModesTest, PagesFitTogetherInEveryMode) {
  StartSearch();
  PutFive();
  for (v1::QueryRequest request :
       {Keyword("fish"), Hybrid("a fish"),
        PostQuery("a", v1::QueryRequest::MODE_SEMANTIC)}) {
    for (const bool reads_fields : {false, true}) {
      if (reads_fields) {
        request.mutable_include()->mutable_fields()->add_paths("kind");
      }
      const std::vector<std::string> all = FindAll(request);
      ASSERT_GE(all.size(), 2);
      std::vector<std::string> paged;
      v1::QueryRequest page = request;
      page.set_limit(1);
      for (size_t i = 0; i < all.size(); ++i) {
        page.set_offset(static_cast<int>(i));
        for (std::string& id : FindAll(page)) paged.push_back(std::move(id));
      }
      EXPECT_EQ(paged, all) << request.mode();
      page.set_offset(static_cast<int>(all.size()));
      EXPECT_THAT(FindAll(page), IsEmpty()) << request.mode();
    }
  }
}

TEST_F(QueryModesTest, KeywordTakesFilterParametersAndFields) {
  StartSearch();
  Put("a", "fish", "fact");
  Put("b", "fish", "lie");
  v1::QueryRequest request = Keyword("fish");
  request.set_filter("kind = :k");
  (*request.mutable_parameters()->mutable_fields())["k"].set_string_value(
      "lie");
  request.mutable_include()->mutable_fields()->add_paths("kind");
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  ASSERT_THAT(IdsOf(found), ElementsAre("b"));
  const auto& fields = found.hits(0).record().fields().fields();
  EXPECT_EQ(fields.size(), 1);
  EXPECT_EQ(fields.at("kind").string_value(), "lie");
}

TEST_F(QueryModesTest, KeywordNamesMistakesAsTheQueryHasThem) {
  StartSearch();
  v1::QueryRequest request = Keyword("fish");
  request.set_filter("kimd = 1");
  EXPECT_THAT(Query(request),
              StatusIs(absl::StatusCode::kInvalidArgument, "filter: column 1"));
  EXPECT_THAT(
      Query(Keyword(std::string(9000, 'x'))),
      StatusIs(absl::StatusCode::kInvalidArgument, "text: has 9000 bytes"));
  request = Keyword("fish");
  request.mutable_include()->mutable_fields()->add_paths("colour");
  EXPECT_THAT(Query(request),
              StatusIs(absl::StatusCode::kInvalidArgument, "include.fields"));
  request = Keyword("fish");
  request.set_collection("notes");
  const absl::Status status = Query(request).status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_ATTRIBUTE_MISSING);
  request.set_collection("memories");
  EXPECT_EQ(ReasonOf(Query(request).status()),
            common::v1::ERROR_REASON_COLLECTION_UNKNOWN);
  request.set_database("nobody");
  EXPECT_EQ(ReasonOf(Query(request).status()),
            common::v1::ERROR_REASON_DATABASE_UNKNOWN);
}

TEST_F(QueryModesTest, KeywordNeedsNeitherVectorsNorModelNorIndex) {
  EXPECT_OK(storage_.Upsert("logs", "l1", R"({"line": "disk full"})"));
  proxy_.HoldSnapshots();
  embedding_.FailWith({grpc::StatusCode::UNAVAILABLE, "no provider"});
  StartSearchSoon();
  v1::QueryRequest request = Keyword("disk");
  request.set_collection("logs");
  EXPECT_THAT(FindAll(request), ElementsAre("l1"));
  EXPECT_THAT(Query(Hybrid("disk")), StatusIs(absl::StatusCode::kUnavailable));
  proxy_.ReleaseSnapshots();
}

// Records of 100 kB each: storage's pages of about 1 MiB end before the limit.
TEST_F(QueryModesTest, KeywordReadsAsManyPagesAsItTakes) {
  StartSearchSoon();
  std::string filler;
  for (int i = 0; i < 20'000; ++i) filler += "xyzz ";
  for (int i = 0; i < 30; ++i) {
    EXPECT_OK(
        storage_.Upsert("logs", absl::StrCat("l", i),
                        absl::StrCat(R"({"line": "disk )", filler, "\"}")));
  }
  v1::QueryRequest request = Keyword("disk");
  request.set_collection("logs");
  request.set_limit(25);
  request.mutable_include()->mutable_fields()->add_paths("*");
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  EXPECT_EQ(found.hits_size(), 25);
  EXPECT_EQ(found.hits(24)
                .record()
                .fields()
                .fields()
                .at("line")
                .string_value()
                .size(),
            5 + filler.size());
  request.set_limit(1000);
  EXPECT_EQ(Query(request)->hits_size(), 30);
}

TEST_F(QueryModesTest, KeywordIsAlwaysAsNewAsTheLastWrite) {
  StartSearch();
  proxy_.HoldFeed();
  v1::QueryRequest request = Keyword("fish");
  request.set_min_position(Put("w1", "fish"));
  EXPECT_THAT(FindAll(request), ElementsAre("w1"));
  ASSERT_OK_AND_ASSIGN(Position position, Position::Parse(Newest()));
  position.epoch ^= 1;
  request.set_min_position(position.ToString());
  EXPECT_EQ(ReasonOf(Query(request).status()),
            common::v1::ERROR_REASON_EPOCH_CHANGED);
  proxy_.ReleaseFeed();
}

TEST_F(QueryModesTest, HybridIsBothListsMadeOneByRank) {
  StartSearch();
  PutFive();
  v1::QueryRequest request = Hybrid("a fish");
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  // w2 is 4th and 2nd, w1 5th and 1st.
  ASSERT_THAT(IdsOf(found), ElementsAre("w1", "w2", "m1", "m2", "m3"));
  EXPECT_FLOAT_EQ(found.hits(0).score(), 0.5 / 65 + 0.5 / 61);
  EXPECT_FLOAT_EQ(found.hits(1).score(), 0.5 / 64 + 0.5 / 62);
  EXPECT_FLOAT_EQ(found.hits(2).score(), 0.5 / 61);
  EXPECT_EQ(found.position(), Newest());
  EXPECT_EQ(found.metric(), common::v1::METRIC_UNSPECIFIED);
  EXPECT_EQ(found.degraded(), "");
  request.mutable_fusion()->set_semantic_weight(1);
  EXPECT_THAT(FindAll(request), ElementsAre("m1", "m2", "m3", "w2", "w1"));
  request.mutable_fusion()->set_semantic_weight(0);
  request.set_limit(1);
  EXPECT_THAT(FindAll(request), ElementsAre("w1"));
}

TEST_F(QueryModesTest, HybridIsBothListsMadeOneByScore) {
  StartSearch();
  PutFive();
  v1::QueryRequest request = Hybrid("a fish");
  request.mutable_fusion()->set_method(v1::Fusion::METHOD_WEIGHTED);
  request.mutable_fusion()->set_semantic_weight(0.75);
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  // The cosines with a: 1, 3/sqrt(10), 1/sqrt(2), 1/sqrt(10) and 0; of the
  // words w1 is 1 and w2 is 0.
  ASSERT_THAT(IdsOf(found), ElementsAre("m1", "m2", "m3", "w1", "w2"));
  EXPECT_FLOAT_EQ(found.hits(0).score(), 0.75);
  EXPECT_FLOAT_EQ(found.hits(1).score(), 0.75 * 3 / std::sqrt(10));
  EXPECT_FLOAT_EQ(found.hits(3).score(), 0.25);
  EXPECT_FLOAT_EQ(found.hits(4).score(), 0.75 / std::sqrt(10));
}

// Hardly a record has all words of a question.
TEST_F(QueryModesTest, HybridLooksForAnyWordOfASentence) {
  StartSearch();
  Put("m1", "aaaa");
  Put("w1", "bb my fish live in here");
  EmbedPending();
  WaitUntilIndexed();
  EXPECT_THAT(FindAll(Keyword("where is my fish, a")), IsEmpty());
  EXPECT_THAT(FindAll(Hybrid("where is my fish, a")), ElementsAre("w1", "m1"));
  EXPECT_THAT(FindAll(Hybrid("a -fish")), ElementsAre("w1", "m1"));
}

TEST_F(QueryModesTest, HybridFindsByWordsWhatHasNoVectorYet) {
  StartSearch();
  PutFive();
  Put("w3", "fish");
  EXPECT_THAT(FindAll(Hybrid("a fish")),
              UnorderedElementsAre("w1", "w2", "w3", "m1", "m2", "m3"));
}

TEST_F(QueryModesTest, HybridTellsTheTextOfWhatWasFoundByMeaning) {
  StartSearch();
  PutFive();
  Put("w3", "fish");
  v1::QueryRequest request = Hybrid("a fish");
  request.set_explain(true);
  request.mutable_include()->set_passage_text(true);
  for (const bool with_records : {false, true}) {
    if (with_records) {
      request.mutable_include()->mutable_fields()->add_paths("body");
    }
    ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
    ASSERT_EQ(found.hits_size(), 6);
    for (const v1::Hit& hit : found.hits()) {
      EXPECT_EQ(hit.has_passage_text(), hit.id() != "w3") << hit.id();
      if (hit.id() == "m1") {
        EXPECT_EQ(hit.passage_text(), "aaaa");
      }
    }
    EXPECT_EQ(found.explanation().stages().rbegin()->name(), "passages");
  }
}

TEST_F(QueryModesTest, HybridTakesFilterAndFieldsAndReplacesWhatVanished) {
  StartSearch();
  PutFive();
  Put("m1", "aaaa", "lie");
  WaitUntilIndexed();
  v1::QueryRequest request = Hybrid("a fish");
  request.set_filter("kind = 'fact'");
  EXPECT_THAT(FindAll(request), ElementsAre("w1", "w2", "m2", "m3"));
  request.mutable_include()->mutable_fields()->add_paths("body");
  request.set_limit(2);
  proxy_.HoldFeed();  // The index hears of neither.
  EXPECT_OK(storage_.Delete("posts", "w1"));
  Put("m2", "aaab", "lie");
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  ASSERT_THAT(IdsOf(found), ElementsAre("w2", "m3"));
  EXPECT_EQ(found.hits(1).record().fields().fields().at("body").string_value(),
            "aabb");
  proxy_.ReleaseFeed();
}

TEST_F(QueryModesTest, WithoutEmbeddingHybridDegradesWhereThatIsAllowed) {
  StartSearch();
  PutFive();
  v1::QueryRequest request = Hybrid("a fish");
  request.set_allow_degraded(true);
  EXPECT_EQ(Query(request)->degraded(), "");
  EXPECT_EQ(Query(request)->hits_size(), 5);
  EXPECT_EQ(Metric("engram_search_degraded_queries_total"), 0);
  const auto failures = {
      grpc::Status(grpc::StatusCode::UNAVAILABLE, "no provider"),
      grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many texts"),
      grpc::Status(grpc::StatusCode::NOT_FOUND, "no such model")};
  int degraded = 0;
  for (const grpc::Status& failure : failures) {
    embedding_.FailWith(failure);
    request.set_allow_degraded(true);
    ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
    EXPECT_THAT(IdsOf(found), ElementsAre("w1", "w2"));
    EXPECT_FLOAT_EQ(found.hits(0).score(), 1.0 / 61);
    EXPECT_THAT(found.degraded(), ::testing::HasSubstr("embed"));
    EXPECT_EQ(found.position(), Newest());
    EXPECT_EQ(Metric("engram_search_degraded_queries_total"), ++degraded);
    request.set_allow_degraded(false);
    EXPECT_FALSE(Query(request).ok());
  }
  embedding_.FailWith({grpc::StatusCode::UNAVAILABLE, "no provider"});
  for (const auto mode :
       {v1::QueryRequest::MODE_SEMANTIC, v1::QueryRequest::MODE_HYBRID}) {
    const absl::Status status = Query(PostQuery("a fish", mode)).status();
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kUnavailable, "no provider"));
    EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_EMBEDDING_UNAVAILABLE);
  }
  EXPECT_THAT(FindAll(Keyword("fish")), ElementsAre("w1", "w2"));
}

// All the weight that there is goes to the one list.
TEST_F(QueryModesTest, DegradedTheWordsCountWhateverTheirWeight) {
  StartSearch();
  PutFive();
  embedding_.FailWith({grpc::StatusCode::UNAVAILABLE, "no provider"});
  v1::QueryRequest request = Hybrid("a fish");
  request.set_allow_degraded(true);
  request.mutable_fusion()->set_semantic_weight(1);
  request.mutable_include()->mutable_fields()->add_paths("kind");
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  ASSERT_THAT(IdsOf(found), ElementsAre("w1", "w2"));
  EXPECT_TRUE(found.hits(0).has_record());
}

TEST_F(QueryModesTest, AModelThatHangsTakesHalfOfTheTimeAtMost) {
  StartSearch();
  PutFive();
  embedding_.Hang();
  v1::QueryRequest request = Hybrid("a fish");
  request.set_allow_degraded(true);
  ASSERT_OK_AND_ASSIGN(const auto found,
                       Query(request, absl::Milliseconds(500)));
  EXPECT_THAT(IdsOf(found), ElementsAre("w1", "w2"));
  EXPECT_NE(found.degraded(), "");
}

TEST_F(QueryModesTest, TheWayToAnAnswerIsExplained) {
  StartSearch();
  PutFive();
  v1::QueryRequest request = Keyword("fish");
  EXPECT_FALSE(Query(request)->has_explanation());
  request.set_explain(true);
  auto found = Query(request);
  ASSERT_OK(found);
  EXPECT_EQ(found->explanation().strategy(), v1::Explanation::STRATEGY_KEYWORD);
  EXPECT_THAT(StagesOf(*found), ElementsAre("keyword"));
  request = Hybrid("a fish");
  request.set_explain(true);
  request.set_allow_degraded(true);
  request.mutable_include()->mutable_fields()->add_paths("body");
  found = Query(request);
  ASSERT_OK(found);
  EXPECT_NE(found->explanation().strategy(), v1::Explanation::STRATEGY_KEYWORD);
  EXPECT_THAT(StagesOf(*found), IsSupersetOf({"keyword", "hydrate"}));
  embedding_.FailWith({grpc::StatusCode::UNAVAILABLE, "no provider"});
  found = Query(request);
  ASSERT_OK(found);
  EXPECT_EQ(found->explanation().strategy(), v1::Explanation::STRATEGY_KEYWORD);
}

// Only a missing vector can be done without.
TEST_F(QueryModesTest, WhatElseFailsIsTheHybridQuerysError) {
  StartSearch();
  PutFive();
  v1::QueryRequest request = Hybrid("a fish");
  request.set_allow_degraded(true);
  // No letter that the model knows: the caller's own fault.
  EXPECT_THAT(Query([&] {
                v1::QueryRequest other = request;
                other.set_text("fish");
                return other;
              }()),
              StatusIs(absl::StatusCode::kInvalidArgument, "text: "));
  proxy_.FailSearchText({grpc::StatusCode::UNAVAILABLE, "disk trouble"});
  EXPECT_THAT(Query(request), StatusIs(absl::StatusCode::kUnavailable,
                                       "look for the words: disk trouble"));
  embedding_.FailWith({grpc::StatusCode::UNAVAILABLE, "no provider"});
  EXPECT_THAT(Query(request),
              StatusIs(absl::StatusCode::kUnavailable, "disk trouble"));
  proxy_.FailSearchText(grpc::Status::OK);
  request.set_collection("notes");  // Without full text.
  embedding_.FailWith(grpc::Status::OK);
  EXPECT_EQ(ReasonOf(Query(request).status()),
            common::v1::ERROR_REASON_ATTRIBUTE_MISSING);
  request.set_collection("logs");  // Without vectors.
  EXPECT_EQ(ReasonOf(Query(request).status()),
            common::v1::ERROR_REASON_VECTOR_FIELD_UNKNOWN);
}

}  // namespace
}  // namespace engram::search
