#include "services/search/vector_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/testing/exact_index.h"

namespace engram::search {
namespace {

using ::engram::search::testing::ExactIndex;
using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Vectors = std::vector<std::vector<float>>;

std::string TemporaryStem(const std::string& name) {
  const auto folder = std::filesystem::path(::testing::TempDir()) /
                      absl::StrCat("vector_index_", getpid());
  std::filesystem::create_directories(folder);
  return folder / name;
}

IndexSpec Spec(int dimensions, Metric metric) {
  return {.generation = 1, .dimensions = dimensions, .metric = metric};
}

// An index with the steps of a story.
class Story {
 public:
  Story(int dimensions, Metric metric)
      : index_(std::make_unique<VectorIndex>(Spec(dimensions, metric))) {}

  void Put(int64_t row, const std::string& id, const Vectors& chunks,
           const std::vector<Passage>& passages = {}) {
    IndexChange change{.kind = IndexChange::Kind::kPutVectors,
                       .row = row,
                       .sequence = ++sequence_,
                       .id = id,
                       .passages = passages};
    for (const auto& chunk : chunks)
      change.chunks.push_back(vector::Pack(chunk));
    index_->Apply({change}, sequence_);
  }
  void Do(IndexChange::Kind kind, int64_t row) {
    ++sequence_;
    index_->Apply({{.kind = kind, .row = row, .sequence = sequence_}},
                  sequence_);
  }
  void Await(int64_t row) { Do(IndexChange::Kind::kAwaitVectors, row); }
  void Clear(int64_t row) { Do(IndexChange::Kind::kClearVectors, row); }
  void Delete(int64_t row) { Do(IndexChange::Kind::kDeleteRecord, row); }

  std::vector<std::string> Ids(const std::vector<float>& query,
                               int limit = 10) {
    std::vector<std::string> ids;
    for (const auto& found : index_->Search(query, limit, AnyRow).candidates) {
      ids.push_back(found.id);
    }
    return ids;
  }

  void SaveAndLoad(const std::string& stem) {
    ASSERT_OK_AND_ASSIGN(SavedIndex saved, index_->Save(stem, SavedIndex()));
    ASSERT_OK_AND_ASSIGN(index_,
                         VectorIndex::Load(index_->spec(), saved, sequence_));
  }

  int64_t sequence() const { return sequence_; }
  Index& index() { return *index_; }

 private:
  std::unique_ptr<Index> index_;
  int64_t sequence_ = 0;
};

TEST(VectorIndexTest, ARecordsVectorsAreReadByItsIdAndByChunk) {
  Story story(2, Metric::kDot);
  story.Put(1, "a", {{1, 0}});
  story.Put(2, "b", {{2, 0}, {2, 1}});
  const auto vectors_of = [&](const std::string& id) {
    Vectors vectors;
    const auto row =
        story.index().VisitVectors(id, [&](absl::Span<const float> values) {
          vectors.emplace_back(values.begin(), values.end());
        });
    EXPECT_EQ(row.has_value(), !vectors.empty());
    return vectors;
  };
  EXPECT_EQ(vectors_of("b"), (Vectors{{2, 0}, {2, 1}}));
  EXPECT_THAT(story.index().VectorOf(2, 1), ElementsAre(2, 1));
  story.Put(2, "b", {{3, 0}});
  EXPECT_EQ(vectors_of("b"), (Vectors{{3, 0}}));
  EXPECT_THAT(story.index().VectorOf(2, 1), IsEmpty());
  story.Delete(2);
  EXPECT_THAT(vectors_of("b"), IsEmpty());
  EXPECT_THAT(vectors_of("c"), IsEmpty());
  story.SaveAndLoad(TemporaryStem("by_id"));
  EXPECT_EQ(vectors_of("a"), (Vectors{{1, 0}}));
}

TEST(VectorIndexTest, ASearchTellsWhatItTook) {
  Story story(1, Metric::kDot);
  for (int row = 1; row <= 300; ++row) {
    story.Put(row, absl::StrCat("r", row), {{1.0f}, {2.0f}});
  }
  const SearchResult all = story.index().Search({1}, 3, AnyRow);
  EXPECT_EQ(all.cost.distances, 600);
  EXPECT_EQ(all.cost.width, 0);
  EXPECT_EQ(all.candidates[0].row, 1);
  const SearchResult few =
      story.index().SearchRows({1}, 3, RowSet({7, 9}), AnyRow, {});
  EXPECT_EQ(few.cost.distances, 4);
}

TEST(VectorIndexTest, TheFilterDecidesWhatMayBeFound) {
  Story story(1, Metric::kDot);
  for (int row = 1; row <= 1000; ++row) {
    story.Put(row, absl::StrCat("r", row), {{static_cast<float>(row)}});
  }
  const auto found = story.index().Search(
      {1}, 3, [](int64_t row) { return row % 2 == 1 && row < 900; });
  ASSERT_EQ(found.candidates.size(), 3);
  EXPECT_EQ(found.candidates[0].id, "r899");
  EXPECT_EQ(found.candidates[2].id, "r895");
}

TEST(VectorIndexTest, OfFewRowsTheSameAreFound) {
  Story story(1, Metric::kL2);
  for (int row = 1; row <= 100; ++row) {
    const auto value = static_cast<float>(row);
    story.Put(row, absl::StrCat("r", row), {{-value}, {value}});
  }
  story.Delete(52);
  const RowSet rows({3, 51, 52, 53, 60, 999});
  const auto found = story.index().SearchRows(
      {52}, 3, rows, [](int64_t row) { return row != 51; }, {});
  ASSERT_EQ(found.candidates.size(), 3);
  EXPECT_EQ(found.candidates[0].id, "r53");
  EXPECT_EQ(found.candidates[0].score, 1);
  EXPECT_EQ(found.candidates[0].chunk, 1);
  EXPECT_EQ(found.candidates[1].id, "r60");
  EXPECT_EQ(found.candidates[2].id, "r3");
  EXPECT_EQ(found.sequence, story.index().Stats().sequence);
  EXPECT_THAT(story.index().SearchRows({1}, 0, rows, AnyRow, {}).candidates,
              IsEmpty());
}

TEST(VectorIndexTest, TheNearestComeFirst) {
  Story story(2, Metric::kDot);
  story.Put(1, "east", {{1, 0}});
  story.Put(2, "north", {{0, 1}});
  story.Put(3, "northeast", {{0.7f, 0.7f}});
  EXPECT_THAT(story.Ids({1, 0.1f}), ElementsAre("east", "northeast", "north"));
  EXPECT_THAT(story.Ids({1, 0.1f}, 1), ElementsAre("east"));
  EXPECT_THAT(story.Ids({1, 0.1f}, 0), IsEmpty());
}

TEST(VectorIndexTest, L2ScoresAreSquaredDistancesSmallestFirst) {
  Story story(1, Metric::kL2);
  story.Put(1, "far", {{10}});
  story.Put(2, "near", {{2}});
  const auto found = story.index().Search({1}, 10, AnyRow).candidates;
  ASSERT_EQ(found.size(), 2);
  EXPECT_EQ(found[0].id, "near");
  EXPECT_EQ(found[0].score, 1);
  EXPECT_EQ(found[1].score, 81);
}

TEST(VectorIndexTest, EqualScoresAreOrderedByIdAlsoAtTheCut) {
  Story story(1, Metric::kDot);
  for (int row = 0; row < 600; ++row) {
    story.Put(row, absl::StrCat("r", 1000 + (row * 7) % 600), {{1}});
  }
  EXPECT_THAT(story.Ids({1}, 3), ElementsAre("r1000", "r1001", "r1002"));
}

TEST(VectorIndexTest, ARecordOfSeveralChunksCountsOnceByItsBest) {
  Story story(1, Metric::kDot);
  story.Put(1, "long", {{3}, {9}, {5}});
  story.Put(2, "short", {{4}});
  EXPECT_THAT(story.Ids({1}), ElementsAre("long", "short"));
  story.Put(1, "long", {{3}});  // Shorter now: the chunk of 9 is gone.
  EXPECT_THAT(story.Ids({1}), ElementsAre("short", "long"));
  EXPECT_EQ(story.index().Stats().vectors, 2);
}

TEST(VectorIndexTest, ACandidateTellsItsNearestChunkAndWhereThatLies) {
  Story story(1, Metric::kDot);
  story.Put(1, "long", {{3}, {9}, {9}}, {{0, 4}, {6, 10}, {12, 16}});
  story.Put(2, "short", {{4}});
  const auto both = [&] {
    return story.index().Search({1}, 2, AnyRow).candidates;
  };
  EXPECT_EQ(both()[0].chunk, 1);
  EXPECT_EQ(both()[0].passage, (Passage{6, 10}));
  EXPECT_EQ(both()[1].chunk, 0);
  EXPECT_EQ(both()[1].passage, std::nullopt);
  story.SaveAndLoad(TemporaryStem("passages"));
  EXPECT_EQ(both()[0].passage, (Passage{6, 10}));
  EXPECT_EQ(story.index().Freeze().vectors.size(), 4);
  // Cut otherwise now.
  story.Put(1, "long", {{5}, {8}}, {{0, 3}, {3, 7}});
  EXPECT_EQ(both()[0].passage, (Passage{3, 7}));
  story.Put(1, "long", {{5}});
  EXPECT_EQ(both()[0].passage, std::nullopt);
  story.Put(1, "long", {{5}, {8}}, {{0, 3}, {3, 7}});
  story.Delete(1);
  story.Put(1, "long", {{5}});
  EXPECT_EQ(both()[0].passage, std::nullopt);
}

TEST(VectorIndexTest, ClearedAndDeletedRecordsAreNotFound) {
  Story story(1, Metric::kDot);
  story.Put(1, "a", {{3}, {4}});
  story.Put(2, "b", {{2}});
  story.Put(3, "c", {{1}});
  story.Clear(1);
  EXPECT_THAT(story.Ids({1}), ElementsAre("b", "c"));
  story.Delete(3);
  story.Delete(3);  // A repeat does no harm.
  EXPECT_THAT(story.Ids({1}), ElementsAre("b"));
}

TEST(VectorIndexTest, FindableEndsBeforeTheOldestAwaitedWrite) {
  Story story(1, Metric::kDot);
  EXPECT_EQ(story.index().Stats().findable_sequence, 0);
  story.Await(1);  // 1
  story.Await(2);  // 2
  EXPECT_EQ(story.index().Stats().findable_sequence, 0);
  story.Put(1, "a", {{1}});  // 3
  EXPECT_EQ(story.index().Stats().findable_sequence, 1);
  story.Await(2);  // 4: newer text; the write at 2 is overtaken.
  EXPECT_EQ(story.index().Stats().findable_sequence, 3);
  story.Delete(2);  // 5
  EXPECT_EQ(story.index().Stats().findable_sequence, 5);
  EXPECT_EQ(story.index().Stats().pending, 0);
}

TEST(VectorIndexTest, AnOldVectorDoesNotEndTheWaitForNewerText) {
  Story story(1, Metric::kDot);
  story.Put(1, "a", {{1}});  // 1
  story.Await(1);            // 2
  // The feed delivers change 1 a second time.
  const std::vector<float> old = {1};
  story.index().Apply({{.kind = IndexChange::Kind::kPutVectors,
                        .row = 1,
                        .sequence = 1,
                        .id = "a",
                        .chunks = {vector::Pack(old)}}},
                      2);
  EXPECT_EQ(story.index().Stats().pending, 1);
}

TEST(VectorIndexTest, AChangeWhoseVectorsWereReplacedKeepsTheEarlierOnes) {
  Story story(1, Metric::kDot);
  story.Put(1, "a", {{1}});
  story.Await(1);
  story.Put(1, "a", {});
  EXPECT_THAT(story.Ids({1}), ElementsAre("a"));
  EXPECT_EQ(story.index().Stats().pending, 0);
}

// Random puts, updates, clears and deletes of records with one to three chunks,
// with many equal vectors among them.
TEST(VectorIndexTest, AgreesWithTheExactReferenceOnRandomHistories) {
  constexpr int kDimensions = 12;
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    std::mt19937 random(static_cast<int>(metric));
    std::normal_distribution<float> normal;
    const auto vector_of = [&] {
      std::vector<float> values(kDimensions);
      // Whole numbers: scores are exact in float32, so ties are true ties.
      for (float& value : values) value = std::round(normal(random));
      return values;
    };
    Story story(kDimensions, metric);
    ExactIndex exact(metric);
    for (int step = 0; step < 3000; ++step) {
      const int64_t row = random() % 700;
      const std::string id = absl::StrCat("id", row * 7919 % 701);
      if (random() % 4 != 0) {
        Vectors chunks(1 + random() % 3);
        for (auto& chunk : chunks) chunk = vector_of();
        story.Put(row, id, chunks);
        exact.Put(row, id, chunks);
      } else {
        random() % 2 == 0 ? story.Clear(row) : story.Delete(row);
        exact.Erase(row);
      }
      if (step % 500 == 499) story.SaveAndLoad(TemporaryStem("random"));
      if (step % 100 != 99) continue;
      const std::vector<float> query = vector_of();
      const auto want = exact.Search(query);
      const auto got = story.index().Search(query, 50, AnyRow).candidates;
      ASSERT_EQ(got.size(), std::min<size_t>(50, want.size()));
      for (size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].id, want[i].id) << "step " << step << " place " << i;
        ASSERT_EQ(got[i].score, want[i].score);
      }
      ASSERT_EQ(story.index().Stats().records, exact.size());
    }
  }
}

TEST(VectorIndexTest, ASavedIndexComesBackWhole) {
  Story story(2, Metric::kL2);
  story.Put(1, "a", {{1, 0}, {0, 1}});
  story.Put(2, "b", {{5, 5}});
  story.Await(2);
  story.Await(7);
  const IndexStats before = story.index().Stats();
  story.SaveAndLoad(TemporaryStem("whole"));
  EXPECT_THAT(story.Ids({0, 1}), ElementsAre("a", "b"));
  EXPECT_EQ(story.index().Stats().vectors, 3);
  EXPECT_EQ(story.index().Stats().pending, 2);
  EXPECT_EQ(story.index().Stats().findable_sequence, before.findable_sequence);
  EXPECT_EQ(story.index().Freeze().vectors.size(), 3);
}

TEST(VectorIndexTest, AnIndexOfAnotherKindIsNotLoaded) {
  Story story(2, Metric::kL2);
  story.Put(1, "a", {{1, 0}});
  const std::string stem = TemporaryStem("kind");
  ASSERT_OK_AND_ASSIGN(SavedIndex saved,
                       story.index().Save(stem, SavedIndex()));
  EXPECT_THAT(VectorIndex::Load(Spec(3, Metric::kL2), saved, 1),
              StatusIs(absl::StatusCode::kDataLoss, "items of 12"));
  EXPECT_THAT(VectorIndex::Load(Spec(2, Metric::kDot), saved, 1),
              StatusIs(absl::StatusCode::kDataLoss, "metric"));
}

TEST(VectorIndexTest, ManySearchesRunBesideTheOneThatApplies) {
  Story story(8, Metric::kDot);
  std::atomic<bool> done = false;
  std::vector<std::thread> searchers;
  for (int i = 0; i < 3; ++i) {
    searchers.emplace_back([&] {
      const std::vector<float> query(8, 1.0f);
      int64_t last = 0;
      while (!done) {
        const SearchResult result = story.index().Search(query, 5, AnyRow);
        EXPECT_GE(result.sequence, last);
        last = result.sequence;
        for (const Candidate& found : result.candidates) {
          // Each record's vector is eight times its row: never torn.
          EXPECT_EQ(found.id, absl::StrCat(static_cast<int>(found.score / 8)));
        }
      }
    });
  }
  SavedIndex saved;
  for (int step = 0; step < 3000; ++step) {
    const int row = step * 31 % 200;
    // The vectors are read from another place from then on.
    if (step % 500 == 250) {
      auto next = story.index().Save(
          TemporaryStem(absl::StrCat("beside", step)), saved);
      ASSERT_THAT(next, IsOk());
      saved = *std::move(next);
    }
    if (step % 5 == 4) {
      story.Delete(row);
    } else {
      story.Put(row, absl::StrCat(row),
                {std::vector<float>(8, static_cast<float>(row))});
    }
  }
  done = true;
  for (std::thread& searcher : searchers) searcher.join();
}

}  // namespace
}  // namespace engram::search
