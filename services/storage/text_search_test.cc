#include "services/storage/text_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/util/json_util.h"
#include "libs/json/json.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/read_target.h"
#include "services/storage/testing/collections.h"
#include "services/storage/testing/database_fixture.h"
#include "services/storage/text_ranking.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using testing::TestDatabase;
using ::testing::UnorderedElementsAre;
using testing::ViolationsOf;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title:   {type: string}
  body:    {type: text}
  project: {type: string, index: true}
  stars:   {type: int}
  tags:    {type: strings, index: true}
  meta:    {type: json}
  extra:   {type: text}
full_text: {fields: {title: 4, body: 1}}
)";
// Words are stems; records hide and expire; the name is a keyword of SQL.
constexpr char kOrders[] = R"(
collection: order
fields:
  text: {type: text}
  ends: {type: timestamp}
full_text: {fields: [text], tokenizer: porter}
soft_delete: true
expire: {field: ends}
)";
constexpr char kCode[] = R"(
collection: code
fields:
  path: {type: string}
  text: {type: text}
full_text: {fields: [path, text], tokenizer: trigram}
)";
constexpr char kSilent[] = R"(
collection: silent
fields:
  text: {type: text}
)";

class TextSearchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(database_.Apply({kNotes, kOrders, kCode, kSilent}));
  }

  void Put(const std::string& collection, const std::string& id,
           const std::string& fields) {
    ASSERT_OK(database_.WriteOne(absl::StrCat(
        R"({"collection": ")", collection, R"(", "upsert": {"id": ")", id,
        R"(", "fields": )", fields, "}}")));
  }
  void PutText(const std::string& collection, const std::string& id,
               const std::string& text) {
    Put(collection, id, absl::StrCat(R"({"text": ")", text, R"("})"));
  }

  // A search; `more` are other fields of the request, as JSON.
  absl::StatusOr<v1::SearchTextResponse> Search(const std::string& collection,
                                                const std::string& query,
                                                const std::string& more = "",
                                                const CallBounds& bounds = {}) {
    v1::SearchTextRequest request;
    const std::string json = absl::StrCat("{", more, "}");
    if (!google::protobuf::util::JsonStringToMessage(json, &request).ok()) {
      return absl::InternalError(json);
    }
    request.set_collection(collection);
    request.set_query(query);
    return Search(request, bounds);
  }
  absl::StatusOr<v1::SearchTextResponse> Search(
      const v1::SearchTextRequest& request, const CallBounds& bounds = {}) {
    v1::SearchTextResponse response;
    const absl::Status status =
        SearchText(database_.database(), request, bounds, &response);
    if (!status.ok()) return status;
    return response;
  }

  // Its ids, in order.
  std::vector<std::string> Found(const std::string& collection,
                                 const std::string& query,
                                 const std::string& more = "") {
    const auto response = Search(collection, query, more);
    EXPECT_OK(response) << query;
    std::vector<std::string> ids;
    if (!response.ok()) return {"?"};
    for (const auto& hit : response->hits()) ids.push_back(hit.record().id());
    return ids;
  }

  // The passages of the first hit, such as `title: [red] apples`.
  std::vector<std::string> Snippets(const std::string& collection,
                                    const std::string& query,
                                    const std::string& options = "") {
    const auto response =
        Search(collection, query, absl::StrCat("snippets: {", options, "}"));
    EXPECT_OK(response);
    std::vector<std::string> texts;
    if (!response.ok() || response->hits().empty()) return {"nothing found"};
    for (const auto& snippet : response->hits(0).snippets()) {
      texts.push_back(absl::StrCat(snippet.field(), ": ", snippet.text()));
    }
    return texts;
  }

  TestDatabase database_;
};

TEST_F(TextSearchTest, TheBestComesFirstByTheFieldsWeights) {
  Put("notes", "body", R"({"title": "green pears", "body": "red apples"})");
  Put("notes", "title", R"({"title": "red apples", "body": "green pears"})");
  Put("notes", "none", R"({"title": "plums", "body": "blue"})");
  EXPECT_THAT(Found("notes", "apples"), ElementsAre("title", "body"));
  const std::string body_only =
      R"(weights: [{field: "title", weight: 0}, {field: "body", weight: 2.5}])";
  EXPECT_THAT(Found("notes", "apples", body_only),
              ElementsAre("body", "title"));
  // What is not named keeps the schema's.
  EXPECT_THAT(Found("notes", "apples", R"(weights: [{field: "body"}])"),
              ElementsAre("title", "body"));
  EXPECT_THAT(
      Found("notes", "apples", R"(weights: [{field: "body", weight: 5}])"),
      ElementsAre("body", "title"));
  // A word that counts nothing is found all the same.
  const auto response = Search("notes", "apples", body_only);
  ASSERT_OK(response);
  EXPECT_GT(response->hits(0).score(), 0);
  EXPECT_EQ(response->hits(1).score(), 0);
  EXPECT_FALSE(std::signbit(response->hits(1).score()));
}

TEST_F(TextSearchTest, MoreOfAWordAndRarerWordsScoreMore) {
  Put("notes", "a", R"({"body": "red and green and blue and red"})");
  Put("notes", "b", R"({"body": "red and green and blue and some"})");
  Put("notes", "c", R"({"body": "red and green and blue and rare"})");
  for (int i = 0; i < 5; ++i) {
    Put("notes", absl::StrCat("x", i), R"({"body": "nothing of that"})");
  }
  EXPECT_THAT(Found("notes", "red"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Found("notes", "red OR rare"), ElementsAre("c", "a", "b"));
}

// BM25's own formula is below 0 for a word that more than half of the records
// have.
TEST_F(TextSearchTest, ScoresAreAboveZeroAndWhatIsEqualIsOrderedById) {
  for (const char* id : {"c", "a", "b", "d"}) {
    Put("notes", id, R"({"title": "the same", "body": "the the"})");
  }
  for (const char* query : {"the", "same", "th*", "\"the same\"", "the OR x"}) {
    const auto response = Search("notes", query);
    ASSERT_OK(response);
    ASSERT_THAT(response->hits(), SizeIs(4));
    for (int i = 0; i < 4; ++i) {
      EXPECT_GT(response->hits(i).score(), 0) << query;
      EXPECT_EQ(response->hits(i).record().id(), std::string(1, 'a' + i));
    }
  }
}

TEST_F(TextSearchTest, WordsPhrasesPrefixesAndOperators) {
  Put("notes", "a", R"({"title": "red apples", "body": "grow on a tree"})");
  Put("notes", "b", R"({"title": "apples, red", "body": "and some pears"})");
  Put("notes", "c", R"({"title": "red", "body": "apple tree"})");
  const auto found = [&](const std::string& query) {
    return absl::StrJoin(Found("notes", query, "weights: [{field: \"title\"}]"),
                         "");
  };
  const auto all = [&](const std::string& query) {
    std::string ids = found(query);
    std::sort(ids.begin(), ids.end());
    return ids;
  };
  EXPECT_EQ(all("RED"), "abc");
  EXPECT_EQ(all("red apples"), "ab");
  EXPECT_EQ(all("\"red apples\""), "a");
  EXPECT_EQ(all("apple*"), "abc");
  EXPECT_EQ(all("\"red app\"*"), "a");
  EXPECT_EQ(all("pears OR tree"), "abc");
  EXPECT_EQ(all("red NOT tree"), "b");
  EXPECT_EQ(all("red -apples"), "c");
  EXPECT_EQ(all("(red tree) OR pears"), "abc");
  EXPECT_EQ(all("red (pears OR NOT apples)"), "bc");
  EXPECT_EQ(all("title:apples"), "ab");
  EXPECT_EQ(all("body:apple*"), "c");
  EXPECT_EQ(all("title:(red apples) -body:pears"), "a");
  // A phrase does not go on in the next field.
  EXPECT_EQ(all("\"apples grow\""), "");
  EXPECT_EQ(all("pear"), "");
  // Without anything that must be there, nothing is found.
  EXPECT_EQ(all("NOT pears"), "");
  EXPECT_EQ(all("red OR NOT pears"), "");
  EXPECT_EQ(all(""), "");
  EXPECT_EQ(all("?!"), "");
}

TEST_F(TextSearchTest, HyphensDotsAndQuotesAreNoSyntax) {
  Put("notes", "a", R"({"body": "see src/a-b.cc:12, it's user@host.org"})");
  for (const char* query :
       {"a-b", "a-b.cc", "src/a-b.cc:12", "it's", "user@host.org", "b.cc",
        "\"a-b", "a-b\"", "(a-b", "a-b)", "a-b AND", "a-b \"\"", "^see"}) {
    EXPECT_THAT(Found("notes", query), ElementsAre("a")) << query;
  }
  EXPECT_THAT(Found("notes", "b-a"), IsEmpty());
}

TEST_F(TextSearchTest, CaseAndAccentsDoNotMatter) {
  Put("notes", "a", R"({"body": "Naïve CAFÉ Übermut ПРИВЕТ Ελλάδα 日本語"})");
  for (const char* query : {"naive cafe", "NAÏVE", "ubermut", "über*", "привет",
                            "ΕΛΛΆΔΑ", "日本語", "日*"}) {
    EXPECT_THAT(Found("notes", query), ElementsAre("a")) << query;
  }
}

TEST_F(TextSearchTest, PorterFindsOtherFormsOfAWord) {
  PutText("order", "a", "the runner connected");
  PutText("order", "b", "running connections");
  EXPECT_THAT(Found("order", "runs"), ElementsAre("b"));
  EXPECT_THAT(Found("order", "connecting"), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(Found("order", "run*"), UnorderedElementsAre("a", "b"));
}

TEST_F(TextSearchTest, TrigramFindsPartsOfWordsOfThreeCharactersOrMore) {
  Put("code", "a", R"({"path": "src/Main.cc", "text": "int getUserName();"})");
  Put("code", "b", R"({"path": "src/util.cc", "text": "userland im Süden"})");
  EXPECT_THAT(Found("code", "username"), ElementsAre("a"));
  EXPECT_THAT(Found("code", "serN"), ElementsAre("a"));
  EXPECT_THAT(Found("code", "path:src/"), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(Found("code", "\"user Name\""), IsEmpty());
  EXPECT_THAT(Found("code", "süd"), ElementsAre("b"));
  EXPECT_THAT(Found("code", "sud"), IsEmpty());
  // Shorter ones are left out, so that they do not keep all else from being
  // found.
  EXPECT_THAT(Found("code", "user in"), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(Found("code", "user -in"), UnorderedElementsAre("a", "b"));
  EXPECT_THAT(Found("code", "in"), IsEmpty());
}

TEST_F(TextSearchTest, SnippetsShowTheWordsWhereTheyStand) {
  Put("notes", "a",
      R"({"title": "Red apples", "body": "one two three red four red apples"})");
  EXPECT_THAT(Snippets("notes", "red apples"),
              ElementsAre("title: [Red] [apples]",
                          "body: one two three [red] four [red] [apples]"));
  EXPECT_THAT(Snippets("notes", "\"red apples\""),
              ElementsAre("title: [Red apples]",
                          "body: one two three red four [red apples]"));
  EXPECT_THAT(Snippets("notes", "\"red apples\"", "max_tokens: 3"),
              ElementsAre("title: [Red apples]", "body: ...four [red apples]"));
  // Only fields that have a word, and that are asked for, in this order.
  EXPECT_THAT(Snippets("notes", "three"),
              ElementsAre("body: one two [three] red four red apples"));
  EXPECT_THAT(Snippets("notes", "red three", R"(fields: ["title"])"),
              ElementsAre("title: [Red] apples"));
  EXPECT_THAT(Snippets("notes", "apples",
                       R"(fields: ["body", "title"], max_tokens: 1)"),
              ElementsAre("body: ...[apples]", "title: ...[apples]"));
  EXPECT_THAT(Snippets("notes", "three", R"(fields: ["title"])"), IsEmpty());
  EXPECT_THAT(Snippets("notes", "title:red -green"),
              ElementsAre("title: [Red] apples"));
}

TEST_F(TextSearchTest, APassageIsOfEighteenWordsUnlessToldOtherwise) {
  std::string text;
  for (int i = 0; i < 200; ++i) absl::StrAppend(&text, " w", i);
  Put("notes", "a", absl::StrCat(R"({"body": "needle)", text, R"("})"));
  const auto words = [&](const std::string& options) {
    const std::string snippet = Snippets("notes", "needle", options)[0];
    return std::count(snippet.begin(), snippet.end(), ' ');
  };
  EXPECT_EQ(words(""), 18);
  EXPECT_EQ(words("max_tokens: 5"), 5);
  EXPECT_EQ(words("max_tokens: 64"), 64);
  EXPECT_EQ(words("max_tokens: 1000000"), 64);
}

TEST_F(TextSearchTest, MarksAreAnyTextEvenWhereTheRecordHasThem) {
  Put("notes", "a", R"({"body": "[red] <b>it''s</b> \"red\" ... \\ ünï"})");
  EXPECT_THAT(Snippets("notes", "red", R"(fields: ["body"])"),
              ElementsAre("body: [[red]] <b>it''s</b> \"[red]\" ... \\ ünï"));
  EXPECT_THAT(
      Snippets("notes", "uni", R"(begin_mark: "'\";--", end_mark: "'}")"),
      ElementsAre("body: [red] <b>it''s</b> \"red\" ... \\ '\";--ünï'}"));
  EXPECT_THAT(
      Snippets("notes", "it", R"(begin_mark: "<b>", end_mark: "</b>")"),
      ElementsAre("body: [red] <b><b>it</b>''s</b> \"red\" ... \\ ünï"));
  // A word that is marked already is found only once more.
  EXPECT_THAT(Snippets("notes", "zebra"), ElementsAre("nothing found"));
  v1::SearchTextRequest request;
  request.set_collection("notes");
  request.set_query("uni");
  request.mutable_snippets()->set_begin_mark(std::string("\0\n", 2));
  const auto response = Search(request);
  ASSERT_OK(response);
  EXPECT_THAT(response->hits(0).snippets(0).text(),
              HasSubstr(std::string("\0\nünï]", 8)));
}

TEST_F(TextSearchTest, AFilterIsOverTheRecord) {
  Put("notes", "a",
      R"({"title": "tea", "project": "p", "stars": 3, "tags": ["x", "y"]})");
  Put("notes", "b",
      R"({"title": "tea", "project": "q", "stars": 5, "meta": {"k": 7}})");
  Put("notes", "c", R"({"title": "ink", "project": "p", "stars": 4})");
  EXPECT_THAT(Found("notes", "tea", R"(filter: 'project = "p"')"),
              ElementsAre("a"));
  EXPECT_THAT(
      Found(
          "notes", "tea",
          R"(filter: 'project = :p AND stars > :s', parameters: {p: "q", s: 4})"),
      ElementsAre("b"));
  EXPECT_THAT(Found("notes", "tea", R"(filter: 'tags HAS "y"')"),
              ElementsAre("a"));
  EXPECT_THAT(Found("notes", "tea", "filter: 'meta.k = 7'"), ElementsAre("b"));
  // The index has columns of the same names, and a score of its own.
  EXPECT_THAT(Found("notes", "tea", R"(filter: 'title = "tea" AND id = "b"')"),
              ElementsAre("b"));
  EXPECT_THAT(Found("notes", "tea", "filter: 'body IS NULL'"),
              UnorderedElementsAre("a", "b"));
  EXPECT_THAT(Found("notes", "tea", "filter: 'false'"), IsEmpty());
}

TEST_F(TextSearchTest, TheTotalCountsWhatIsFoundOnAllPages) {
  for (int i = 0; i < 25; ++i) {
    Put("notes", absl::StrCat("n", i),
        absl::StrCat(R"({"title": "tea", "stars": )", i, "}"));
  }
  auto response = Search("notes", "tea", "page_size: 10, with_total: true");
  ASSERT_OK(response);
  EXPECT_THAT(response->hits(), SizeIs(10));
  EXPECT_EQ(response->total_size(), 25);
  EXPECT_EQ(response->position(),
            database_.database().NewestPosition().ToString());
  response = Search("notes", "tea",
                    "page_size: 10, with_total: true, filter: 'stars < 12'");
  ASSERT_OK(response);
  EXPECT_EQ(response->total_size(), 12);
  response = Search("notes", "nothing", "with_total: true");
  ASSERT_OK(response);
  EXPECT_TRUE(response->has_total_size());
  EXPECT_EQ(response->total_size(), 0);
  response = Search("notes", "tea");
  ASSERT_OK(response);
  EXPECT_FALSE(response->has_total_size());
  EXPECT_EQ(response->next_page_token(), "");
}

TEST_F(TextSearchTest, PagesFollowEachOtherExactly) {
  for (int i = 0; i < 60; ++i) {
    // Some scores are shared by many.
    Put("notes", absl::StrCat("n", i),
        absl::StrCat(R"({"body": "tea)", i % 3 == 0 ? " and more" : "",
                     i % 7 == 0 ? " tea" : "", "\"}"));
  }
  const std::vector<std::string> all = Found("notes", "tea");
  ASSERT_THAT(all, SizeIs(60));
  for (const int size : {1, 7, 20, 59, 60}) {
    v1::SearchTextRequest request;
    request.set_collection("notes");
    request.set_query("tea");
    request.set_page_size(size);
    request.set_with_total(true);
    std::vector<std::string> paged;
    do {
      const auto page = Search(request);
      ASSERT_OK(page);
      EXPECT_EQ(page->total_size(), 60);
      EXPECT_LE(page->hits_size(), size);
      for (const auto& hit : page->hits()) paged.push_back(hit.record().id());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty() && paged.size() < 100);
    EXPECT_EQ(paged, all) << size;
  }
}

TEST_F(TextSearchTest, APageTokenBelongsToItsSearch) {
  for (int i = 0; i < 3; ++i) {
    Put("notes", absl::StrCat("n", i), R"({"title": "tea", "stars": 1})");
  }
  v1::SearchTextRequest request;
  request.set_collection("notes");
  request.set_query("tea");
  request.set_page_size(1);
  auto page = Search(request);
  ASSERT_OK(page);
  request.set_page_token(page->next_page_token());
  // What is shown of a record may change.
  request.set_page_size(2);
  request.mutable_snippets();
  request.mutable_read_mask()->add_paths("id");
  EXPECT_OK(Search(request));
  const auto expect_refused = [&](const v1::SearchTextRequest& other) {
    EXPECT_THAT(ViolationsOf(Search(other).status()),
                ElementsAre(Pair("page_token", HasSubstr("this list"))));
  };
  v1::SearchTextRequest other = request;
  other.set_query("tea*");
  expect_refused(other);
  other = request;
  other.set_filter("stars = 1");
  expect_refused(other);
  other = request;
  other.add_weights()->set_field("body");
  expect_refused(other);
  other = request;
  other.set_collection("code");
  other.mutable_read_mask()->Clear();
  expect_refused(other);
  other = request;
  other.set_page_token("nonsense");
  expect_refused(other);
}

TEST_F(TextSearchTest, WhatIsDeletedIsNotFoundUntilItIsRestored) {
  PutText("order", "a", "tea");
  PutText("order", "b", "tea");
  ASSERT_OK(
      database_.WriteOne(R"({"collection": "order", "delete": {"id": "a"}})"));
  EXPECT_THAT(Found("order", "tea"), ElementsAre("b"));
  ASSERT_OK(
      database_.WriteOne(R"({"collection": "order", "restore": {"id": "a"}})"));
  EXPECT_THAT(Found("order", "tea"), ElementsAre("a", "b"));
  Put("notes", "a", R"({"title": "tea"})");
  ASSERT_OK(
      database_.WriteOne(R"({"collection": "notes", "delete": {"id": "a"}})"));
  EXPECT_THAT(Found("notes", "tea"), IsEmpty());
}

TEST_F(TextSearchTest, WhatHasExpiredIsNotFoundThoughItIsNotSweptYet) {
  PutText("order", "a", "tea");
  const std::string ends = absl::FormatTime(
      "%Y-%m-%dT%H:%M:%SZ", database_.clock().Now() + absl::Hours(1),
      absl::UTCTimeZone());
  Put("order", "b", absl::StrCat(R"({"text": "tea", "ends": ")", ends, "\"}"));
  EXPECT_THAT(Found("order", "tea"), ElementsAre("a", "b"));
  database_.clock().Advance(absl::Hours(2));
  const auto response = Search("order", "tea", "with_total: true");
  ASSERT_OK(response);
  EXPECT_THAT(response->hits(), SizeIs(1));
  EXPECT_EQ(response->total_size(), 1);
  EXPECT_THAT(Found("order", "tea", "filter: 'text = \"tea\"'"),
              ElementsAre("a"));
}

TEST_F(TextSearchTest, AnUpdateIsFoundByItsNewWordsOnly) {
  Put("notes", "a", R"({"title": "tea", "body": "green"})");
  EXPECT_THAT(Found("notes", "tea"), ElementsAre("a"));
  ASSERT_OK(database_.WriteOne(
      R"({"collection": "notes", "update": {"id": "a",
          "fields": {"title": "coffee"}}})"));
  EXPECT_THAT(Found("notes", "tea"), IsEmpty());
  EXPECT_THAT(Found("notes", "coffee green"), ElementsAre("a"));
  ASSERT_OK(database_.WriteOne(
      R"({"collection": "notes", "update": {"id": "a",
          "fields": {"title": null}}})"));
  EXPECT_THAT(Found("notes", "coffee"), IsEmpty());
}

TEST_F(TextSearchTest, ANewSchemaIsSearchedByItsOwnWords) {
  Put("notes", "a", R"({"title": "teapots", "body": "running"})");
  EXPECT_THAT(Found("notes", "tea"), IsEmpty());
  EXPECT_THAT(Found("notes", "run"), IsEmpty());
  ASSERT_OK(database_.Apply({R"(
collection: notes
fields:
  title: {type: string}
  body:  {type: text}
full_text: {fields: [body], tokenizer: porter}
)"}));
  EXPECT_THAT(Found("notes", "runs"), ElementsAre("a"));
  EXPECT_THAT(Found("notes", "teapots"), IsEmpty());
  // No field of the index any more.
  EXPECT_THAT(Found("notes", "title:teapots"), IsEmpty());
  EXPECT_THAT(Snippets("notes", "runs"), ElementsAre("body: [running]"));
}

TEST_F(TextSearchTest, TheMaskSaysWhatIsRead) {
  Put("notes", "a", R"({"title": "tea", "body": "green", "stars": 3})");
  const auto fields_of = [&](const std::string& more) {
    const auto response = Search("notes", "tea", more);
    EXPECT_OK(response);
    std::string json;
    json::AppendJson(response->hits(0).record().fields(), &json);
    return json;
  };
  EXPECT_EQ(fields_of(""), R"({"body":"green","stars":3,"title":"tea"})");
  EXPECT_EQ(fields_of(R"(read_mask: "stars")"), R"({"stars":3})");
  EXPECT_EQ(fields_of(R"(read_mask: "id")"), "{}");
  const auto typed = Search("notes", "tea", "typed: true");
  ASSERT_OK(typed);
  EXPECT_EQ(typed->hits(0).record().body_case(), v1::Record::kTyped);
  EXPECT_EQ(typed->hits(0).record().version(), 1);
  EXPECT_THAT(
      ViolationsOf(Search("notes", "tea", R"(read_mask: "nope")").status()),
      ElementsAre(Pair("read_mask.paths[0]", HasSubstr("no field"))));
}

TEST_F(TextSearchTest, ACollectionWithoutFullTextSaysSo) {
  const absl::Status status = Search("silent", "tea").status();
  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kFailedPrecondition, "full_text"));
  EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_ATTRIBUTE_MISSING);
  EXPECT_THAT(Search("nonesuch", "tea").status(),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(TextSearchTest, EveryMistakeOfARequestIsReported) {
  EXPECT_THAT(
      ViolationsOf(Search("notes", std::string(8193, 'x'),
                          R"(filter: "stras = 1", parameters: {unused: 1},
                    weights: [{field: "titel", weight: 1},
                              {field: "body", weight: -1},
                              {field: "body", weight: 1001},
                              {field: "stars", weight: 1}],
                    snippets: {fields: ["title", "nope", "title"],
                               max_tokens: -1})")
                       .status()),
      UnorderedElementsAre(
          Pair("query", "has 8193 bytes; give at most 8192"),
          Pair("filter", HasSubstr("stras")),
          Pair("parameters.unused", HasSubstr("used nowhere")),
          Pair("weights[0].field", HasSubstr("did you mean \"title\"?")),
          Pair("weights[1].weight", "is -1; give 0 to 1000"),
          Pair("weights[2].weight", "is 1001; give 0 to 1000"),
          Pair("weights[2].field", HasSubstr("twice")),
          Pair("weights[3].field", HasSubstr("no field \"stars\"")),
          Pair("snippets.fields[1]", HasSubstr("no field \"nope\"")),
          Pair("snippets.fields[2]", HasSubstr("twice")),
          Pair("snippets.max_tokens", HasSubstr("negative"))));
  v1::SearchTextRequest request;
  request.set_collection("notes");
  request.set_query(std::string(8192, 'x'));
  request.add_weights()->set_field("title");
  request.mutable_weights(0)->set_weight(
      std::numeric_limits<double>::quiet_NaN());
  request.mutable_snippets()->set_begin_mark(std::string(65, 'x'));
  request.mutable_snippets()->set_end_mark(std::string(64, 'x'));
  EXPECT_THAT(ViolationsOf(Search(request).status()),
              ElementsAre(Pair("weights[0].weight", "is nan; give 0 to 1000"),
                          Pair("snippets.begin_mark", HasSubstr("65 bytes"))));
  EXPECT_THAT(ViolationsOf(Search("notes", "x", "page_size: -1").status()),
              ElementsAre(Pair("page_size", HasSubstr("negative"))));
}

TEST_F(TextSearchTest, APageOfLargeRecordsEndsBeforeItIsTooLarge) {
  const std::string large(300 << 10, 'x');
  for (int i = 0; i < 8; ++i) {
    Put("notes", absl::StrCat("n", i),
        absl::StrCat(R"({"title": "tea", "extra": ")", i, large, "\"}"));
  }
  v1::SearchTextRequest request;
  request.set_collection("notes");
  request.set_query("tea");
  std::vector<std::string> ids;
  int pages = 0;
  do {
    const auto page = Search(request);
    ASSERT_OK(page);
    EXPECT_LT(page->ByteSizeLong(), 2 << 20);
    for (const auto& hit : page->hits()) ids.push_back(hit.record().id());
    request.set_page_token(page->next_page_token());
    ++pages;
  } while (!request.page_token().empty() && pages < 10);
  EXPECT_EQ(pages, 2);
  EXPECT_THAT(ids, SizeIs(8));
  request.mutable_read_mask()->add_paths("id");
  const auto page = Search(request);
  ASSERT_OK(page);
  EXPECT_THAT(page->hits(), SizeIs(8));
}

// Ranks, and returns how many pages were read from the file for it.
int PagesRead(Database& database, const TextSearch& search, int limit) {
  const auto target = FindReadTarget(database, "notes");
  EXPECT_OK(target);
  sqlite3* const handle = target->connection().handle();
  sqlite3_db_release_memory(handle);
  int pages = 0;
  int ignored = 0;
  sqlite3_db_status(handle, SQLITE_DBSTATUS_CACHE_MISS, &pages, &ignored, 1);
  const auto ranking = RankByText(target->connection(), *target->collection,
                                  search, std::nullopt, limit, {});
  EXPECT_OK(ranking);
  EXPECT_EQ(ranking->total, 400);
  sqlite3_db_status(handle, SQLITE_DBSTATUS_CACHE_MISS, &pages, &ignored, 1);
  return pages;
}

// Each record is on pages of its own.
TEST_F(TextSearchTest, RankingReadsTheIndexAndFewRecords) {
  const std::string large(20'000, 'x');
  for (int i = 0; i < 400; ++i) {
    std::string words = "tea";
    for (int j = 0; j < i; ++j) words += " and";
    Put("notes", absl::StrCat("n", i),
        absl::StrCat(R"({"body": ")", words, R"(", "extra": ")", i, large,
                     "\"}"));
  }
  TextSearch search;
  search.match = "\"tea\"";
  search.weights = {1, 1};
  const int unfiltered = PagesRead(database_.database(), search, 10);
  EXPECT_LT(unfiltered, 200);
  filter::Node always;
  always.value = int64_t{1};
  search.filter = always;
  EXPECT_GT(PagesRead(database_.database(), search, 10), 2 * unfiltered);
}

TEST_F(TextSearchTest, TheCallsBoundsEndASearch) {
  std::vector<std::string> items;
  for (int i = 0; i < 9000; ++i) {
    items.push_back(
        absl::StrCat(R"({"collection": "notes", "create": {"id": "n)", i,
                     R"(", "fields": {"title": "tea", "stars": )", i, "}}}"));
  }
  ASSERT_OK(database_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  EXPECT_THAT(
      Search("notes", "tea", "", {.deadline = absl::Now() - absl::Seconds(1)})
          .status(),
      StatusIs(absl::StatusCode::kDeadlineExceeded));
  // Goes after it has begun.
  int looks = 0;
  EXPECT_THAT(Search("notes", "tea", "filter: 'stars >= 0'",
                     {.is_cancelled = [&] { return ++looks > 3; }})
                  .status(),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_GT(looks, 3);
  const auto response = Search("notes", "tea", "with_total: true");
  ASSERT_OK(response);
  EXPECT_EQ(response->total_size(), 9000);
}

}  // namespace
}  // namespace engram::storage
