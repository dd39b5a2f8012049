#include "services/storage/record_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/util/json_util.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/collections.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

using Response = v1::RecordServiceListResponse;

constexpr char kItems[] = R"(
collection: items
fields:
  name:  {type: string, collate: nocase, index: true}
  kind:  {type: string, index: true}
  size:  {type: int, index: true}
  score: {type: double}
  done:  {type: bool}
  at:    {type: timestamp}
  note:  {type: text}
  meta:  {type: json}
  tags:  {type: strings, index: true}
  blob:  {type: bytes}
  twice: {type: int, generated: size * 2}
  until: {type: timestamp}
indexes: [[kind, -score]]
soft_delete: true
expire: {field: until}
)";

std::vector<std::string> Ids(const Response& page) {
  std::vector<std::string> ids;
  for (const v1::Record& record : page.records()) ids.push_back(record.id());
  return ids;
}

class RecordListTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(db_.Apply({kItems})); }

  void Put(const std::string& id, const std::string& fields) {
    ASSERT_OK(db_.WriteOne(
        absl::StrCat(R"({"collection": "items", "replace": {"id": ")", id,
                     R"(", "fields": )", fields, "}}")));
  }
  void Delete(const std::string& id) {
    ASSERT_OK(db_.WriteOne(absl::StrCat(
        R"({"collection": "items", "delete": {"id": ")", id, R"("}})")));
  }
  void Purge(const std::string& id) {
    ASSERT_OK(db_.WriteOne(
        absl::StrCat(R"({"collection": "items", "delete": {"id": ")", id,
                     R"(", "purge": true}})")));
  }

  // Records n0, n1 and so on whose size is their number.
  void PutMany(int count, const std::string& more = "") {
    std::vector<std::string> items;
    for (int i = 0; i < count; ++i) {
      items.push_back(
          absl::StrCat(R"({"collection": "items", "create": {"id": "n)", i,
                       R"(", "fields": {"size": )", i, more, "}}}"));
      if (items.size() == 1000 || i + 1 == count) {
        ASSERT_OK(db_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
        items.clear();
      }
    }
  }

  // `request` is JSON, without the collection.
  absl::StatusOr<Response> List(const std::string& request,
                                const CallBounds& bounds = {}) {
    v1::RecordServiceListRequest decoded;
    EXPECT_TRUE(
        google::protobuf::util::JsonStringToMessage(request, &decoded).ok())
        << request;
    if (decoded.collection().empty()) decoded.set_collection("items");
    Response response;
    const absl::Status status =
        ListRecords(db_.database(), decoded, bounds, &response);
    if (!status.ok()) return status;
    return response;
  }
  std::vector<std::string> ListedIds(const std::string& request) {
    const auto page = List(request);
    return page.ok() ? Ids(*page)
                     : std::vector<std::string>{page.status().ToString()};
  }

  // The ids of all pages; `before_next` is called between two.
  std::vector<std::string> Walk(
      const std::string& request, int page_size,
      const std::function<void()>& before_next = [] {}) {
    std::vector<std::string> ids;
    std::string token;
    do {
      const auto page = List(absl::StrCat(
          "{", request, request.empty() ? "" : ", ",
          "\"page_size\": ", page_size, ", \"page_token\": \"", token, "\"}"));
      EXPECT_OK(page);
      if (!page.ok()) break;
      EXPECT_LE(page->records_size(), page_size);
      for (const std::string& id : Ids(*page)) ids.push_back(id);
      token = page->next_page_token();
      if (!token.empty()) before_next();
    } while (!token.empty());
    return ids;
  }

  std::vector<std::pair<std::string, std::string>> Violations(
      const std::string& request) {
    return testing::ViolationsOf(List(request).status());
  }

  testing::TestDatabase db_;
};

TEST_F(RecordListTest, ListsInTheOrderOfCreationUnlessAskedOtherwise) {
  for (const char* id : {"c", "a", "b"}) Put(id, "{}");
  Put("a", R"({"size": 1})");
  EXPECT_THAT(ListedIds("{}"), ElementsAre("c", "a", "b"));
  EXPECT_THAT(ListedIds(R"({"order_by": "_row desc"})"),
              ElementsAre("b", "a", "c"));
  EXPECT_THAT(ListedIds(R"({"order_by": "id"})"), ElementsAre("a", "b", "c"));
  EXPECT_THAT(ListedIds(R"({"order_by": "id desc"})"),
              ElementsAre("c", "b", "a"));
}

TEST_F(RecordListTest, OrdersBySeveralFieldsThenById) {
  Put("d", R"({"kind": "x", "size": 1})");
  Put("c", R"({"kind": "x", "size": 2})");
  Put("b", R"({"kind": "y", "size": 2})");
  Put("a", R"({"kind": "x", "size": 1})");
  EXPECT_THAT(ListedIds(R"({"order_by": "kind, size desc"})"),
              ElementsAre("c", "a", "d", "b"));
  EXPECT_THAT(ListedIds(R"({"order_by": "kind desc, size"})"),
              ElementsAre("b", "a", "d", "c"));
  EXPECT_THAT(ListedIds(R"({"order_by": "size desc, id desc"})"),
              ElementsAre("c", "b", "d", "a"));
  EXPECT_THAT(ListedIds(R"({"order_by": "twice, _row"})"),
              ElementsAre("d", "a", "c", "b"));
}

TEST_F(RecordListTest, MissingValuesAreFirstAndWithDescLast) {
  Put("a", R"({"size": 0, "score": -1})");
  Put("b", "{}");
  Put("c", R"({"size": "-9223372036854775808", "name": ""})");
  EXPECT_THAT(ListedIds(R"({"order_by": "size"})"), ElementsAre("b", "c", "a"));
  EXPECT_THAT(ListedIds(R"({"order_by": "size desc"})"),
              ElementsAre("a", "c", "b"));
  EXPECT_THAT(ListedIds(R"({"order_by": "name desc"})"),
              ElementsAre("c", "a", "b"));
  EXPECT_THAT(ListedIds(R"({"order_by": "score"})"),
              ElementsAre("b", "c", "a"));
}

TEST_F(RecordListTest, NocaseFieldsAreOrderedByTheirCollation) {
  Put("1", R"({"name": "b", "kind": "b"})");
  Put("2", R"({"name": "A", "kind": "A"})");
  Put("3", R"({"name": "B", "kind": "B"})");
  Put("4", R"({"name": "a", "kind": "a"})");
  EXPECT_THAT(ListedIds(R"({"order_by": "name"})"),
              ElementsAre("2", "4", "1", "3"));
  EXPECT_THAT(Walk(R"("order_by": "name")", 1),
              ElementsAre("2", "4", "1", "3"));
  EXPECT_THAT(ListedIds(R"({"order_by": "kind"})"),
              ElementsAre("2", "3", "4", "1"));
}

TEST_F(RecordListTest, OrdersByWhatEveryRecordHas) {
  Put("a", R"({"until": "2100-01-01T00:00:00Z"})");
  db_.clock().Advance(absl::Seconds(1));
  Put("b", "{}");
  db_.clock().Advance(absl::Seconds(1));
  Put("a", R"({"size": 1, "until": "2100-01-01T00:00:00Z"})");
  EXPECT_THAT(ListedIds(R"({"order_by": "_create_time desc"})"),
              ElementsAre("b", "a"));
  EXPECT_THAT(ListedIds(R"({"order_by": "_update_time desc"})"),
              ElementsAre("a", "b"));
  EXPECT_THAT(ListedIds(R"({"order_by": "_version desc"})"),
              ElementsAre("a", "b"));
  EXPECT_THAT(ListedIds(R"({"order_by": "_expire_time"})"),
              ElementsAre("b", "a"));
}

TEST_F(RecordListTest, WhereNothingExpiresTheTimeOrdersNothing) {
  ASSERT_OK(db_.Apply({"{collection: plain, fields: {n: {type: int}}}"}));
  ASSERT_OK(db_.Write(R"([
      {"collection": "plain", "create": {"id": "b", "fields": {"n": 1}}},
      {"collection": "plain", "create": {"id": "a", "fields": {"n": 2}}}])"));
  const std::string request =
      R"("collection": "plain", "order_by": "_expire_time desc, n desc")";
  EXPECT_THAT(Walk(request, 1), ElementsAre("a", "b"));
}

// Every order, page by page, is what one large page is.
TEST_F(RecordListTest, PagesJoinWithoutGapsAndRepeats) {
  const char* values[] = {"",
                          R"("size": 1)",
                          R"("size": 2, "kind": "x")",
                          R"("kind": "x", "score": 0.5)",
                          R"("name": "A", "score": -0.0)",
                          R"("name": "a", "score": 0, "done": true)",
                          R"("size": 1, "done": false, "note": "n")",
                          R"("at": "2026-01-01T00:00:00Z", "kind": "y")"};
  for (int i = 0; i < 24; ++i) {
    Put(absl::StrCat("r", (i * 7) % 24), absl::StrCat("{", values[i % 8], "}"));
  }
  for (const char* order :
       {"", "id desc", "_row desc", "size", "size desc", "kind, size desc",
        "kind desc, size", "name desc, score, done desc", "score, kind",
        "score desc, name", "done, at desc, note", "note desc", "twice desc",
        "_version, _create_time desc", "_expire_time, size"}) {
    const std::string request = absl::StrCat(R"("order_by": ")", order, "\"");
    const std::vector<std::string> all =
        ListedIds(absl::StrCat("{", request, "}"));
    ASSERT_THAT(std::set<std::string>(all.begin(), all.end()), SizeIs(24));
    for (const int page_size : {1, 2, 5, 24}) {
      EXPECT_EQ(Walk(request, page_size), all) << order << ", " << page_size;
    }
  }
}

TEST_F(RecordListTest, PagesStayRightWhileRecordsComeGoAndMove) {
  PutMany(40);
  int step = 0;
  const std::vector<std::string> walked = Walk(R"("order_by": "size")", 4, [&] {
    // Before and after the place that the walk has come to.
    Put(absl::StrCat("new", step), absl::StrCat(R"({"size": )", step, "}"));
    Put(absl::StrCat("late", step), R"({"size": 1000})");
    // The record that it has come to, and another one, go or move.
    const int at = 4 * step + 3;
    if (step % 2 == 0) {
      Delete(absl::StrCat("n", at));
    } else {
      Put(absl::StrCat("n", at), R"({"size": -1})");
    }
    ++step;
  });
  std::map<std::string, int> seen;
  for (const std::string& id : walked) ++seen[id];
  for (int i = 0; i < 40; ++i) {
    if (i % 4 == 3) continue;
    EXPECT_EQ(seen[absl::StrCat("n", i)], 1) << i;
  }
  EXPECT_EQ(seen["late0"], 1);
}

TEST_F(RecordListTest, WalksBesideAWriterSeeWhatStaysPutOnce) {
  PutMany(200, R"(, "kind": "still")");
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string id = absl::StrCat("m", i % 50);
      Put(id,
          absl::StrCat(R"({"kind": "moving", "size": )", i * 37 % 200, "}"));
      // For good: the next round makes it anew.
      if (i % 3 == 0) Purge(id);
    }
  });
  std::vector<std::string> expected;
  for (int i = 199; i >= 0; --i) expected.push_back(absl::StrCat("n", i));
  for (int round = 0; round < 10; ++round) {
    std::vector<std::string> still;
    for (const std::string& id : Walk(R"("order_by": "size desc")", 7)) {
      if (absl::StartsWith(id, "n")) still.push_back(id);
    }
    EXPECT_EQ(still, expected);
  }
  stop = true;
  writer.join();
}

TEST_F(RecordListTest, ListsWhatMeetsTheFilter) {
  Put("a", R"({"kind": "x", "tags": ["t"], "meta": {"n": 1}})");
  Put("b", R"({"kind": "y", "tags": ["t", "u"], "meta": {"n": 2}})");
  Put("c", R"({"kind": "x"})");
  EXPECT_THAT(ListedIds(R"({"filter": "kind = :k AND tags HAS \"t\"",
                            "parameters": {"k": "x"}})"),
              ElementsAre("a"));
  EXPECT_THAT(ListedIds(R"({"filter": "tags HAS \"t\""})"),
              ElementsAre("a", "b"));
  EXPECT_THAT(ListedIds(R"({"filter": "NOT tags HAS \"t\""})"),
              ElementsAre("c"));
  EXPECT_THAT(ListedIds(R"({"filter": "meta.n > 1"})"), ElementsAre("b"));
  EXPECT_THAT(ListedIds(R"({"filter": "kind != \"x\""})"), ElementsAre("b"));
  EXPECT_THAT(ListedIds(R"({"filter": "false"})"), IsEmpty());
  EXPECT_THAT(ListedIds(R"({"filter": "_create_time <= now"})"), SizeIs(3));
}

TEST_F(RecordListTest, HidesWhatIsDeletedOrHasExpired) {
  Put("a", "{}");
  Put("b", "{}");
  Put("c", R"({"until": "2100-01-01T00:00:00Z"})");
  Delete("b");
  EXPECT_THAT(ListedIds(R"({"with_total": true})"), ElementsAre("a", "c"));
  db_.clock().Advance(absl::Hours(24 * 365 * 100));
  ASSERT_OK_AND_ASSIGN(const Response page, List(R"({"with_total": true})"));
  EXPECT_THAT(Ids(page), ElementsAre("a"));
  EXPECT_EQ(page.total_size(), 1);
  EXPECT_THAT(ListedIds(R"({"random": true})"), ElementsAre("a"));
}

TEST_F(RecordListTest, TotalsCountAllPagesUnderTheFilter) {
  PutMany(10);
  ASSERT_OK_AND_ASSIGN(
      const Response first,
      List(R"({"filter": "size >= 3", "page_size": 2, "with_total": true})"));
  EXPECT_EQ(first.total_size(), 7);
  EXPECT_THAT(Ids(first), ElementsAre("n3", "n4"));
  ASSERT_OK_AND_ASSIGN(
      const Response second,
      List(absl::StrCat(R"({"filter": "size >= 3", "page_size": 2, )",
                        R"("with_total": true, "page_token": ")",
                        first.next_page_token(), "\"}")));
  EXPECT_EQ(second.total_size(), 7);
  ASSERT_OK_AND_ASSIGN(const Response none, List(R"({"page_size": 1})"));
  EXPECT_FALSE(none.has_total_size());
  ASSERT_OK_AND_ASSIGN(
      const Response random,
      List(R"({"random": true, "page_size": 3, "with_total": true})"));
  EXPECT_EQ(random.total_size(), 10);
}

TEST_F(RecordListTest, TheAnswerSaysItsPositionAndPageSize) {
  PutMany(3);
  ASSERT_OK_AND_ASSIGN(const Response page, List("{}"));
  EXPECT_EQ(page.position(), db_.database().NewestPosition().ToString());
  EXPECT_EQ(page.page_size(), 100);
  EXPECT_EQ(List(R"({"page_size": 7})")->page_size(), 7);
  EXPECT_EQ(List(R"({"page_size": 1000})")->page_size(), 1000);
  EXPECT_EQ(List(R"({"page_size": 1001})")->page_size(), 1000);
  EXPECT_THAT(
      List(R"({"page_size": -1})"),
      StatusIs(absl::StatusCode::kInvalidArgument, "page_size: is negative"));
}

TEST_F(RecordListTest, NoPageIsLargerThanTheMaximum) {
  PutMany(1003);
  ASSERT_OK_AND_ASSIGN(const Response page, List(R"({"page_size": 5000})"));
  EXPECT_EQ(page.records_size(), 1000);
  EXPECT_NE(page.next_page_token(), "");
  EXPECT_EQ(List("{}")->records_size(), 100);
  EXPECT_EQ(List(R"({"page_size": 5000, "random": true})")->records_size(),
            1000);
}

TEST_F(RecordListTest, PagesOfLargeRecordsEndEarly) {
  for (const char* id : {"c", "b", "a"}) {
    Put(id, absl::StrCat(R"({"note": ")", std::string(900'000, 'n'), "\"}"));
  }
  ASSERT_OK_AND_ASSIGN(const Response first, List(R"({"order_by": "id"})"));
  EXPECT_THAT(Ids(first), ElementsAre("a", "b"));
  EXPECT_EQ(first.page_size(), 100);
  EXPECT_THAT(Walk(R"("order_by": "id")", 10), ElementsAre("a", "b", "c"));
  // What is not asked for counts nothing.
  EXPECT_THAT(ListedIds(R"({"read_mask": "size"})"), SizeIs(3));
}

TEST_F(RecordListTest, ReverseTurnsThePageOnly) {
  PutMany(5);
  ASSERT_OK_AND_ASSIGN(
      const Response newest,
      List(R"({"order_by": "_row desc", "page_size": 2, "reverse": true})"));
  EXPECT_THAT(Ids(newest), ElementsAre("n3", "n4"));
  ASSERT_OK_AND_ASSIGN(
      const Response next,
      List(absl::StrCat(
          R"({"order_by": "_row desc", "page_size": 2, "page_token": ")",
          newest.next_page_token(), "\"}")));
  EXPECT_THAT(Ids(next), ElementsAre("n2", "n1"));
}

TEST_F(RecordListTest, MasksAndBodiesAreAsInGet) {
  Put("a", R"({"kind": "x", "size": 3})");
  ASSERT_OK_AND_ASSIGN(const Response masked,
                       List(R"({"read_mask": "size", "order_by": "kind"})"));
  EXPECT_EQ(masked.records(0).fields().fields_size(), 1);
  ASSERT_OK_AND_ASSIGN(const Response ids, List(R"({"read_mask": "id"})"));
  EXPECT_EQ(ids.records(0).id(), "a");
  EXPECT_EQ(ids.records(0).fields().fields_size(), 0);
  EXPECT_EQ(ids.records(0).version(), 1);
  ASSERT_OK_AND_ASSIGN(const Response typed,
                       List(R"({"read_mask": "kind", "typed": true})"));
  // Field 2, length 1.
  EXPECT_EQ(typed.records(0).typed(), "\x12\x01x");
}

TEST_F(RecordListTest, TokensAreOfOneListFilterAndOrder) {
  PutMany(4);
  ASSERT_OK(db_.Apply({"{collection: other, fields: {size: {type: int}}}"}));
  const auto token_of = [&](const std::string& request) {
    return List(absl::StrCat("{", request, ", \"page_size\": 1}"))
        ->next_page_token();
  };
  const std::string request =
      R"("filter": "size >= :n", "parameters": {"n": 0}, "order_by": "size")";
  const std::string token =
      absl::StrCat(R"(, "page_token": ")", token_of(request), "\"}");
  for (const char* other :
       {R"("filter": "size > :n", "parameters": {"n": 0}, "order_by": "size")",
        R"("filter": "size >= :n", "parameters": {"n": 1}, "order_by": "size")",
        R"("filter": "size >= :n", "parameters": {"n": 0},
           "order_by": "size desc")",
        R"("filter": "size >= :n", "parameters": {"n": 0})",
        R"("order_by": "size")",
        R"("collection": "other", "filter": "size >= :n",
           "parameters": {"n": 0}, "order_by": "size")"}) {
    EXPECT_THAT(List(absl::StrCat("{", other, token)),
                StatusIs(absl::StatusCode::kInvalidArgument, "page_token"))
        << other;
  }
  EXPECT_THAT(
      ListedIds(absl::StrCat("{\"page_size\": 2, \"read_mask\": \"kind\", ",
                             "\"reverse\": true, ", request, token)),
      ElementsAre("n2", "n1"));
}

TEST_F(RecordListTest, TokensThatNoListReturnedAreRefused) {
  PutMany(3);
  ASSERT_OK_AND_ASSIGN(const Response page,
                       List(R"({"order_by": "size", "page_size": 1})"));
  std::string token = page.next_page_token();
  for (const std::string& bad :
       {std::string("!"), token.substr(0, token.size() / 2), token + "AAAA",
        token.substr(0, token.size() - 4)}) {
    EXPECT_THAT(List(absl::StrCat(R"({"order_by": "size", "page_token": ")",
                                  bad, "\"}")),
                StatusIs(absl::StatusCode::kInvalidArgument, "page_token"))
        << bad;
  }
}

TEST_F(RecordListTest, ATokenDoesNotOutliveTheTypeOfItsField) {
  PutMany(3);
  const std::string request = R"({"order_by": "size", "page_size": 1)";
  ASSERT_OK_AND_ASSIGN(const Response page, List(request + "}"));
  ASSERT_OK(db_.Apply({R"(
collection: items
fields: {size: {type: string}, until: {type: timestamp}}
soft_delete: true
expire: {field: until}
)"}));
  // Digits can be either.
  EXPECT_THAT(ListedIds(absl::StrCat(request, R"(, "page_token": ")",
                                     page.next_page_token(), "\"}")),
              ElementsAre("n1"));
  ASSERT_OK(db_.Apply({R"(
collection: items
fields: {size: {type: double}, until: {type: timestamp}}
soft_delete: true
expire: {field: until}
)"}));
  EXPECT_THAT(List(absl::StrCat(request, R"(, "page_token": ")",
                                page.next_page_token(), "\"}")),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));
}

TEST_F(RecordListTest, AValueTooLargeForATokenIsRefusedByName) {
  Put("a", absl::StrCat(R"({"note": ")", std::string(70'000, 'n'), "\"}"));
  Put("b", R"({"note": "z"})");
  EXPECT_THAT(ListedIds(R"({"order_by": "note"})"), ElementsAre("a", "b"));
  EXPECT_THAT(List(R"({"order_by": "note", "page_size": 1})"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "\"note\""));
}

TEST_F(RecordListTest, NamesWhatCannotBeOrderedBy) {
  const auto problem = [&](const std::string& order) {
    const auto violations =
        Violations(absl::StrCat(R"({"order_by": ")", order, "\"}"));
    return violations.size() == 1 && violations[0].first == "order_by"
               ? violations[0].second
               : "no violation";
  };
  EXPECT_EQ(problem("size, meta desc"),
            "column 7: \"meta\" is json, which has no order; json, bytes and "
            "strings fields have none");
  EXPECT_THAT(problem("tags"), HasSubstr("\"tags\" is strings"));
  EXPECT_THAT(problem("blob"), HasSubstr("\"blob\" is bytes"));
  EXPECT_EQ(problem("siez"),
            "column 1: no field \"siez\"; did you mean \"size\"?");
  EXPECT_EQ(problem("_rwo"),
            "column 1: no field \"_rwo\"; did you mean \"_row\"?");
  EXPECT_THAT(problem("size down"), HasSubstr("column 6: \"down\""));
  EXPECT_THAT(problem("size;drop table items"),
              HasSubstr("\"table\" is neither"));
  EXPECT_THAT(problem("\\\"size\\\""), HasSubstr("no field"));
  // What follows a total order still has to make sense.
  EXPECT_THAT(problem("id, sise"), HasSubstr("did you mean \"size\"?"));
}

TEST_F(RecordListTest, ReportsEveryMistakeAtOnce) {
  EXPECT_THAT(
      Violations(
          R"({"page_size": -3, "read_mask": "color", "filter": "siez = 1",
                     "parameters": {"unused": 1}, "order_by": "tags"})"),
      UnorderedElementsAre(
          Pair("page_size", HasSubstr("is negative")),
          Pair("read_mask.paths[0]", HasSubstr("no field \"color\"")),
          Pair("filter", HasSubstr("column 1: no field \"siez\"")),
          Pair("parameters.unused", HasSubstr("is used nowhere")),
          Pair("order_by", HasSubstr("has no order"))));
  EXPECT_THAT(List(R"({"collection": "nothing"})"),
              StatusIs(absl::StatusCode::kNotFound, "nothing"));
}

TEST_F(RecordListTest, ASampleHasNeitherOrderNorPages) {
  PutMany(3);
  EXPECT_THAT(Violations(R"({"random": true, "order_by": "size",
                             "page_token": "x", "reverse": true})"),
              ElementsAre(Pair("order_by", HasSubstr("random")),
                          Pair("page_token", HasSubstr("random")),
                          Pair("reverse", HasSubstr("random"))));
  ASSERT_OK_AND_ASSIGN(const Response page,
                       List(R"({"random": true, "page_size": 2})"));
  EXPECT_EQ(page.records_size(), 2);
  EXPECT_EQ(page.next_page_token(), "");
}

// How often each record is in a sample of one. 100 times each would be even;
// the bounds are more than five standard deviations from it.
MATCHER(IsEven, "is even") {
  for (const auto& [id, count] : arg) {
    if (count < 45 || count > 165) {
      *result_listener << id << " was drawn " << count << " times";
      return false;
    }
  }
  return true;
}

TEST_F(RecordListTest, SamplesFavourNoRecord) {
  PutMany(1000);
  // What lies behind a gap is no likelier than the rest: 40 records stay, some
  // alone and some side by side. Rows are drawn here, and most often found.
  std::set<int> kept;
  for (int i = 0; i < 20; ++i) kept.insert({i * 37 + 1, 900 + i});
  std::vector<std::string> items;
  for (int i = 0; i < 1000; ++i) {
    if (kept.count(i) > 0) continue;
    items.push_back(absl::StrCat(
        R"({"collection": "items", "delete": {"id": "n)", i, R"("}})"));
  }
  ASSERT_OK(db_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  std::map<std::string, int> drawn;
  for (int i = 0; i < 4000; ++i) {
    ++drawn[ListedIds(R"({"random": true, "page_size": 1})")[0]];
  }
  EXPECT_THAT(drawn, SizeIs(40));
  EXPECT_THAT(drawn, IsEven());
  // Under a filter that few meet: all rows are looked at.
  drawn.clear();
  for (int i = 0; i < 2000; ++i) {
    ++drawn[ListedIds(R"({"random": true, "page_size": 1,
                          "filter": "size >= 900"})")[0]];
  }
  EXPECT_THAT(drawn, SizeIs(20));
  EXPECT_THAT(drawn, IsEven());
}

TEST_F(RecordListTest, SamplesOfSmallTablesFavourNoRecordAndNoOrder) {
  PutMany(5);
  std::map<std::string, int> first, last;
  for (int i = 0; i < 500; ++i) {
    const auto ids = ListedIds(R"({"random": true})");
    ASSERT_THAT(ids, UnorderedElementsAre("n0", "n1", "n2", "n3", "n4"));
    ++first[ids[0]];
    ++last[ids[4]];
  }
  EXPECT_THAT(first, IsEven());
  EXPECT_THAT(last, IsEven());
}

TEST_F(RecordListTest, ADeadlineOrACallerWhoGoesEndsAScan) {
  PutMany(20'000);
  const std::string request =
      R"({"filter": "note = \"nowhere\"", "with_total": true})";
  EXPECT_THAT(List(request, {.deadline = absl::InfinitePast()}),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(List(request, {.is_cancelled = [] { return true; }}),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(List(R"({"random": true, "filter": "note = \"nowhere\""})",
                   {.is_cancelled = [] { return true; }}),
              StatusIs(absl::StatusCode::kCancelled));
  // The connection is as good as before.
  EXPECT_THAT(ListedIds(request), IsEmpty());
}

// How SQLite runs the statements that the lists since `Forget` found rows by.
class ListPlanTest : public RecordListTest {
 protected:
  std::vector<std::string> Plans(const std::string& request, int pages = 2) {
    // A connection of its own statements: of those that the request brought.
    db_.Reopen();
    EXPECT_OK(List(absl::StrCat("{", request, "}")));
    std::string token;
    for (int i = 0; i < pages; ++i) {
      const auto page = List(absl::StrCat("{", request, ", \"page_size\": 2, ",
                                          "\"page_token\": \"", token, "\"}"));
      EXPECT_OK(page);
      token = page->next_page_token();
    }
    auto reader = db_.database().AcquireReader();
    EXPECT_OK(reader);
    std::set<std::string> texts;
    for (sqlite3_stmt* at = nullptr;
         (at = sqlite3_next_stmt((*reader)->handle(), at)) != nullptr;) {
      // What finds the rows, without what looks them up.
      const absl::string_view sql = sqlite3_sql(at);
      const size_t begin = sql.find("SELECT _row AS found");
      const size_t end = sql.rfind(") CROSS JOIN");
      if (begin == absl::string_view::npos || end == absl::string_view::npos) {
        continue;
      }
      texts.emplace(sql.substr(begin, end - begin));
    }
    std::vector<std::string> plans;
    for (const std::string& sql : texts) {
      auto explain = (*reader)->Prepare("EXPLAIN QUERY PLAN " + sql);
      EXPECT_OK(explain);
      std::string plan;
      while (*explain->Step()) {
        absl::StrAppend(&plan, explain->Text(3), "; ");
      }
      plans.push_back(plan);
    }
    return plans;
  }
};

TEST_F(ListPlanTest, AnIndexedFilterPagesThroughItsIndex) {
  PutMany(20, R"(, "kind": "x")");
  EXPECT_THAT(Plans(R"("filter": "kind = \"x\"")"),
              UnorderedElementsAre("SEARCH items USING INDEX _index.items.kind "
                                   "(kind=?); ",
                                   "SEARCH items USING INDEX _index.items.kind "
                                   "(kind=? AND rowid>?); "));
}

TEST_F(ListPlanTest, AnIndexedOrderPagesThroughItsIndex) {
  PutMany(20);
  // From the page's last value on, in the order of the index; only what is
  // equal is sorted, by id.
  const std::string found = "SEARCH items USING INDEX _index.items.size ";
  const std::string ties = "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY; ";
  EXPECT_THAT(
      Plans(R"("order_by": "size")"),
      UnorderedElementsAre(
          absl::StrCat("SCAN items USING INDEX _index.items.size; ", ties),
          absl::StrCat(found, "(size=?); USE TEMP B-TREE FOR ORDER BY; "),
          absl::StrCat(found, "(size>?); ", ties)));
  EXPECT_THAT(Plans(R"("order_by": "size desc")"),
              Contains(absl::StrCat(found, "(size<?); ", ties)));
  // The row is a part of every index.
  for (const char* order : {"size, _row", "size desc, _row desc"}) {
    EXPECT_THAT(Plans(absl::StrCat(R"("order_by": ")", order, "\"")),
                Each(Not(HasSubstr("TEMP B-TREE"))))
        << order;
  }
}

TEST_F(ListPlanTest, IdsAndRowsNeedNoSort) {
  PutMany(20);
  for (const char* order : {"id", "id desc", "_row", "_row desc"}) {
    const auto plans = Plans(absl::StrCat(R"("order_by": ")", order, "\""));
    EXPECT_THAT(plans, SizeIs(2)) << order;
    EXPECT_THAT(plans, Each(Not(HasSubstr("TEMP B-TREE")))) << order;
    EXPECT_THAT(plans, Contains(HasSubstr("SEARCH"))) << order;
  }
}

TEST_F(ListPlanTest, AnIndexOfSeveralFieldsServesFilterAndOrder) {
  for (int i = 0; i < 20; ++i) {
    Put(absl::StrCat("n", i),
        absl::StrCat(R"({"kind": "x", "score": )", i / 2, "}"));
  }
  const auto plans =
      Plans(R"("filter": "kind = \"x\"", "order_by": "score desc, _row")");
  EXPECT_THAT(plans, Each(HasSubstr("_index.items.kind.-score (kind=?")));
  EXPECT_THAT(plans, Each(Not(HasSubstr("TEMP B-TREE"))));
  EXPECT_THAT(plans, Contains(HasSubstr("(kind=? AND score<?)")));
}

TEST_F(ListPlanTest, TheTextOfStatementsDoesNotDependOnValues) {
  PutMany(20);
  std::set<std::string> texts;
  for (const int from : {1, 5, 9}) {
    ASSERT_OK(
        List(absl::StrCat(R"({"filter": "size > :n", "parameters": {"n": )",
                          from, R"(}, "order_by": "kind, size"})")));
  }
  auto reader = db_.database().AcquireReader();
  ASSERT_OK(reader);
  int statements = 0;
  for (sqlite3_stmt* at = nullptr;
       (at = sqlite3_next_stmt((*reader)->handle(), at)) != nullptr;) {
    if (absl::StrContains(sqlite3_sql(at), "CROSS JOIN")) ++statements;
  }
  EXPECT_EQ(statements, 1);
}

}  // namespace
}  // namespace engram::storage
