// The model of a vector field changes: vectors of the new one are made beside
// the old ones, which serve until the new ones are complete.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/generation_backfill.h"
#include "services/storage/testing/generation_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

using testing::GenerationTest;

TEST_F(GenerationTest, ANewModelFillsBesideTheVectorsThatServe) {
  Write("a", "first");
  Write("b", "second");
  EmbedAll("two-v1");
  ChangeModel();
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 FILLING 2"));
  EXPECT_EQ(Coverage().embedded(), 2);
  EXPECT_EQ(VectorsOf("a"), "EMBEDDED 2");
  EXPECT_EQ(VectorsOf("a", 2), "PENDING 0");
  const std::vector<v1::GenerationStatus> generations = Generations();
  EXPECT_FALSE(generations[0].declared());
  EXPECT_TRUE(generations[1].declared());
  EXPECT_TRUE(generations[1].awaits_cutover());
  EXPECT_EQ(generations[1].generation().model(), "test/three");
  const std::vector<v1::OutboxEntry> waiting = Lease("three-v1");
  EXPECT_THAT(IdsOf(waiting), ElementsAre("a", "b"));
  EXPECT_EQ(waiting[0].text(), "first");
  EXPECT_EQ(waiting[0].model(), "test/three");
  EXPECT_THAT(Lease("two-v1"), IsEmpty());
}

TEST_F(GenerationTest, WhatIsWrittenMeanwhileIsEmbeddedByBothAndFirst) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel();
  Write("new", "text");
  Write("a", "changed");
  EXPECT_THAT(IdsOf(Lease("two-v1")), ElementsAre("new", "a"));
  const std::vector<v1::OutboxEntry> waiting = Lease("three-v1");
  // The entry that the backfill made for `a` was of another text.
  EXPECT_THAT(IdsOf(waiting), ElementsAre("new", "a"));
  EXPECT_EQ(waiting[1].text(), "changed");
  // What came after the beginning is not missing, only pending.
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 FILLING 1"));
  const v1::WatchChangesResponse feed = Feed();
  const v1::Change& last = feed.changes(feed.changes_size() - 1);
  EXPECT_THAT(last.record_changed().pending_generations(), ElementsAre(1, 2));
}

TEST_F(GenerationTest, TheNewVectorsServeOnceTheyAreComplete) {
  Write("a", "first");
  Write("b", "second");
  EmbedAll("two-v1");
  ChangeModel();
  Advance(absl::Seconds(1));
  Answer({Lease("three-v1")[0]});
  Advance(absl::Seconds(1));
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 FILLING 1"));
  // The lease of the other one has ended.
  Advance(absl::Minutes(2));
  EmbedAll("three-v1");
  Advance(absl::Seconds(1));
  EXPECT_THAT(States(), ElementsAre("1 RETIRED 0", "2 SERVING 0"));
  EXPECT_EQ(VectorsOf("a"), "EMBEDDED 3");
  EXPECT_EQ(VectorsOf("a", 1), "EMBEDDED 2");
  EXPECT_TRUE(Generations()[0].has_drop_time());
  EXPECT_FALSE(Generations()[1].has_drop_time());
}

TEST_F(GenerationTest, ATextThatCannotBeEmbeddedDoesNotHoldTheNewVectorsBack) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel();
  Refuse(Lease("three-v1")[0]);
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 READY 0"));
  Advance(absl::Seconds(1));
  EXPECT_THAT(States(), ElementsAre("1 RETIRED 0", "2 SERVING 0"));
}

TEST_F(GenerationTest, AManualCutOverWaitsForAPersonWhoMayGoBack) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel(", cutover: manual");
  const absl::Status early = Switch(2).status();
  EXPECT_THAT(early, StatusIs(absl::StatusCode::kFailedPrecondition,
                              "1 record has no vectors of it yet"));
  EXPECT_EQ(ReasonOf(early), common::v1::ERROR_REASON_GENERATION_INCOMPLETE);
  EmbedAll("three-v1");
  Advance(absl::Hours(1));
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 READY 0"));
  EXPECT_FALSE(Generations()[1].awaits_cutover());

  ASSERT_OK_AND_ASSIGN(const auto forward, Switch(0));
  EXPECT_EQ(forward.generation().id(), 2);
  EXPECT_EQ(forward.previous_generation(), 1);
  EXPECT_THAT(States(), ElementsAre("1 RETIRED 0", "2 SERVING 0"));
  ASSERT_OK_AND_ASSIGN(const auto again, Switch(2));
  EXPECT_EQ(again.previous_generation(), 2);
  EXPECT_EQ(again.position(), forward.position());

  // What was written meanwhile is there too.
  Write("b", "second");
  EmbedAll("two-v1");
  EmbedAll("three-v1");
  ASSERT_OK_AND_ASSIGN(const auto back, Switch(0));
  EXPECT_EQ(back.generation().id(), 1);
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 RETIRED 0"));
  EXPECT_EQ(VectorsOf("b"), "EMBEDDED 2");
}

TEST_F(GenerationTest, WhoGoesBackIsNotSwitchedForwardAgain) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel();
  EmbedAll("three-v1");
  Advance(absl::Seconds(1));
  ASSERT_OK(Switch(1));
  Advance(absl::Hours(24 * 8));
  // It stays, for the schema declares it.
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 RETIRED 0"));
  // Unless somebody does; and back once more, without a text embedded.
  ASSERT_OK(Switch(2));
  ChangeModelBack();
  EXPECT_THAT(Lease("two-v1"), IsEmpty());
  Advance(absl::Seconds(1));
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 RETIRED 0"));
  Advance(absl::Hours(24 * 8));
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0"));
}

TEST_F(GenerationTest, AChangeThatIsTakenBackGivesUpWhatWasFilled) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel();
  ChangeModelBack();
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0"));
  EXPECT_THAT(Lease("three-v1"), IsEmpty());
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), 1);
  Advance(absl::Seconds(1));
  Advance(absl::Seconds(1));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), 0);
  EXPECT_FALSE(HasTable("_vectors_2"));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _dropped_generations"), 0);
}

TEST_F(GenerationTest, OldVectorsGoAfterTheRollbackPeriod) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel();
  EmbedAll("three-v1");
  Advance(absl::Seconds(1));
  Advance(absl::Hours(24 * 7) - absl::Seconds(2));
  EXPECT_THAT(States(), ElementsAre("1 RETIRED 0", "2 SERVING 0"));
  Advance(absl::Seconds(3));
  EXPECT_THAT(States(), ElementsAre("2 SERVING 0"));
  EXPECT_THAT(Switch(1).status(), StatusIs(absl::StatusCode::kNotFound,
                                           "has no generation 1; it has 2"));
  Advance(absl::Seconds(1));
  Advance(absl::Seconds(1));
  EXPECT_FALSE(HasTable("_vectors_1"));
  Write("b", "second");
  EXPECT_THAT(Lease("two-v1"), IsEmpty());
}

TEST_F(GenerationTest, OnlyWhatNobodyNeedsIsDropped) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel();
  EXPECT_THAT(Drop(1), StatusIs(absl::StatusCode::kFailedPrecondition,
                                "serves; switch to another one first"));
  const absl::Status declared = Drop(2);
  EXPECT_THAT(declared, StatusIs(absl::StatusCode::kFailedPrecondition,
                                 "is what the schema declares"));
  EXPECT_EQ(ReasonOf(declared), common::v1::ERROR_REASON_GENERATION_IN_USE);
  EXPECT_THAT(Drop(0),
              StatusIs(absl::StatusCode::kInvalidArgument, "is missing"));
  EXPECT_THAT(Drop(7), StatusIs(absl::StatusCode::kNotFound, "it has 1, 2"));
  EmbedAll("three-v1");
  Advance(absl::Seconds(1));
  ASSERT_OK(Drop(1));
  EXPECT_THAT(States(), ElementsAre("2 SERVING 0"));
}

TEST_F(GenerationTest, ManyRecordsAreQueuedBitByBitWhateverStops) {
  constexpr int kRecords = 2600;
  std::vector<std::string> items;
  for (int i = 0; i < kRecords; ++i) {
    items.push_back(
        absl::StrCat(R"({"collection": "notes", "create": {"id": ")", i,
                     R"(", "fields": {"text": "text )", i, R"("}}})"));
    if (items.size() < 650 && i + 1 < kRecords) continue;
    ASSERT_OK(db_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
    items.clear();
  }
  EXPECT_THAT(EmbedAll("two-v1"), SizeIs(kRecords));
  ChangeModel();
  const auto queued = [this] {
    return db_.QueryInt("SELECT count(*) FROM _outbox WHERE generation = 2");
  };
  EXPECT_EQ(queued(), 500);
  // Counted, though they are not queued yet.
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 FILLING 2600"));
  EXPECT_EQ(Generations()[1].pending(), kRecords);
  EXPECT_EQ(VectorsOf("2599", 2), "PENDING 0");
  for (int i = 0; i < 5; ++i) Advance(absl::Seconds(1));
  // No more until some are embedded.
  EXPECT_EQ(queued(), kMaxBackfillWaiting);
  db_.Reopen();
  // One that the backfill has not come to.
  Write("2599", "changed");
  EXPECT_EQ(Generations()[1].pending(), kRecords);
  std::map<std::string, int> embedded;
  for (int i = 0; i < 20 && embedded.size() < kRecords; ++i) {
    for (const auto& [id, times] : EmbedAll("three-v1")) embedded[id] += times;
    Advance(absl::Seconds(1));
  }
  EXPECT_THAT(embedded, SizeIs(kRecords));
  for (const auto& [id, times] : embedded) EXPECT_EQ(times, 1) << id;
  Advance(absl::Seconds(1));
  EXPECT_THAT(States(), ElementsAre("1 RETIRED 0", "2 SERVING 0"));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _vectors_2"), kRecords);
}

TEST_F(GenerationTest, FollowersHearOfEachChangeAsItWasThen) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel();
  EmbedAll("three-v1");
  Advance(absl::Seconds(1));
  std::vector<std::string> told;
  const v1::WatchChangesResponse feed = Feed();
  for (const v1::Change& change : feed.changes()) {
    if (change.has_vectors_stored()) {
      told.push_back(
          absl::StrCat("stored ", change.vectors_stored().generation()));
    }
    const v1::Collection& collection =
        change.has_collection_created()
            ? change.collection_created()
            : change.collection_changed().collection();
    for (const v1::VectorField& field : collection.vector_fields()) {
      std::string& text =
          told.emplace_back(absl::StrCat("serves ", field.generation().id()));
      for (const v1::Generation& other : field.other_generations()) {
        absl::StrAppend(&text, ", not ", other.id());
      }
    }
  }
  EXPECT_THAT(told, ElementsAre("serves 1", "stored 1", "serves 1, not 2",
                                "stored 2", "serves 2, not 1"));
}

TEST_F(GenerationTest, EachGenerationHasTextsOfItsOwn) {
  ApplyDocument(R"({collection: notes, fields: {text: {type: text},
    title: {type: string}}, vectors: {text: {source: [text]}}})");
  Put("a", R"({"text": "x", "title": "t"})");
  EmbedAll("two-v1");
  ApplyDocument(R"({collection: notes, fields: {text: {type: text},
    title: {type: string}}, vectors: {text: {source: [title, text],
    template: '{title}: {text}'}}})");
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 FILLING 1"));
  EXPECT_EQ(Lease("two-v1")[0].text(), "t: x");
  // Renamed meanwhile: both go on with the same fields.
  ApplyDocument(R"({collection: notes, fields: {body: {type: text,
    renamed_from: text}, title: {type: string}}, vectors: {text:
    {source: [title, body], template: '{title}: {body}'}}})");
  Put("a", R"({"body": "y"})");
  std::map<int64_t, std::string> texts;
  for (const v1::OutboxEntry& entry : Lease("two-v1")) {
    texts[entry.generation()] = entry.text();
  }
  EXPECT_THAT(texts,
              UnorderedElementsAre(std::pair(1, "y"), std::pair(2, "t: y")));
  // A change of a source of which the old one has nothing.
  Put("a", R"({"title": "u"})");
  texts.clear();
  Advance(absl::Minutes(2));
  for (const v1::OutboxEntry& entry : Lease("two-v1")) {
    texts[entry.generation()] = entry.text();
  }
  EXPECT_THAT(texts,
              UnorderedElementsAre(std::pair(1, "y"), std::pair(2, "u: y")));
}

TEST_F(GenerationTest, VectorsOfAFieldThatGoesAreReplacedAtOnce) {
  Write("a", "first");
  EmbedAll("two-v1");
  ApplyDocument(R"({collection: notes, fields: {body: {type: text}},
    vectors: {text: {source: [body]}}})");
  EXPECT_THAT(States(), ElementsAre("2 SERVING 0"));
}

TEST_F(GenerationTest, ADeletedRecordLeavesNothingInAnyGeneration) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel();
  Write("b", "second");
  EmbedAll("three-v1");
  Delete("a");
  Delete("b");
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _vectors_1"), 0);
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _vectors_2"), 0);
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), 0);
  EXPECT_EQ(db_.QueryInt("SELECT sum(records) FROM _generations"), 0);
}

TEST_F(GenerationTest, ADroppedCollectionTakesItsGenerationsAlong) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel();
  DropAll();
  for (int i = 0; i < 4; ++i) Advance(absl::Seconds(1));
  EXPECT_FALSE(HasTable("_vectors_1"));
  EXPECT_FALSE(HasTable("_vectors_2"));
  EXPECT_EQ(db_.QueryInt("SELECT count(*) FROM _outbox"), 0);
}

TEST_F(GenerationTest, ASecondChangeStartsOverAndKeepsWhatServes) {
  Write("a", "first");
  EmbedAll("two-v1");
  ChangeModel();
  Declare("model: test/two, metric: dot");
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "3 FILLING 1"));
  EmbedAll("two-v1");
  Advance(absl::Seconds(1));
  EXPECT_THAT(States(), ElementsAre("1 RETIRED 0", "3 SERVING 0"));
  // And a third one: the one before the last is not kept.
  Declare("model: test/three");
  EmbedAll("three-v1");
  Advance(absl::Seconds(1));
  EXPECT_THAT(States(), ElementsAre("3 RETIRED 0", "4 SERVING 0"));
}

TEST_F(GenerationTest, AModelThatIsOtherUnderItsNameIsAChangeToo) {
  Write("a", "first");
  EmbedAll("two-v1");
  Register("test/two", "two-v2", 2);
  Declare("model: default");
  EXPECT_THAT(States(), ElementsAre("1 SERVING 0", "2 FILLING 1"));
  EXPECT_THAT(IdsOf(Lease("two-v2")), ElementsAre("a"));
}

}  // namespace
}  // namespace engram::storage
