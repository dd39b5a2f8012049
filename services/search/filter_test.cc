// Filters in queries, from storage's tables to what is found.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/json/json.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::SearchTest;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// `kind`, `stars` and `tags` are held by search, `author` and `reads` are not.
constexpr char kMemories[] = R"(
collection: memories
fields:
  body: {type: text}
  kind: {type: string, index: true}
  stars: {type: int, index: true}
  tags: {type: strings, index: true}
  author: {type: string}
  reads: {type: int, index: true, default: 0}
touch: {on: get, set: {reads: "+1"}}
vectors:
  body: {source: [body], model: default, metric: cosine}
)";

constexpr char kMemoriesByAuthor[] = R"(
collection: memories
fields:
  body: {type: text}
  kind: {type: string, index: true}
  stars: {type: int, index: true}
  tags: {type: strings, index: true}
  author: {type: string, index: true}
  reads: {type: int, index: true, default: 0}
touch: {on: get, set: {reads: "+1"}}
vectors:
  body: {source: [body], model: default, metric: cosine}
)";

class FilterTest : public SearchTest {
 protected:
  FilterTest() { EXPECT_OK(storage_.ApplySchema({kMemories})); }

  std::string Put(const std::string& id, const std::string& fields) {
    const auto written = storage_.Upsert("memories", id, fields);
    EXPECT_OK(written);
    return written.ok() ? written->position() : "";
  }

  // Memories m0, m1 ... , the first nearest to "a", the last to "b".
  void PutMany(int count) {
    for (int i = 0; i < count; ++i) {
      Put(absl::StrCat("m", i),
          absl::StrCat(R"({"body": ")", std::string(count - i, 'a'),
                       std::string(i, 'b'), R"(", "kind": ")",
                       i % 2 == 0 ? "fact" : "rumour", R"(", "stars": )", i,
                       R"(, "author": ")", i % 10 == 9 ? "ada" : "bob",
                       R"("})"));
    }
    EmbedPending();
  }

  static v1::QueryRequest Filtered(const std::string& filter,
                                   const std::string& parameters = "{}") {
    v1::QueryRequest request = TextQuery("a");
    request.set_collection("memories");
    request.set_filter(filter);
    EXPECT_OK(engram::json::Parser().ParseObject(parameters,
                                                 request.mutable_parameters()));
    return request;
  }

  std::vector<std::string> FindAll(const v1::QueryRequest& request) {
    const auto found = Query(request);
    EXPECT_OK(found);
    if (!found.ok()) return {"error"};
    std::vector<std::string> ids;
    for (const v1::Hit& hit : found->hits()) ids.push_back(hit.id());
    return ids;
  }
  std::vector<std::string> FindAll(const std::string& filter,
                                   const std::string& parameters = "{}") {
    return FindAll(Filtered(filter, parameters));
  }

  int64_t AttributeBytes() {
    for (const v1::Index& index : ListIndexes()) {
      if (index.collection() == "memories") return index.attribute_bytes();
    }
    return -1;
  }
};

TEST_F(FilterTest, FindsTheNearestOfThoseThatMeetIt) {
  StartSearch();
  Put("a", R"({"body": "a", "kind": "fact", "tags": ["x"], "stars": 1})");
  Put("b", R"({"body": "ab", "kind": "rumour", "tags": ["x", "y"]})");
  Put("c", R"({"body": "abb", "kind": "fact", "stars": 5})");
  EmbedPending();
  WaitUntilIndexed();
  EXPECT_THAT(FindAll("kind = 'fact'"), ElementsAre("a", "c"));
  EXPECT_THAT(FindAll("tags HAS 'x' AND NOT kind IN :kinds",
                      R"({"kinds": ["fact", "lie"]})"),
              ElementsAre("b"));
  EXPECT_THAT(FindAll("NOT stars > 1"), ElementsAre("a", "b"));
  EXPECT_THAT(FindAll("stars * 2 > stars + 1"), ElementsAre("c"));
  EXPECT_THAT(FindAll("_create_time > now - 1h"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(FindAll("_create_time > now"), IsEmpty());
  EXPECT_THAT(FindAll(""), ElementsAre("a", "b", "c"));
  EXPECT_GT(AttributeBytes(), 0);
}

TEST_F(FilterTest, StorageAnswersForFieldsThatSearchDoesNotHold) {
  StartSearch();
  Put("a", R"({"body": "a", "kind": "fact", "author": "ada"})");
  Put("b", R"({"body": "ab", "kind": "fact", "author": "bob"})");
  Put("c", R"({"body": "abb", "kind": "rumour", "author": "ada"})");
  EmbedPending();
  WaitUntilIndexed();
  EXPECT_THAT(FindAll("author = 'ada'"), ElementsAre("a", "c"));
  EXPECT_THAT(FindAll("author = :a AND kind = 'fact'", R"({"a": "ada"})"),
              ElementsAre("a"));
  EXPECT_THAT(FindAll("id IN ('b', 'c') OR reads > 100"),
              ElementsAre("b", "c"));
  EXPECT_THAT(FindAll("body LIKE 'ab%'"), ElementsAre("b", "c"));
}

// Of 200 memories, those that meet the filter come last, or are few.
TEST_F(FilterTest, LimitRecordsAreFoundWheneverSoManyMeetIt) {
  StartSearch();
  PutMany(200);
  WaitUntilIndexed();
  for (const std::string& filter :
       {std::string("stars >= 185"), std::string("author = 'ada'"),
        std::string("author = 'ada' AND stars > 100 AND body LIKE '%bbb%'"),
        std::string("id > 'm93'"), std::string("author = 'nobody'")}) {
    for (const bool with_records : {false, true}) {
      v1::QueryRequest request = Filtered(filter);
      request.set_limit(200);
      const std::vector<std::string> all = FindAll(request);
      if (with_records)
        request.mutable_include()->mutable_fields()->add_paths("*");
      request.set_limit(15);
      const std::vector<std::string> found = FindAll(request);
      ASSERT_EQ(found.size(), std::min<size_t>(15, all.size())) << filter;
      EXPECT_TRUE(std::equal(found.begin(), found.end(), all.begin()))
          << filter;
    }
  }
  v1::QueryRequest request = Filtered("author = 'ada'");
  request.set_limit(200);
  EXPECT_EQ(FindAll(request).size(), 20);
}

TEST_F(FilterTest, AnAttributeThatChangesIsFoundWithoutNewVectors) {
  StartSearch();
  Put("a", R"({"body": "a", "kind": "fact"})");
  Put("b", R"({"body": "b", "kind": "fact"})");
  EmbedPending();
  WaitUntilIndexed();
  v1::QueryRequest request = Filtered("kind = 'rumour'");
  // Nobody embeds anything from here on.
  request.set_min_position(Put("b", R"({"kind": "rumour"})"));
  EXPECT_THAT(FindAll(request), ElementsAre("b"));
  EXPECT_THAT(FindAll("kind = 'fact'"), ElementsAre("a"));
  EXPECT_OK(storage_.Delete("memories", "b"));
  WaitUntilIndexed();
  EXPECT_THAT(FindAll("kind = 'rumour'"), IsEmpty());
}

TEST_F(FilterTest, RecordsAreCheckedAgainWhenTheyAreRead) {
  StartSearch();
  Put("a", R"({"body": "a", "kind": "fact"})");
  Put("b", R"({"body": "ab", "kind": "fact"})");
  Put("c", R"({"body": "abb", "kind": "fact"})");
  EmbedPending();
  WaitUntilIndexed();
  proxy_.HoldFeed();
  Put("a", R"({"kind": "rumour"})");
  v1::QueryRequest request = Filtered("kind = 'fact'");
  request.set_limit(2);
  EXPECT_THAT(FindAll(request), ElementsAre("a", "b"));
  request.mutable_include()->mutable_fields()->add_paths("kind");
  // Another takes its place.
  EXPECT_THAT(FindAll(request), ElementsAre("b", "c"));
  proxy_.ReleaseFeed();
}

TEST_F(FilterTest, AMistakeIsNamedAsStorageNamesIt) {
  StartSearch();
  WaitUntilIndexed();
  const absl::Status status = Query(Filtered("kimd = 'fact'")).status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kInvalidArgument, "filter: column 1"));
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kInvalidArgument,
                               "did you mean \"kind\""));
  EXPECT_THAT(Query(Filtered("kind = 'fact'", R"({"k": 1})")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "parameters.k: is used nowhere; leave it out"));
  EXPECT_THAT(Query(Filtered("kind = :k")),
              StatusIs(absl::StatusCode::kInvalidArgument, "filter: column 8"));
  EXPECT_THAT(Query(Filtered("", R"({"k": 1})")),
              StatusIs(absl::StatusCode::kInvalidArgument, "parameters.k"));
}

TEST_F(FilterTest, AFieldIsHeldSoonAfterItIsIndexed) {
  StartSearch();
  Put("a", R"({"body": "a", "author": "ada"})");
  Put("b", R"({"body": "b", "author": "bob"})");
  EmbedPending();
  WaitUntilIndexed();
  ASSERT_OK(storage_.ApplySchema({kMemoriesByAuthor}));
  Put("c", R"({"body": "abb", "author": "ada"})");
  EmbedPending();
  WaitUntilIndexed();
  EXPECT_THAT(FindAll("author = 'ada'"), ElementsAre("a", "c"));
  // Held once it is found while storage is away.
  bool is_held = false;
  const absl::Time give_up = absl::Now() + absl::Seconds(20);
  while (!is_held && absl::Now() < give_up) {
    proxy_.GoAway();
    is_held = Query(Filtered("author = 'ada'")).ok();
    if (is_held) {
      EXPECT_THAT(FindAll("author = 'ada'"), ElementsAre("a", "c"));
    }
    proxy_.ComeBack();
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_TRUE(is_held);
}

// What a write changes in other records counts as if it had been sent.
TEST_F(FilterTest, RollupsAndClearedRefsAreFollowed) {
  ASSERT_OK(storage_.ApplySchema({R"(
collection: people
fields: {name: {type: string}}
)",
                                  R"(
collection: sessions
fields:
  body: {type: text}
  lines: {type: int, index: true}
  owner: {type: ref(people), on_delete: set_null, index: true}
vectors:
  body: {source: [body], model: default, metric: cosine}
)",
                                  R"(
collection: lines
fields: {session: {type: ref(sessions)}}
rollups: [{parent: session, set: {lines: count}}]
)"}));
  StartSearch();
  EXPECT_OK(storage_.Upsert("people", "ada", R"({"name": "Ada"})"));
  EXPECT_OK(
      storage_.Upsert("sessions", "s", R"({"body": "a", "owner": "ada"})"));
  EmbedPending();
  v1::QueryRequest request = Filtered("lines > 1");
  request.set_collection("sessions");
  request.set_min_position(Newest());
  EXPECT_THAT(FindAll(request), IsEmpty());
  for (const char* id : {"l1", "l2"}) {
    EXPECT_OK(storage_.Upsert("lines", id, R"({"session": "s"})"));
  }
  request.set_min_position(Newest());
  EXPECT_THAT(FindAll(request), ElementsAre("s"));
  request.set_filter("owner = 'ada'");
  EXPECT_THAT(FindAll(request), ElementsAre("s"));
  EXPECT_OK(storage_.Delete("people", "ada"));
  request.set_min_position(Newest());
  EXPECT_THAT(FindAll(request), IsEmpty());
}

TEST_F(FilterTest, ARestartKeepsThemAsOfThePositionOfTheCache) {
  StartSearch();
  Put("a", R"({"body": "a", "kind": "fact"})");
  Put("b", R"({"body": "b", "kind": "fact"})");
  EmbedPending();
  WaitUntilIndexed();
  StopSearch();
  const int snapshots = proxy_.snapshots();
  Put("b", R"({"kind": "rumour"})");
  StartSearch();
  EXPECT_EQ(proxy_.snapshots(), snapshots);
  EXPECT_THAT(FindAll("kind = 'fact'"), ElementsAre("a"));
  EXPECT_THAT(FindAll("kind = 'rumour'"), ElementsAre("b"));
}

TEST_F(FilterTest, VerifyComparesThem) {
  StartSearch();
  PutMany(20);
  Put("none", R"({"kind": "fact"})");
  WaitUntilIndexed();
  ASSERT_OK_AND_ASSIGN(const auto clean, Verify("memories"));
  EXPECT_EQ(clean.difference_count(), 0) << clean.ShortDebugString();
}

TEST_F(FilterTest, VerifyNamesARecordOfOtherAttributes) {
  StartSearch();
  proxy_.AlterFeed([](storage::v1::WatchChangesResponse& response) {
    for (storage::v1::Change& change : *response.mutable_changes()) {
      if (change.record_changed().id() != "m3") continue;
      change.mutable_record_changed()->mutable_attributes()->clear_fields();
    }
  });
  PutMany(5);
  WaitUntilIndexed();
  proxy_.AlterFeed(nullptr);
  ASSERT_OK_AND_ASSIGN(const auto result, Verify("memories"));
  ASSERT_EQ(result.difference_count(), 1) << result.ShortDebugString();
  EXPECT_EQ(result.differences(0).kind(), v1::IndexDifference::KIND_ATTRIBUTES);
  EXPECT_EQ(result.differences(0).id(), "m3");
}

}  // namespace
}  // namespace engram::search
