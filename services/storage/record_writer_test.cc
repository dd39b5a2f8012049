#include "services/storage/record_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/rpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TestDatabase;
using Result = v1::WriteResult;

constexpr char kNotes[] = R"(
collection: notes
fields:
  title:  {type: string, required: true}
  stars:  {type: int, default: 3, min: 0, max: 5}
  visits: {type: int, merge: add}
  slug:   {type: string, unique: true}
  mail:   {type: string, unique: true}
  owner:  {type: string, immutable: true}
checks: ['stars < 5 OR title != "bad"']
)";

class RecordWriterTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(database_.Apply({kNotes})); }

  // A note with unique keys of its own.
  static std::string Create(const std::string& id,
                            const std::string& more = "") {
    return absl::StrCat(R"({"collection": "notes", "create": {"id": ")", id,
                        R"(", "fields": {"title": "t", "slug": ")", id,
                        R"(", "mail": ")", id, "\"", more.empty() ? "" : ", ",
                        more, "}}}");
  }

  TestDatabase database_;
};

TEST_F(RecordWriterTest, SaysWhatBecameOfEachItem) {
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse response,
                       database_.Write(absl::StrCat("[", Create("a"), R"(,
        {"collection": "notes", "upsert": {"id": "a", "fields": {"stars": 4}}},
        {"collection": "notes", "upsert": {"id": "a", "fields": {"stars": 4}}},
        {"collection": "notes", "delete": {"id": "a"}},
        {"collection": "notes", "delete": {"id": "a"}}])")));
  EXPECT_EQ(response.results(0).outcome(), Result::OUTCOME_CREATED);
  EXPECT_EQ(response.results(0).version(), 1);
  EXPECT_EQ(response.results(1).outcome(), Result::OUTCOME_UPDATED);
  EXPECT_EQ(response.results(1).version(), 2);
  EXPECT_EQ(response.results(2).outcome(), Result::OUTCOME_UNCHANGED);
  EXPECT_EQ(response.results(2).version(), 2);
  EXPECT_EQ(response.results(3).outcome(), Result::OUTCOME_DELETED);
  EXPECT_EQ(response.results(3).version(), 0);
  EXPECT_EQ(response.results(4).outcome(), Result::OUTCOME_ABSENT);
}

TEST_F(RecordWriterTest, WhatChangesNothingWritesNothing) {
  ASSERT_OK(database_.WriteOne(Create("a")));
  const int64_t before = database_.newest_sequence();
  ASSERT_OK_AND_ASSIGN(
      const Result result,
      database_.WriteOne(
          R"({"collection": "notes", "update": {"id": "a", "fields": {"title": "t"}}})"));
  EXPECT_EQ(result.outcome(), Result::OUTCOME_UNCHANGED);
  EXPECT_EQ(database_.newest_sequence(), before);
}

TEST_F(RecordWriterTest, ACreateOfWhatExistsIsRefused) {
  ASSERT_OK(database_.WriteOne(Create("a")));
  const auto same_id = database_.WriteOne(
      R"({"collection": "notes", "create": {"id": "a", "fields": {"title": "x", "slug": "x", "mail": "x"}}})");
  EXPECT_THAT(same_id, StatusIs(absl::StatusCode::kAlreadyExists,
                                "items[0]: collection \"notes\" has a record "
                                "\"a\" already"));
  const auto same_key = database_.WriteOne(
      R"({"collection": "notes", "create": {"id": "b", "fields": {"title": "x", "slug": "a", "mail": "x"}}})");
  EXPECT_THAT(same_key, StatusIs(absl::StatusCode::kAlreadyExists,
                                 "the unique key (slug) of record \"b\" is "
                                 "held by record \"a\""));
  EXPECT_EQ(ReasonOf(same_key.status()),
            common::v1::ERROR_REASON_UNIQUE_KEY_TAKEN);
}

TEST_F(RecordWriterTest, AnUpsertWhoseKeysPointAtTwoRecordsNamesBoth) {
  ASSERT_OK(database_.WriteOne(Create("a")));
  ASSERT_OK(database_.WriteOne(Create("b")));
  const auto written = database_.WriteOne(
      R"({"collection": "notes", "upsert": {"fields": {"title": "x", "slug": "a", "mail": "b"}}})");
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kAlreadyExists,
                                "record \"a\" is held by record \"b\""));
  EXPECT_EQ(ReasonOf(written.status()),
            common::v1::ERROR_REASON_UNIQUE_KEY_TAKEN);
  // The same with an id that is sent.
  EXPECT_THAT(
      database_.WriteOne(
          R"({"collection": "notes", "upsert": {"id": "a", "fields": {"mail": "b"}}})"),
      StatusIs(absl::StatusCode::kAlreadyExists,
               "(mail) of record \"a\" is held by record \"b\""));
}

TEST_F(RecordWriterTest, DuplicateKeysInsideABatchAreFound) {
  const auto written = database_.Write(absl::StrCat(
      "[", Create("a"),
      R"(, {"collection": "notes", "create": {"id": "b", "fields": {"title": "x", "slug": "a", "mail": "b"}}}])"));
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kAlreadyExists,
                                "items[1]: collection \"notes\": the unique "
                                "key (slug) of record \"b\""));
  EXPECT_THAT(database_.Get("notes", "a"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(RecordWriterTest, MissingEqualsMissingInAUniqueKey) {
  ASSERT_OK(database_.WriteOne(
      R"({"collection": "notes", "create": {"id": "a", "fields": {"title": "x", "mail": "1"}}})"));
  EXPECT_THAT(
      database_.WriteOne(
          R"({"collection": "notes", "create": {"id": "b", "fields": {"title": "x", "mail": "2"}}})"),
      StatusIs(absl::StatusCode::kAlreadyExists, "(slug)"));
}

TEST_F(RecordWriterTest, AnUpsertMergesAndAReplaceStartsAgain) {
  ASSERT_OK(database_.WriteOne(Create("a", R"("visits": 2, "stars": 5)")));
  ASSERT_OK(database_.WriteOne(
      R"({"collection": "notes", "upsert": {"id": "a", "fields": {"visits": 3}}})"));
  EXPECT_THAT(*database_.Fields("notes", "a"), HasSubstr(R"("visits":5)"));
  ASSERT_OK(database_.WriteOne(
      R"({"collection": "notes", "replace": {"id": "a", "fields": {"title": "n", "slug": "a", "mail": "a"}}})"));
  EXPECT_EQ(*database_.Fields("notes", "a"),
            R"({"mail":"a","slug":"a","stars":3,"title":"n"})");
}

TEST_F(RecordWriterTest, AnUpdateOfWhatDoesNotExistIsNotFound) {
  const auto written = database_.WriteOne(
      R"({"collection": "notes", "update": {"id": "a", "fields": {"stars": 1}}})");
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(ReasonOf(written.status()),
            common::v1::ERROR_REASON_RECORD_UNKNOWN);
}

TEST_F(RecordWriterTest, ConditionsGuardAChange) {
  ASSERT_OK(database_.WriteOne(Create("a")));
  const auto stale = database_.WriteOne(
      R"({"collection": "notes", "condition": {"version": 7}, "update": {"id": "a", "fields": {"stars": 1}}})");
  EXPECT_THAT(stale, StatusIs(absl::StatusCode::kAborted));
  EXPECT_EQ(ReasonOf(stale.status()),
            common::v1::ERROR_REASON_VERSION_MISMATCH);
  const auto unmet = database_.WriteOne(
      R"({"collection": "notes", "condition": {"filter": "stars > 3"}, "delete": {"id": "a"}})");
  EXPECT_THAT(unmet, StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_EQ(ReasonOf(unmet.status()), common::v1::ERROR_REASON_CONDITION_UNMET);
  EXPECT_OK(database_.WriteOne(
      R"({"collection": "notes", "condition": {"version": 1, "filter": "stars = 3"}, "update": {"id": "a", "fields": {"stars": 1}}})"));
}

TEST_F(RecordWriterTest, VersionZeroMeansThatThereIsNone) {
  const char* item =
      R"({"collection": "notes", "condition": {"version": 0}, "upsert": {"id": "a", "fields": {"title": "t", "slug": "a", "mail": "a"}}})";
  EXPECT_OK(database_.WriteOne(item));
  EXPECT_THAT(database_.WriteOne(item), StatusIs(absl::StatusCode::kAborted));
}

TEST_F(RecordWriterTest, ReportsWhatEveryItemBreaksTogether) {
  ASSERT_OK(database_.WriteOne(Create("a", R"("owner": "me")")));
  const auto written = database_.Write(R"([
    {"collection": "notes", "create": {"id": "b", "fields": {"slug": "b", "mail": "b"}}},
    {"collection": "notes", "update": {"id": "a", "fields": {"owner": "you"}}},
    {"collection": "notes", "update": {"id": "b", "fields": {"stars": 1}}},
    {"collection": "notes", "update": {"id": "a", "fields": {"title": "bad", "stars": 5}}}])");
  EXPECT_THAT(written, StatusIs(absl::StatusCode::kInvalidArgument));
  const std::string message(written.status().message());
  EXPECT_THAT(message, HasSubstr("items[0].create.fields.title: is required"));
  EXPECT_THAT(message, HasSubstr("items[1].update.fields.owner: is immutable"));
  EXPECT_THAT(message, HasSubstr("items[3].update.fields: breaks the check"));
  EXPECT_THAT(*database_.Fields("notes", "a"), HasSubstr(R"("title":"t")"));
}

TEST_F(RecordWriterTest, WithoutAtomicEachItemIsForItself) {
  ASSERT_OK_AND_ASSIGN(
      const v1::WriteResponse response,
      database_.Write(absl::StrCat("[", Create("a"), ",", Create("a"), ",", R"(
    {"collection": "notes", "create": {"id": "b", "fields": {"slug": "b"}}},
    {"collection": "notes", "create": {"id": "c", "fields": {"title": 7}}},
    {"collection": "notes", "update": {"id": "nobody", "fields": {"stars": 1}}},)",
                                   Create("d"), "]"),
                      R"("atomic": false)"));
  std::vector<Result::Outcome> outcomes;
  for (const Result& result : response.results()) {
    outcomes.push_back(result.outcome());
  }
  EXPECT_THAT(outcomes,
              ElementsAre(Result::OUTCOME_CREATED, Result::OUTCOME_FAILED,
                          Result::OUTCOME_FAILED, Result::OUTCOME_FAILED,
                          Result::OUTCOME_FAILED, Result::OUTCOME_CREATED));
  EXPECT_THAT(FromRpcStatus(response.results(1).error()),
              StatusIs(absl::StatusCode::kAlreadyExists));
  const absl::Status missing = FromRpcStatus(response.results(2).error());
  EXPECT_THAT(missing, StatusIs(absl::StatusCode::kInvalidArgument,
                                "items[2].create.fields.title: is required"));
  EXPECT_EQ(ReasonOf(missing), common::v1::ERROR_REASON_FIELD_INVALID);
  EXPECT_THAT(FromRpcStatus(response.results(3).error()),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "items[3].create.fields.title"));
  EXPECT_EQ(database_.QueryInt("SELECT records FROM _collections"), 2);
  EXPECT_EQ(database_.QueryInt("SELECT count(*) FROM notes"), 2);
}

TEST_F(RecordWriterTest, AFailedItemLeavesNoGapInTheLog) {
  const int64_t before = database_.newest_sequence();
  ASSERT_OK(database_.Write(
      absl::StrCat("[", Create("a"), ",", Create("a"), ",", Create("b"), "]"),
      R"("atomic": false)"));
  EXPECT_EQ(database_.newest_sequence(), before + 2);
  EXPECT_THAT(database_.ChangesAfter(before),
              ElementsAre("changed a", "changed b"));
}

TEST_F(RecordWriterTest, ARepeatGetsTheFirstAnswerAndWritesNothing) {
  const std::string items =
      R"([{"collection": "notes", "create": {"fields": {"title": "t"}}}])";
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse first,
                       database_.Write(items, R"("requestId": "r1")"));
  ASSERT_OK_AND_ASSIGN(const v1::WriteResponse again,
                       database_.Write(items, R"("requestId": "r1")"));
  EXPECT_EQ(first.SerializeAsString(), again.SerializeAsString());
  EXPECT_THAT(database_.Write("[" + Create("x") + "]", R"("requestId": "r1")"),
              StatusIs(absl::StatusCode::kInvalidArgument, "r1"));
}

TEST_F(RecordWriterTest, TimeStandsStillWhenTheClockGoesBack) {
  ASSERT_OK(database_.WriteOne(Create("a")));
  database_.clock().Advance(-absl::Hours(2));
  ASSERT_OK(database_.WriteOne(Create("b")));
  EXPECT_EQ(database_.QueryInt("SELECT _created_us FROM notes WHERE id = 'a'"),
            database_.QueryInt("SELECT _created_us FROM notes WHERE id = 'b'"));
  EXPECT_OK(database_.Get("notes", "b"));
}

TEST_F(RecordWriterTest, ABatchOfAnOlderSchemaIsCheckedAgain) {
  const v1::WriteRequest request = testing::RequestOf(R"([
    {"collection": "notes", "create": {"id": "a", "fields": {"title": "t"}}}])");
  ASSERT_OK_AND_ASSIGN(
      RecordBatch batch,
      DecodeBatch("default", database_.database().catalog(), request));
  ASSERT_OK(database_.Apply({R"({collection: notes, fields: {
      title: {type: string, required: true}, color: {type: string, required: true}}})"}));
  v1::WriteResponse response;
  EXPECT_THAT(database_.Run([&](WriteTransaction& transaction) {
    return WriteRequest(transaction, database_.database(), request, batch,
                        &response);
  }),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "items[0].create.fields.color: is required"));
}

TEST_F(RecordWriterTest, NumbersNewRecords) {
  ASSERT_OK(database_.Apply(
      {kNotes, "{collection: posts, id: sequence, fields: {t: {type: int}}}"}));
  const auto create = [&](const std::string& id) {
    return database_.WriteOne(absl::StrCat(
        R"({"collection": "posts", "create": {"id": ")", id, "\"}}"));
  };
  EXPECT_EQ(create("")->id(), "1");
  EXPECT_EQ(create("")->id(), "2");
  EXPECT_EQ(create("40")->id(), "40");
  EXPECT_EQ(create("")->id(), "41");
  EXPECT_EQ(create("7")->id(), "7");
  database_.Reopen();
  EXPECT_EQ(create("")->id(), "42");
  EXPECT_THAT(create("x"), StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(RecordWriterTest, AFailedCreateTakesNoNumber) {
  ASSERT_OK(database_.Apply(
      {kNotes,
       "{collection: posts, id: sequence, fields: {t: {type: int, unique: "
       "true}}}"}));
  const char* item =
      R"({"collection": "posts", "upsert": {"fields": {"t": 1}}})";
  EXPECT_EQ(database_.WriteOne(item)->id(), "1");
  EXPECT_EQ(database_.WriteOne(item)->id(), "1");
  EXPECT_EQ(
      database_
          .WriteOne(
              R"({"collection": "posts", "create": {"fields": {"t": 2}}})")
          ->id(),
      "2");
}

TEST_F(RecordWriterTest, TheLargestIntsComeBackAsTheyWere) {
  ASSERT_OK(
      database_.Apply({kNotes, "{collection: n, fields: {i: {type: int}}}"}));
  ASSERT_OK(database_.WriteOne(
      R"({"collection": "n", "create": {"id": "a", "fields": {"i": "-9223372036854775808"}}})"));
  EXPECT_EQ(*database_.Fields("n", "a"), R"({"i":"-9223372036854775808"})");
}

TEST_F(RecordWriterTest, SqlInEveryStringIsJustText) {
  const std::string evil = R"('); DROP TABLE notes; --)";
  ASSERT_OK(database_.WriteOne(Create(evil, R"("owner": "' OR 1=1; --")")));
  EXPECT_OK(database_.Get("notes", evil));
  EXPECT_EQ(database_.QueryInt("SELECT count(*) FROM notes"), 1);
}

}  // namespace
}  // namespace engram::storage
