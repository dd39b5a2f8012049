#include "services/search/duplicate_finder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_format.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Vectors = std::vector<std::vector<float>>;

absl::Status GoOn(int64_t) { return absl::OkStatus(); }

// Records by row, each with the vectors of its chunks.
class DuplicateFinderTest : public ::testing::Test {
 protected:
  void Begin(int dimensions, Metric metric, GraphPolicy policy = {}) {
    index_ = std::make_unique<VectorIndex>(
        IndexSpec{.generation = 1, .dimensions = dimensions, .metric = metric},
        policy);
  }

  void Put(int64_t row, const Vectors& chunks) { Put(row, IdOf(row), chunks); }
  void Put(int64_t row, const std::string& id, const Vectors& chunks) {
    IndexChange change{.kind = IndexChange::Kind::kPutVectors,
                       .row = row,
                       .sequence = row,
                       .id = id};
    for (const auto& chunk : chunks) {
      change.chunks.push_back(vector::Pack(chunk));
    }
    index_->Apply({change}, row);
    records_[row] = chunks;
  }

  // Clusters of a few records, of very different closeness, and one of many
  // equal ones.
  void PutClusters(int dimensions, int clusters, Metric metric) {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    int64_t row = 0;
    for (int cluster = 0; cluster < clusters; ++cluster) {
      std::vector<float> centre(dimensions);
      for (float& value : centre) value = normal(random);
      const float spread = 0.02f * static_cast<float>(cluster % 20);
      for (int member = 0; member < 1 + cluster % 6; ++member) {
        std::vector<float> vector = centre;
        for (float& value : vector) value += spread * normal(random);
        if (metric == Metric::kCosine) {
          vector::Normalize(absl::MakeSpan(vector));
        }
        Put(++row, {vector});
      }
    }
    for (int i = 0; i < 100; ++i) Put(++row, records_.at(1));
  }

  static std::string IdOf(int64_t row) { return absl::StrFormat("r%05d", row); }

  float ScoreOf(const std::vector<float>& a,
                const std::vector<float>& b) const {
    double sum = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      sum += index_->spec().metric == Metric::kL2
                 ? (double{a[i]} - b[i]) * (double{a[i]} - b[i])
                 : double{a[i]} * b[i];
    }
    return static_cast<float>(sum);
  }

  // What is to be found: every pair compared.
  std::vector<DuplicateGroups::Group> AllPairs(float min_score) const {
    const float sign = index_->spec().metric == Metric::kL2 ? -1 : 1;
    DuplicateGroups groups(static_cast<uint32_t>(records_.size()));
    for (const auto& [a, a_chunks] : records_) {
      for (const auto& [b, b_chunks] : records_) {
        if (a >= b) continue;
        for (const auto& one : a_chunks) {
          for (const auto& other : b_chunks) {
            const float closeness = sign * ScoreOf(one, other);
            if (closeness >= sign * min_score) {
              groups.Add(static_cast<uint32_t>(a - 1),
                         static_cast<uint32_t>(b - 1), closeness);
            }
          }
        }
      }
    }
    return groups.Take();
  }

  v1::FindDuplicatesResult Find(float min_score, int limit = 1000,
                                bool are_few = false) {
    std::vector<int64_t> rows;
    for (const auto& [row, chunks] : records_) rows.push_back(row);
    const auto any = [](int64_t) { return true; };
    auto result = DuplicateFinder(*index_, min_score, rows, are_few, any)
                      .Find(limit, GoOn);
    EXPECT_OK(result);
    return result.ok() ? *std::move(result) : v1::FindDuplicatesResult();
  }

  void ExpectAllPairs(const v1::FindDuplicatesResult& result,
                      float min_score) const {
    const auto wanted = AllPairs(min_score);
    ASSERT_GT(wanted.size(), 5);
    ASSERT_EQ(result.groups_size(), wanted.size());
    EXPECT_EQ(result.group_count(), wanted.size());
    const float sign = index_->spec().metric == Metric::kL2 ? -1 : 1;
    int64_t records = 0;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const v1::DuplicateGroup& group = result.groups(static_cast<int>(i));
      EXPECT_EQ(group.record_count(), wanted[i].records.size());
      records += group.record_count();
      for (int at = 0; at < group.ids_size(); ++at) {
        EXPECT_EQ(group.ids(at), IdOf(wanted[i].records[at] + 1));
      }
      EXPECT_EQ(group.ids_size(), std::min<int64_t>(100, group.record_count()));
      EXPECT_NEAR(group.weakest_score(), sign * wanted[i].weakest, 1e-4);
    }
    EXPECT_EQ(result.record_count(), records);
  }

  std::unique_ptr<VectorIndex> index_;
  std::map<int64_t, Vectors> records_;
};

TEST_F(DuplicateFinderTest, FindsWhatComparingAllPairsFinds) {
  for (const Metric metric : {Metric::kCosine, Metric::kDot, Metric::kL2}) {
    records_.clear();
    Begin(16, metric);
    PutClusters(16, 60, metric);
    const float min_score = metric == Metric::kCosine ? 0.97f
                            : metric == Metric::kDot  ? 15.0f
                                                      : 0.6f;
    ExpectAllPairs(Find(min_score), min_score);
    ExpectAllPairs(Find(min_score, 1000, true), min_score);
  }
}

// With a graph a pair may be missed from one side, but hardly from both.
TEST_F(DuplicateFinderTest, AGraphFindsThemToo) {
  Begin(16, Metric::kCosine, {.min_bytes = 1024});
  PutClusters(16, 300, Metric::kCosine);
  index_->Optimize([] { return true; });
  ASSERT_GT(index_->Stats().graph_vectors, 1000);
  ExpectAllPairs(Find(0.97f), 0.97f);
}

TEST_F(DuplicateFinderTest, OfAGroupOfVeryManyNoneIsMissed) {
  Begin(2, Metric::kL2);
  // A chain of steps of 0.01, whose square is the limit.
  for (int i = 1; i <= 500; ++i) Put(i, {{0.01f * static_cast<float>(i), 0}});
  const auto result = Find(0.00011f);
  ASSERT_EQ(result.groups_size(), 1);
  EXPECT_EQ(result.groups(0).record_count(), 500);
  EXPECT_EQ(result.groups(0).ids_size(), 100);
  EXPECT_EQ(result.groups(0).ids(99), IdOf(100));
  EXPECT_NEAR(result.groups(0).weakest_score(), 0.0001, 1e-6);
  // All of them close to each other.
  EXPECT_EQ(Find(100).groups(0).record_count(), 500);
  EXPECT_THAT(Find(0.00009f).groups(), IsEmpty());
}

TEST_F(DuplicateFinderTest, AnyTwoChunksCount) {
  Begin(2, Metric::kDot);
  Put(1, {{1, 0}, {0, 1}});
  Put(2, {{0, -1}, {0.7f, 0.7f}});
  Put(3, {{0, 1}});
  const auto result = Find(0.9f);
  ASSERT_EQ(result.groups_size(), 1);
  EXPECT_THAT(result.groups(0).ids(), ElementsAre(IdOf(1), IdOf(3)));
}

TEST_F(DuplicateFinderTest, TheLargestAreReturnedAndOfEqualsTheFirstByName) {
  Begin(2, Metric::kL2);
  // The rows are in another order than the ids.
  const float places[] = {1, 2, 2, 3, 3, 3, 1, 4, 4, 9};
  for (int i = 0; i < 10; ++i) Put(i + 1, IdOf(9 - i), {{places[i], 0}});
  const auto result = Find(0.01f, 2);
  EXPECT_EQ(result.group_count(), 4);
  EXPECT_EQ(result.record_count(), 9);
  ASSERT_EQ(result.groups_size(), 2);
  EXPECT_THAT(result.groups(0).ids(), ElementsAre(IdOf(4), IdOf(5), IdOf(6)));
  EXPECT_THAT(result.groups(1).ids(), ElementsAre(IdOf(1), IdOf(2)));
}

TEST_F(DuplicateFinderTest, OnlyWhatIsAskedForAndCurrentIsFound) {
  Begin(2, Metric::kL2);
  for (int row = 1; row <= 5; ++row) Put(row, {{1, 1}});
  const auto is_current = [](int64_t row) { return row != 2; };
  // Row 9 is not there.
  ASSERT_OK_AND_ASSIGN(
      const auto result,
      DuplicateFinder(*index_, 0.1f, {1, 2, 4, 9}, false, is_current)
          .Find(10, GoOn));
  ASSERT_EQ(result.groups_size(), 1);
  EXPECT_THAT(result.groups(0).ids(), ElementsAre(IdOf(1), IdOf(4)));
}

TEST_F(DuplicateFinderTest, ItTellsItsProgressAndEndsWhenTold) {
  Begin(2, Metric::kL2);
  for (int row = 1; row <= 200; ++row) {
    Put(row, {{static_cast<float>(row), 1}});
  }
  std::vector<int64_t> rows = index_->Rows();
  const auto any = [](int64_t) { return true; };
  std::vector<int64_t> told;
  const auto result = DuplicateFinder(*index_, 0.1f, rows, false, any)
                          .Find(10, [&](int64_t done) {
                            told.push_back(done);
                            return done < 128 ? absl::OkStatus()
                                              : absl::CancelledError("enough");
                          });
  EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(told, ElementsAre(0, 64, 128));
}

}  // namespace
}  // namespace engram::search
