// Groups and facets: queries that take the values of fields.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::SearchTest;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

constexpr char kMemories[] = R"(
collection: memories
fields:
  body: {type: text}
  kind: {type: string, index: true}
  stars: {type: int, index: true}
  due: {type: timestamp, index: true}
  done: {type: bool, index: true}
  tags: {type: strings, index: true}
  author: {type: string}
vectors:
  body: {source: [body], model: default, metric: cosine}
)";

class QueryFieldsTest : public SearchTest {
 protected:
  QueryFieldsTest() { EXPECT_OK(storage_.ApplySchema({kMemories})); }

  void Put(const std::string& id, const std::string& body,
           const std::string& fields) {
    EXPECT_OK(storage_.Upsert(
        "memories", id,
        absl::StrCat(R"({"body": ")", body, "\"", fields, "}")));
  }
  void Index() {
    EmbedPending();
    WaitUntilIndexed();
  }
  // Memories m0, m1 ... , the first nearest to "a", of the kinds that are
  // given.
  void PutKinds(const std::vector<std::string>& kinds) {
    const int count = static_cast<int>(kinds.size());
    for (int i = 0; i < count; ++i) {
      Put(absl::StrCat("m", i),
          std::string(count - i, 'a') + std::string(i, 'b'),
          kinds[i].empty() ? ""
                           : absl::StrCat(R"(, "kind": ")", kinds[i], "\""));
    }
    Index();
  }

  static v1::QueryRequest Request() {
    v1::QueryRequest request = TextQuery("a");
    request.set_collection("memories");
    return request;
  }
  static v1::QueryRequest ByKind() {
    v1::QueryRequest request = Request();
    request.set_group_by("kind");
    return request;
  }

  // The values of a facet and their counts.
  static std::vector<std::pair<std::string, int>> Counts(
      const v1::Facet& facet) {
    std::vector<std::pair<std::string, int>> counts;
    for (const v1::FacetValue& value : facet.values()) {
      std::string text = value.value().string_value();
      if (value.value().has_number_value()) {
        text = absl::StrCat(value.value().number_value());
      } else if (value.value().has_bool_value()) {
        text = value.value().bool_value() ? "true" : "false";
      }
      counts.emplace_back(text, value.count());
    }
    return counts;
  }
};

TEST_F(QueryFieldsTest, OfEachGroupTheBestAreFound) {
  StartSearch();
  PutKinds({"x", "x", "y", "x", "", "y", "z", ""});
  v1::QueryRequest request = ByKind();
  // Those without a value are groups of their own.
  EXPECT_THAT(Ids(request), ElementsAre("m0", "m2", "m4", "m6", "m7"));
  request.set_group_size(2);
  EXPECT_THAT(Ids(request),
              ElementsAre("m0", "m1", "m2", "m4", "m5", "m6", "m7"));
  request.set_limit(3);
  EXPECT_THAT(Ids(request), ElementsAre("m0", "m1", "m2"));
  request.set_offset(3);
  EXPECT_THAT(Ids(request), ElementsAre("m4", "m5", "m6"));
  request.set_filter("kind != 'x'");
  request.set_offset(0);
  EXPECT_THAT(Ids(request), ElementsAre("m2", "m5", "m6"));
}

// The nearest 200 are all of one kind.
TEST_F(QueryFieldsTest, ThereAreLimitRecordsWheneverThereAreSoManyGroups) {
  StartSearch();
  std::vector<std::string> kinds(200, "same");
  for (int i = 0; i < 20; ++i) kinds.push_back(absl::StrCat("k", i / 2));
  PutKinds(kinds);
  for (const bool with_records : {false, true}) {
    v1::QueryRequest request = ByKind();
    if (with_records) {
      request.mutable_include()->mutable_fields()->add_paths("kind");
    }
    request.set_limit(4);
    EXPECT_THAT(Ids(request), ElementsAre("m0", "m200", "m202", "m204"));
    request.set_limit(100);
    EXPECT_EQ(Ids(request).size(), 11);
  }
}

TEST_F(QueryFieldsTest, AFullGroupIsNotSearchedAgain) {
  StartSearch();
  std::vector<std::string> kinds(300, "same");
  kinds.push_back("other");
  PutKinds(kinds);
  v1::QueryRequest request = ByKind();
  request.set_limit(2);
  request.set_explain(true);
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  ASSERT_EQ(found.hits_size(), 2);
  EXPECT_EQ(found.hits(1).id(), "m300");
  // Not ever more, until the 300 were all found.
  EXPECT_EQ(found.explanation().searches(), 2);
}

TEST_F(QueryFieldsTest, ARecordThatVanishedLeavesItsPlaceToAnotherOfItsGroup) {
  StartSearch();
  PutKinds({"x", "x", "y", "z"});
  proxy_.HoldFeed();
  EXPECT_OK(storage_.Delete("memories", "m0"));
  v1::QueryRequest request = ByKind();
  request.mutable_include()->mutable_fields()->add_paths("kind");
  request.set_limit(2);
  EXPECT_THAT(Ids(request), ElementsAre("m1", "m2"));
  request.set_limit(10);
  EXPECT_THAT(Ids(request), ElementsAre("m1", "m2", "m3"));
}

TEST_F(QueryFieldsTest, GroupsAndDiversityGoTogether) {
  StartSearch();
  Put("m0", "aaaaaab", R"(, "kind": "x")");
  Put("m1", "aaaaab", R"(, "kind": "y")");
  Put("m2", "b", R"(, "kind": "x")");
  Index();
  v1::QueryRequest request = Request();
  request.set_limit(2);
  request.set_diversity(0.6f);
  EXPECT_THAT(Ids(request), ElementsAre("m0", "m2"));
  request.set_group_by("kind");
  EXPECT_THAT(Ids(request), ElementsAre("m0", "m1"));
}

TEST_F(QueryFieldsTest, FacetsCountAllRecordsThatMeetTheFilter) {
  StartSearch();
  Put("a", "a",
      R"(, "kind": "x", "stars": 3, "done": true, "tags": ["t", "u"])");
  Put("b", "b", R"(, "kind": "y", "stars": 3, "tags": ["u"])");
  Put("c", "c", R"(, "kind": "x", "stars": 5, "due": "2026-01-02T03:04:05Z")");
  Put("d", "d", R"(, "stars": 1, "done": false)");
  Index();
  v1::QueryRequest request = Request();
  for (const char* field : {"tags", "kind", "stars", "done", "due"}) {
    request.add_facets(field);
  }
  request.set_limit(1);
  ASSERT_OK_AND_ASSIGN(auto found, Query(request));
  EXPECT_EQ(found.hits_size(), 1);
  ASSERT_EQ(found.facets_size(), 5);
  EXPECT_EQ(found.facets(0).field(), "tags");
  EXPECT_THAT(Counts(found.facets(0)), ElementsAre(Pair("u", 2), Pair("t", 1)));
  EXPECT_THAT(Counts(found.facets(1)), ElementsAre(Pair("x", 2), Pair("y", 1)));
  EXPECT_THAT(Counts(found.facets(2)),
              ElementsAre(Pair("3", 2), Pair("1", 1), Pair("5", 1)));
  EXPECT_THAT(Counts(found.facets(3)),
              ElementsAre(Pair("false", 1), Pair("true", 1)));
  EXPECT_THAT(Counts(found.facets(4)),
              ElementsAre(Pair("2026-01-02T03:04:05Z", 1)));
  EXPECT_EQ(found.facets(2).value_count(), 3);
  request.set_filter("stars > 1 AND NOT kind = 'y'");
  request.set_min_score(2);  // No hit is so near; that is not the filter.
  ASSERT_OK_AND_ASSIGN(found, Query(request));
  EXPECT_THAT(found.hits(), IsEmpty());
  EXPECT_THAT(Counts(found.facets(2)), ElementsAre(Pair("3", 1), Pair("5", 1)));
}

TEST_F(QueryFieldsTest, WhatHasExpiredIsNotCounted) {
  StartSearch();
  proxy_.AlterFeed([](storage::v1::WatchChangesResponse& response) {
    for (storage::v1::Change& change : *response.mutable_changes()) {
      if (change.record_changed().id() != "m1") continue;
      change.mutable_record_changed()->mutable_expire_time()->set_seconds(1);
    }
  });
  PutKinds({"x", "x", "y"});
  v1::QueryRequest request = Request();
  request.add_facets("kind");
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  EXPECT_THAT(Counts(found.facets(0)), ElementsAre(Pair("x", 1), Pair("y", 1)));
}

TEST_F(QueryFieldsTest, AFieldThatIsNotHeldSaysWhatToDeclare) {
  StartSearch();
  PutKinds({"x"});
  v1::QueryRequest request = Request();
  request.set_group_by("author");
  request.add_facets("kind");
  request.add_facets("body");
  request.add_facets("kimd");
  const absl::Status status = Query(request).status();
  EXPECT_THAT(status,
              StatusIs(kInvalid,
                       "group_by: search does not hold \"author\"; declare it "
                       "with `index: true`"));
  EXPECT_THAT(status, StatusIs(kInvalid, "facets[1]: search does not hold"));
  EXPECT_THAT(status, StatusIs(kInvalid, "facets[2]: names \"kimd\""));
  request = Request();
  request.set_group_by("tags");
  EXPECT_THAT(Query(request),
              StatusIs(kInvalid, "group_by: names \"tags\", a list"));
}

TEST_F(QueryFieldsTest, BesideThemAFilterMayOnlyNameWhatIsHeld) {
  StartSearch();
  PutKinds({"x"});
  v1::QueryRequest request = Request();
  request.set_filter("kind = 'x' AND author IS NULL");
  EXPECT_THAT(Ids(request), ElementsAre("m0"));
  for (int i = 0; i < 3; ++i) {
    v1::QueryRequest strict = request;
    if (i == 0) strict.set_group_by("kind");
    if (i == 1) strict.add_facets("kind");
    if (i == 2) strict.set_diversity(0.5f);
    EXPECT_THAT(Query(strict), StatusIs(kInvalid, "filter: names \"author\""));
    strict.set_filter("kind = 'x'");
    EXPECT_THAT(Ids(strict), ElementsAre("m0"));
  }
}

TEST_F(QueryFieldsTest, WhatCannotBeNamesTheFieldAndTheRemedy) {
  StartSearch();
  v1::QueryRequest request = Request();
  request.set_group_size(2);
  EXPECT_THAT(Query(request),
              StatusIs(kInvalid, "group_size: is set without group_by"));
  request.set_group_by("kind");
  request.set_group_size(101);
  EXPECT_THAT(Query(request),
              StatusIs(kInvalid, "group_size: is 101; send 1 to 100"));
  request = Request();
  request.add_facets("kind");
  request.add_facets("kind");
  EXPECT_THAT(Query(request), StatusIs(kInvalid, "facets[1]: is named before"));
  for (int i = 0; i < 7; ++i) request.add_facets("kind");
  EXPECT_THAT(Query(request),
              StatusIs(kInvalid, "facets: names 9 fields; send at most 8"));
}

}  // namespace
}  // namespace engram::search
