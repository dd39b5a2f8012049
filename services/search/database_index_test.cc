#include "services/search/database_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/feed_builder.h"

namespace engram::search {
namespace {

using ::engram::search::testing::FeedBuilder;
using ::engram::search::testing::KindNotes;
using ::engram::search::testing::NotesCollection;
using ::engram::search::testing::NotesOfTwoGenerations;
using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::vector<std::string> IdsIn(const DatabaseIndex& database) {
  std::vector<std::string> ids;
  const auto index = database.Find("notes", "");
  if (!index.ok()) return {"error: " + index.status().ToString()};
  const SearchResult result = (*index)->Search({1, 0}, 100, AnyRow);
  for (const Candidate& candidate : result.candidates) {
    ids.push_back(candidate.id);
  }
  return ids;
}

// Adds a record to a part of a snapshot.
void AddRecord(int64_t row, absl::string_view id, int64_t sequence,
               storage::v1::SnapshotRecords& part) {
  part.add_rows(row);
  part.add_ids(std::string(id));
  part.add_sequences(sequence);
}

class DatabaseIndexTest : public ::testing::Test {
 protected:
  DatabaseIndex database_{Position{"default", 7, 0}, 0};
  FeedBuilder feed_;
};

TEST_F(DatabaseIndexTest, TheFeedBecomesAnIndex) {
  feed_.CreateNotes().Write(1, "a").Write(2, "b").Store(1, "a", {{1, 0}});
  feed_.Store(2, "b", {{2, 0}}).Delete(1, "a").ClearText(2, "b");
  ASSERT_THAT(database_.ApplyChanges(FeedBuilder::Changes(
                  feed_.changes().begin(), feed_.changes().begin() + 5)),
              IsOk());
  EXPECT_THAT(IdsIn(database_), ElementsAre("b", "a"));
  EXPECT_EQ(database_.position().sequence, 5);
  EXPECT_EQ(database_.checksum(), 1005);
  ASSERT_THAT(database_.ApplyChanges(feed_.After(5)), IsOk());
  EXPECT_THAT(IdsIn(database_), IsEmpty());
}

// The vectors stay, those of a generation that does not serve, too.
TEST_F(DatabaseIndexTest, AChangeOfPrecisionIsOfTheIndexesThatThereAre) {
  constexpr std::pair<common::v1::Precision, Precision> kPrecisions[] = {
      {common::v1::PRECISION_FLOAT32, Precision::kFloat32},
      {common::v1::PRECISION_INT8, Precision::kInt8},
      {common::v1::PRECISION_INT4, Precision::kInt4},
      {common::v1::PRECISION_AUTO, Precision::kAuto},
  };
  storage::v1::Collection notes = NotesOfTwoGenerations(1);
  notes.mutable_vector_fields(0)->set_precision(common::v1::PRECISION_INT8);
  feed_.Create(notes).Write(1, "a").Store(1, "a", {{1, 0}});
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  const auto indexes = database_.indexes();
  ASSERT_EQ(indexes.size(), 2);
  for (const auto& index : indexes) {
    EXPECT_EQ(index->precision(), Precision::kInt8);
  }
  for (const auto& [encoded, precision] : kPrecisions) {
    notes.mutable_vector_fields(0)->set_precision(encoded);
    feed_.ChangeCollection("notes", notes);
    ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
    EXPECT_EQ(database_.indexes(), indexes);
    for (const auto& index : indexes) {
      EXPECT_EQ(index->precision(), precision);
    }
  }
  EXPECT_THAT(IdsIn(database_), ElementsAre("a"));
}

TEST_F(DatabaseIndexTest, AChangeOfKindIsOfTheIndexesThatThereAre) {
  constexpr std::pair<common::v1::IndexKind, IndexKind> kKinds[] = {
      {common::v1::INDEX_KIND_FLAT, IndexKind::kFlat},
      {common::v1::INDEX_KIND_HNSW, IndexKind::kHnsw},
      {common::v1::INDEX_KIND_AUTO, IndexKind::kAuto},
  };
  storage::v1::Collection notes = NotesOfTwoGenerations(1);
  feed_.Create(notes).Write(1, "a").Store(1, "a", {{1, 0}});
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  const auto indexes = database_.indexes();
  ASSERT_EQ(indexes.size(), 2);
  for (const auto& [encoded, kind] : kKinds) {
    notes.mutable_vector_fields(0)->set_index_kind(encoded);
    feed_.ChangeCollection("notes", notes);
    ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
    EXPECT_EQ(database_.indexes(), indexes);
    for (const auto& index : indexes) EXPECT_EQ(index->kind(), kind);
  }
  EXPECT_THAT(IdsIn(database_), ElementsAre("a"));
}

TEST_F(DatabaseIndexTest, AChangeDeliveredTwiceDoesNoHarm) {
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}}).Delete(1, "a");
  feed_.Write(2, "b").Store(2, "b", {{1, 0}});
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_THAT(IdsIn(database_), ElementsAre("b"));
  EXPECT_EQ(database_.position().sequence, 6);
}

TEST_F(DatabaseIndexTest, AMissingChangeIsNotPassedOver) {
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}});
  EXPECT_THAT(database_.ApplyChanges(feed_.After(1)),
              StatusIs(absl::StatusCode::kDataLoss, "from change 0 to 2"));
  EXPECT_EQ(database_.position().sequence, 0);
}

TEST_F(DatabaseIndexTest, AVectorOfOtherDimensionsStopsBeforeItsChange) {
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0, 0}});
  EXPECT_THAT(database_.ApplyChanges(feed_.changes()),
              StatusIs(absl::StatusCode::kDataLoss,
                       "apply change 3: record \"a\": a vector has 3 values, "
                       "the index wants 2"));
  EXPECT_EQ(database_.position().sequence, 1);  // The collection is there.
  EXPECT_EQ((*database_.Find("notes", ""))->Stats().pending, 0);
}

TEST_F(DatabaseIndexTest, ReachedTellsAppliedFromFindable) {
  feed_.CreateNotes().Write(1, "a").Write(2, "b").Store(1, "a", {{1, 0}});
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  // Change 3, of "b", waits for its vector.
  EXPECT_THAT(
      database_.Reached(),
      UnorderedElementsAre(Pair(PositionWaiters::kApplied, 4),
                           Pair(PositionWaiters::kAllIndexes, 2), Pair(1, 2)));
}

// Nobody waits for what cannot be embedded, and nobody finds what was there
// before.
TEST_F(DatabaseIndexTest, AFailureIsWaitedForNoLonger) {
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}}).Write(1, "a");
  feed_.Write(2, "b").Store(2, "b", {{2, 0}}).Fail(1, "a");
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_THAT(IdsIn(database_), ElementsAre("b"));
  EXPECT_EQ(database_.Reached()[1], 7);
}

// A snapshot is read while records change, so that it holds states that are
// newer than its start; replaying the changes since must end at the truth.
TEST_F(DatabaseIndexTest, ASnapshotAndTheChangesSinceItsStartEndAtTheTruth) {
  feed_.CreateNotes();                                         // 1
  feed_.Write(1, "a").Write(2, "b").Write(3, "c");             // 2 3 4
  feed_.Store(1, "a", {}).Store(2, "b", {{5, 0}});             // 5 6
  feed_.Write(1, "a").Delete(3, "c").Store(1, "a", {{9, 0}});  // 7 8 9
  feed_.Write(2, "b");                                         // 10
  DatabaseIndex database(Position{"default", 7, 1}, 1001);
  ASSERT_THAT(database.AddCollection(NotesCollection()), IsOk());
  storage::v1::SnapshotRecords part;
  part.set_collection("notes");
  AddRecord(1, "a", 9, part);   // Read after change 9.
  AddRecord(2, "b", 10, part);  // Read after change 10.
  storage::v1::StoredVectors& vectors = *part.add_vectors();
  vectors.set_generation(1);
  vectors.add_records(0);
  vectors.add_sequences(9);
  const std::vector<float> nine = {9, 0};
  vectors.set_values(std::string(vector::Pack(nine)));
  storage::v1::PendingVector& pending = *part.add_pending();
  pending.set_record(1);
  pending.set_generation(1);
  pending.set_sequence(10);
  ASSERT_THAT(database.ApplySnapshot(part), IsOk());
  ASSERT_THAT(database.ApplyChanges(feed_.After(1)), IsOk());
  const SearchResult found =
      (*database.Find("notes", ""))->Search({1, 0}, 10, AnyRow);
  ASSERT_EQ(found.candidates.size(), 2);
  EXPECT_EQ(found.candidates[0].id, "a");
  EXPECT_EQ(found.candidates[0].score, 9);
  EXPECT_EQ(found.candidates[1].id, "b");
  EXPECT_EQ((*database.Find("notes", ""))->Stats().pending, 1);
  EXPECT_EQ(database.Reached()[1], 9);
}

TEST_F(DatabaseIndexTest, ChunksComeWithTheirPlaces) {
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}, {5, 0}});
  FeedBuilder::Changes changes = feed_.changes();
  storage::v1::VectorsStored& stored =
      *changes.rbegin()->mutable_vectors_stored();
  stored.add_ranges()->set_end(3);
  EXPECT_THAT(database_.ApplyChanges(changes),
              StatusIs(absl::StatusCode::kDataLoss,
                       "has 2 chunks and 1 places for them"));
  stored.add_ranges()->set_begin(4);
  stored.mutable_ranges(1)->set_end(9);
  ASSERT_THAT(database_.ApplyChanges(changes), IsOk());
  const SearchResult found =
      (*database_.Find("notes", ""))->Search({1, 0}, 10, AnyRow);
  ASSERT_EQ(found.candidates.size(), 1);
  EXPECT_EQ(found.candidates[0].chunk, 1);
  EXPECT_EQ(found.candidates[0].passage, (Passage{4, 9}));
}

TEST_F(DatabaseIndexTest, ARenamedCollectionKeepsItsIndexAndExpiries) {
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}});
  feed_.Touch(1, "a", 2'000'000'000);
  storage::v1::Collection memos = NotesCollection(1, "memos");
  memos.mutable_vector_fields(0)->set_name("content");
  feed_.ChangeCollection("notes", memos);
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_THAT(database_.Find("notes", ""),
              StatusIs(absl::StatusCode::kNotFound));
  ASSERT_OK_AND_ASSIGN(const auto index, database_.Find("memos", "content"));
  EXPECT_EQ(index->Stats().records, 1);
  EXPECT_EQ(index->Stats().sequence, 5);
  EXPECT_EQ(database_.NameOf(1).collection, "memos");
  EXPECT_EQ(database_.NameOf(1).vector_field, "content");
  EXPECT_TRUE(
      database_.ExpiriesOf("memos")->IsExpired(1, absl::InfiniteFuture()));
  EXPECT_EQ(database_.ExpiriesOf("notes")->size(), 0);
}

TEST_F(DatabaseIndexTest, ANewGenerationTakesTheOldOnesPlaceAndStartsEmpty) {
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}}).Write(2, "b");
  feed_.ChangeCollection("notes", NotesCollection(2));
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_THAT(IdsIn(database_), IsEmpty());
  // What waited in the old one holds nothing back.
  EXPECT_THAT(
      database_.Reached(),
      UnorderedElementsAre(Pair(PositionWaiters::kApplied, 5),
                           Pair(PositionWaiters::kAllIndexes, 5), Pair(2, 5)));
  // A vector of the old one that was still on its way.
  feed_.Store(2, "b", {{1, 0}});
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_THAT(IdsIn(database_), IsEmpty());
}

TEST_F(DatabaseIndexTest, TwoGenerationsAreKeptAndOneServes) {
  const auto serving = [this] {
    const auto index = database_.Find("notes", "");
    return index.ok() ? (*index)->spec() : IndexSpec();
  };
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}});
  feed_.ChangeCollection("notes", NotesOfTwoGenerations(1));
  feed_.Store(1, "a", {{1, 0, 0}}, 2);
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_EQ(serving().generation, 1);
  EXPECT_THAT(IdsIn(database_), ElementsAre("a"));
  EXPECT_TRUE(database_.Serves(1));
  EXPECT_FALSE(database_.Serves(2));
  EXPECT_EQ(database_.NameOf(2).vector_field, "text");

  const auto old = *database_.Find("notes", "");
  feed_.ChangeCollection("notes", NotesOfTwoGenerations(2));
  feed_.Store(2, "b", {{0, 1}}).Store(2, "b", {{0, 1, 0}}, 2);
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_EQ(serving().generation, 2);
  EXPECT_EQ(serving().model, "test/other");
  EXPECT_EQ(serving().metric, Metric::kCosine);
  EXPECT_EQ((*database_.Find("notes", ""))->Stats().records, 2);
  // Whoever has the old one goes on with it, and it is there to go back to.
  EXPECT_EQ(old->Stats().records, 2);
  feed_.ChangeCollection("notes", NotesOfTwoGenerations(1));
  feed_.Delete(1, "a");
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_EQ(database_.Find("notes", "")->get(), old.get());
  for (const auto& index : database_.indexes()) {
    EXPECT_EQ(index->Stats().records, 1);
  }
  feed_.ChangeCollection("notes", NotesCollection());
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_EQ(database_.indexes().size(), 1);
}

TEST_F(DatabaseIndexTest, WhatAGenerationWaitsForThatDoesNotServeHoldsNobody) {
  feed_.CreateNotes().ChangeCollection("notes", NotesOfTwoGenerations(2));
  // Pending in generation 1 alone.
  feed_.Write(1, "a");
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_THAT(database_.Reached(),
              UnorderedElementsAre(Pair(PositionWaiters::kApplied, 3),
                                   Pair(PositionWaiters::kAllIndexes, 3),
                                   Pair(1, 2), Pair(2, 3)));
}

TEST_F(DatabaseIndexTest, AVectorFieldThatIsAddedHasAnIndexOfItsOwn) {
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}});
  storage::v1::Collection notes = NotesCollection();
  *notes.add_vector_fields() = notes.vector_fields(0);
  notes.mutable_vector_fields(1)->set_name("title");
  notes.mutable_vector_fields(1)->mutable_generation()->set_id(2);
  feed_.ChangeCollection("notes", notes);
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_EQ((*database_.Find("notes", "text"))->Stats().records, 1);
  EXPECT_EQ((*database_.Find("notes", "title"))->Stats().records, 0);
}

TEST_F(DatabaseIndexTest, ADroppedCollectionIsGoneAndMayComeAgain) {
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}});
  feed_.Touch(1, "a", 2'000'000'000).DropNotes();
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_THAT(database_.Find("notes", ""),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(database_.indexes(), IsEmpty());
  feed_.CreateNotes();
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_THAT(IdsIn(database_), IsEmpty());
  EXPECT_EQ(database_.ExpiriesOf("notes")->size(), 0);
}

TEST_F(DatabaseIndexTest, ACollectionThatFitsNoneHereNeedsASnapshot) {
  feed_.CreateNotes().ChangeCollection("memos", NotesCollection());
  EXPECT_THAT(database_.ApplyChanges(feed_.changes()),
              StatusIs(absl::StatusCode::kOutOfRange, "change 2"));
  EXPECT_EQ(database_.position().sequence, 1);
}

TEST_F(DatabaseIndexTest, TheNewestChangeSaysWhenARecordExpires) {
  const absl::Time noon = absl::FromUnixSeconds(2'000'000'000);
  feed_.CreateNotes().Touch(1, "a", absl::ToUnixSeconds(noon));
  feed_.Touch(2, "b", absl::ToUnixSeconds(noon)).Touch(2, "b", 0);
  feed_.Touch(3, "c", absl::ToUnixSeconds(noon)).Delete(3, "c");
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  const auto expiries = database_.ExpiriesOf("notes");
  EXPECT_FALSE(expiries->IsExpired(1, noon - absl::Microseconds(1)));
  EXPECT_TRUE(expiries->IsExpired(1, noon));
  EXPECT_FALSE(expiries->IsExpired(2, absl::InfiniteFuture()));
  EXPECT_EQ(expiries->size(), 1);
}

TEST_F(DatabaseIndexTest, ASnapshotSaysWhenARecordExpires) {
  feed_.CreateNotes();
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  storage::v1::SnapshotRecords part;
  part.set_collection("notes");
  AddRecord(1, "a", 2, part);
  AddRecord(2, "b", 3, part);
  storage::v1::SnapshotExpiry& expiry = *part.add_expiries();
  expiry.set_record(1);
  expiry.mutable_expire_time()->set_seconds(2'000'000'000);
  ASSERT_THAT(database_.ApplySnapshot(part), IsOk());
  const absl::Time then = absl::FromUnixSeconds(2'000'000'000);
  EXPECT_FALSE(database_.ExpiriesOf("notes")->IsExpired(1, then));
  EXPECT_TRUE(database_.ExpiriesOf("notes")->IsExpired(2, then));
}

TEST_F(DatabaseIndexTest, ARestoredRecordIsFoundAgain) {
  feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}}).Delete(1, "a");
  feed_.Touch(1, "a", 0).Store(1, "a", {{1, 0}});
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_THAT(IdsIn(database_), ElementsAre("a"));
}

TEST_F(DatabaseIndexTest, FindSaysWhatIsUnknown) {
  feed_.CreateNotes();
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  const absl::Status collection = database_.Find("nots", "").status();
  EXPECT_THAT(collection, StatusIs(absl::StatusCode::kNotFound, "\"nots\""));
  EXPECT_EQ(ReasonOf(collection), common::v1::ERROR_REASON_COLLECTION_UNKNOWN);
  const absl::Status field = database_.Find("notes", "image").status();
  EXPECT_THAT(field, StatusIs(absl::StatusCode::kNotFound, "it has text"));
  EXPECT_EQ(ReasonOf(field), common::v1::ERROR_REASON_VECTOR_FIELD_UNKNOWN);
  EXPECT_THAT(database_.Find("notes", "text"), IsOk());

  storage::v1::Collection several = NotesCollection(5, "several");
  *several.add_vector_fields() = several.vector_fields(0);
  several.mutable_vector_fields(1)->set_name("title");
  several.mutable_vector_fields(1)->mutable_generation()->set_id(6);
  ASSERT_THAT(database_.AddCollection(several), IsOk());
  EXPECT_THAT(database_.Find("several", ""),
              StatusIs(absl::StatusCode::kInvalidArgument, "text, title"));
  EXPECT_EQ((*database_.Find("several", "title"))->spec().generation, 6);
}

TEST_F(DatabaseIndexTest, AttributesFollowTheFeed) {
  feed_.Create(KindNotes()).Kind(1, "a", "fact").Kind(2, "b", "fact");
  feed_.Kind(1, "a", "rumour").Delete(2, "b");
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  const auto attributes = database_.AttributesOf("notes");
  // The feed tells of every record that there ever was.
  const auto frozen = attributes->Freeze();
  ASSERT_TRUE(frozen.has_value());
  EXPECT_EQ(frozen->sequence, 5);
  std::string fields;
  wire::AppendBytes(1, "rumour", &fields);
  EXPECT_THAT(frozen->checksums,
              UnorderedElementsAre(
                  Pair(1, AttributeChecksum(1'000'000, 1'000'000, fields))));
}

TEST_F(DatabaseIndexTest, AttributesAreKeptThroughARename) {
  feed_.Create(KindNotes()).Kind(1, "a", "fact");
  storage::v1::Collection renamed = KindNotes();
  renamed.set_name("memos");
  feed_.ChangeCollection("notes", renamed);
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_EQ(database_.AttributesOf("notes"), nullptr);
  ASSERT_NE(database_.AttributesOf("memos"), nullptr);
  EXPECT_EQ(database_.AttributesOf("memos")->size(), 1);
  EXPECT_THAT(database_.WantsAttributes(), IsEmpty());
}

TEST_F(DatabaseIndexTest, AttributesThatTheFeedDoesNotTellOfAreWanted) {
  feed_.CreateNotes().Touch(1, "a", 0).ChangeCollection("notes", KindNotes());
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  ASSERT_EQ(database_.WantsAttributes().size(), 1);
  EXPECT_EQ(database_.WantsAttributes()[0].name(), "notes");
  database_.CompleteAttributes("notes", 3);
  EXPECT_THAT(database_.WantsAttributes(), IsEmpty());
}

// The apply computes them for all parents, of which the feed does not tell.
TEST_F(DatabaseIndexTest, WhatARollupSetsIsWantedWhenItIsDeclared) {
  storage::v1::Collection parents = KindNotes();
  parents.set_schema(
      "collection: notes\n"
      "fields: {kind: {type: int, index: true}, body: {type: text}}\n"
      "vectors: {text: {source: [body]}}\n");
  storage::v1::Collection children;
  children.set_name("lines");
  children.set_schema(
      "collection: lines\n"
      "fields: {note: {type: ref(notes)}}\n"
      "rollups: [{parent: note, set: {kind: count}}]\n");
  children.add_fields()->set_name("note");
  children.mutable_fields(0)->set_number(1);
  feed_.Create(parents);
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  EXPECT_THAT(database_.WantsAttributes(), IsEmpty());
  feed_.Create(children);
  ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk());
  ASSERT_EQ(database_.WantsAttributes().size(), 1);
  EXPECT_EQ(database_.WantsAttributes()[0].name(), "notes");
}

}  // namespace
}  // namespace engram::search
