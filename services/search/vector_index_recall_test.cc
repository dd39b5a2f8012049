// A VectorIndex knows how much its searches find, and finds as much as they are
// to: by default, for any target, number of records and filter, and also where
// queries are unlike what it measured with.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/vector/vector.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

constexpr int kDimensions = 24;
constexpr int kRecords = 6000;
// All that is searched for may be run again.
constexpr double kAllTime = 1e9;

bool Always() { return true; }
std::string IdOf(int64_t row) { return absl::StrCat("id", row); }

class VectorIndexRecallTest : public ::testing::Test {
 protected:
  // What the index holds: some clusters.
  std::vector<float> Near() {
    if (centers_.empty()) {
      for (int i = 0; i < 60; ++i) centers_.push_back(Anywhere());
    }
    std::vector<float> values = centers_[random_() % centers_.size()];
    for (float& value : values) value += spread_ * normal_(random_);
    vector::Normalize(absl::MakeSpan(values));
    return values;
  }
  // What nothing is near to, and a graph leads to badly.
  std::vector<float> Anywhere() {
    std::vector<float> values(kDimensions);
    for (float& value : values) value = normal_(random_);
    vector::Normalize(absl::MakeSpan(values));
    return values;
  }

  void Put(int64_t row, const std::vector<float>& vector) {
    const std::string id = IdOf(row);
    ++sequence_;
    index_.Apply({{.kind = IndexChange::Kind::kPutVectors,
                   .row = row,
                   .sequence = sequence_,
                   .id = id,
                   .chunks = {vector::Pack(vector)}}},
                 sequence_);
  }
  void Delete(int64_t row) {
    ++sequence_;
    index_.Apply({{.kind = IndexChange::Kind::kDeleteRecord,
                   .row = row,
                   .sequence = sequence_}},
                 sequence_);
  }
  void Build() {
    for (int row = 0; row < kRecords; ++row) Put(row, Near());
    index_.Optimize(Always);
    ASSERT_EQ(index_.Stats().graph_vectors, kRecords);
  }

  // The share found of what `queries` queries look for.
  double Recall(const std::function<std::vector<float>()>& draw, int queries,
                int limit, const SearchEffort& effort = {},
                RowFilter filter = AnyRow) {
    int found = 0;
    int wanted = 0;
    for (int i = 0; i < queries; ++i) {
      const std::vector<float> query = draw();
      std::set<std::string> nearest;
      for (const Candidate& candidate :
           index_.SearchAll(query, limit, filter).candidates) {
        nearest.insert(candidate.id);
      }
      for (const Candidate& candidate :
           index_.Search(query, limit, filter, effort).candidates) {
        found += nearest.contains(candidate.id) ? 1 : 0;
      }
      wanted += static_cast<int>(nearest.size());
    }
    return static_cast<double>(found) / wanted;
  }

  // How wide the clusters are: at 0.3 they run into each other.
  float spread_ = 0.15f;
  std::mt19937 random_{11};
  std::normal_distribution<float> normal_;
  std::vector<std::vector<float>> centers_;
  VectorIndex index_{
      {.generation = 1, .dimensions = kDimensions, .metric = Metric::kCosine},
      {.min_bytes = 0, .threads = 2, .sampled_share = kAllTime}};
  int64_t sequence_ = 0;
};

TEST_F(VectorIndexRecallTest, AScanMissesNothing) {
  Put(1, Near());
  EXPECT_TRUE(index_.Recall().is_exact);
  EXPECT_TRUE(index_.Recall().calibration.empty());
  EXPECT_EQ(index_.Recall().width, 0);
  index_.Search(Near(), 10, AnyRow);
  index_.Optimize([] { return false; });
  EXPECT_EQ(index_.Recall().samples, 0);
}

TEST_F(VectorIndexRecallTest, AGraphIsMeasuredWhenItIsBuilt) {
  Build();
  const IndexRecall recall = index_.Recall();
  EXPECT_FALSE(recall.is_exact);
  ASSERT_GE(recall.calibration.size(), 5);
  EXPECT_LT(recall.calibration[0].of_10, recall.calibration[4].of_10);
  EXPECT_GT(recall.calibration.back().of_10, 0.99);
  EXPECT_GT(recall.calibration.back().of_100, 0.9);
  EXPECT_GE(recall.width, 10);
  EXPECT_EQ(recall.samples, 0);
}

TEST_F(VectorIndexRecallTest, EveryTargetIsHeldForAnyNumberOfRecords) {
  spread_ = 0.3f;
  Build();
  const auto near = [this] { return Near(); };
  for (const double target : {0.8, 0.95, 0.99}) {
    for (const int limit : {1, 3, 10, 40, 100}) {
      // Of few neighbours one more or less is missed by chance.
      // A query that misses one often misses another.
      const int queries = std::max(120, 400 / limit);
      const double chance = 4 * std::sqrt(target * (1 - target) /
                                          (queries * std::min(limit, 10)));
      EXPECT_GE(Recall(near, queries, limit, {.target_recall = target}),
                target - chance)
          << "target " << target << " of " << limit;
    }
  }
}

TEST_F(VectorIndexRecallTest, AHigherTargetIsWorthIt) {
  Build();
  const auto anywhere = [this] { return Anywhere(); };
  const double low = Recall(anywhere, 100, 10, {.target_recall = 0.5});
  const double high = Recall(anywhere, 100, 10, {.target_recall = 0.999});
  EXPECT_LT(low, 0.9);
  EXPECT_GT(high, low + 0.05);
  EXPECT_EQ(Recall(anywhere, 20, 10, {.target_recall = 1}), 1);
}

TEST_F(VectorIndexRecallTest, AFilterCostsNoRecall) {
  Build();
  for (const bool is_near : {true, false}) {
    const auto draw = [&] { return is_near ? Near() : Anywhere(); };
    // Not so much that a scan would be best.
    const double target = is_near ? 0.95 : 0.8;
    const double unfiltered = Recall(draw, 200, 10, {.target_recall = target});
    for (const double share : {0.5, 0.1, 0.01, 0.001}) {
      // Whether the share is known or not.
      for (const double told : {share, 1.0}) {
        std::vector<bool> passes(kRecords);
        for (int row = 0; row < kRecords; ++row) {
          passes[row] = random_() % 10'000 < share * 10'000;
        }
        const auto filter = [&](int64_t row) { return passes[row]; };
        EXPECT_GE(Recall(draw, 100, 10,
                         {.target_recall = target, .share = told}, filter),
                  unfiltered - 0.015)
            << share << " told as " << told << (is_near ? " near" : "");
      }
    }
  }
}

// With queries that much is missed of, so that no walk finds all by chance.
TEST_F(VectorIndexRecallTest, AWalkIsAsMuchWiderAsFewerPass) {
  Build();
  std::vector<std::vector<float>> queries;
  for (int i = 0; i < 300; ++i) queries.push_back(Anywhere());
  size_t next = 0;
  const auto draw = [&] { return queries[next++ % queries.size()]; };
  const double unfiltered = Recall(draw, 300, 10, {.target_recall = 0.99});
  EXPECT_LT(unfiltered, 0.98);
  for (const int one_in : {2, 3, 4}) {
    const auto filter = [&](int64_t row) { return row % one_in == 0; };
    for (const double told : {1.0 / one_in, 1.0}) {
      EXPECT_GE(
          Recall(draw, 300, 10, {.target_recall = 0.99, .share = told}, filter),
          unfiltered - 0.01)
          << "one in " << one_in << " told as " << told;
    }
  }
}

// A walk to the query meets none of them: they are all elsewhere.
TEST_F(VectorIndexRecallTest, AFilterThatLetsThroughOnlyWhatIsFarIsMet) {
  Build();
  const std::vector<float> pole = Anywhere();
  std::set<std::string> far;
  for (const Candidate& candidate :
       index_.SearchAll(pole, kRecords / 2, AnyRow).candidates) {
    far.insert(candidate.id);
  }
  std::vector<float> query = pole;
  for (float& value : query) value = -value;
  const auto filter = [&](int64_t row) { return far.contains(IdOf(row)); };
  EXPECT_GE(Recall([&] { return query; }, 1, 10, {.share = 0.5}, filter), 0.9);
}

TEST_F(VectorIndexRecallTest, FewRowsAreLookedUpAndManyWalkedTo) {
  Build();
  // Both costs are learned, on this machine as it is now.
  std::vector<int64_t> rows(kRecords);
  std::iota(rows.begin(), rows.end(), 0);
  for (int i = 0; i < 30; ++i) {
    index_.Search(Near(), 10, AnyRow);
    index_.SearchRows(Near(), 10, rows, AnyRow);
  }
  const auto prefers = [&](int64_t rows) {
    const double share = static_cast<double>(rows) / kRecords;
    return index_.PrefersRows(rows, 10, {.share = share});
  };
  EXPECT_TRUE(prefers(1));
  EXPECT_TRUE(prefers(10));
  EXPECT_FALSE(prefers(kRecords));
  // Where all are compared with otherwise, it is worth it for more of them.
  EXPECT_TRUE(index_.PrefersRows(100, 10, {.target_recall = 1}));
}

TEST_F(VectorIndexRecallTest, LiveSearchesAreRunAgain) {
  Build();
  for (int i = 0; i < 40; ++i) {
    index_.Search(Near(), 10, AnyRow);
    index_.Optimize(Always);
  }
  const IndexRecall recall = index_.Recall();
  EXPECT_EQ(recall.samples, 40);
  EXPECT_EQ(recall.all_samples, 40);
  EXPECT_GT(recall.recall, 0.9);
}

// What it measured with says nothing of such queries.
TEST_F(VectorIndexRecallTest, WhereQueriesAreHarderSearchesBecomeWider) {
  Build();
  const auto anywhere = [this] { return Anywhere(); };
  const auto ask = [&](int queries) {
    for (int i = 0; i < queries; ++i) {
      index_.Search(Anywhere(), 10, AnyRow);
      index_.Optimize(Always);
    }
  };
  const int width = index_.Recall().width;
  ask(31);
  const double before = index_.Recall().recall;
  EXPECT_LT(before, 0.92);
  ask(600);
  EXPECT_GT(index_.Recall().width, width * 3 / 2);
  EXPECT_GE(Recall(anywhere, 100, 10), 0.93);
  ask(1000);  // All that are remembered are newer.
  EXPECT_GE(index_.Recall().recall, 0.94);
  EXPECT_EQ(index_.Recall().samples, 1000);
  // And where they become easier, narrower again.
  const int wide = index_.Recall().width;
  for (int i = 0; i < 600; ++i) {
    index_.Search(Near(), 10, AnyRow);
    index_.Optimize(Always);
  }
  EXPECT_LT(index_.Recall().width, wide);
}

TEST_F(VectorIndexRecallTest, WhatChangedSinceIsNoMiss) {
  Build();
  for (int i = 0; i < 20; ++i) {
    const std::vector<float> query = Near();
    const auto found =
        index_.Search(query, 10, AnyRow, {.target_recall = 0.99}).candidates;
    ASSERT_EQ(found.size(), 10);
    // Some while it is kept, some after it was compared with them all.
    int asked = 0;
    const auto change = [&](int from) {
      for (int place = from; place < from + 3; ++place) {
        Delete(std::stoll(found[place].id.substr(2)));
      }
      Put(kRecords + 2 * i + from / 3, query);
    };
    change(0);
    index_.Optimize([&] {
      if (++asked == 2) change(3);
      return true;
    });
    ASSERT_EQ(asked, 2);
  }
  EXPECT_EQ(index_.Recall().samples, 20);
  EXPECT_GT(index_.Recall().recall, 0.95);
}

TEST_F(VectorIndexRecallTest, SamplesAreTakenBesideSearchesAndChanges) {
  Build();
  std::atomic<bool> done = false;
  const std::vector<float> query = Near();
  std::thread searcher([&] {
    while (!done) index_.Search(query, 10, AnyRow, {.target_recall = 0.99});
  });
  std::thread changer([&] {
    for (int step = 0; step < 200; ++step) {
      step % 2 == 0 ? Delete(step) : Put(kRecords + step, Near());
    }
  });
  while (index_.Recall().samples < 10) index_.Optimize(Always);
  changer.join();
  done = true;
  searcher.join();
  // Of one query, over and over, so of no one number.
  EXPECT_GT(index_.Recall().recall, 0.5);
}

}  // namespace
}  // namespace engram::search
