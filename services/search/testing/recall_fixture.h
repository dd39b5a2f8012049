#ifndef ENGRAM_SERVICES_SEARCH_TESTING_RECALL_FIXTURE_H_
#define ENGRAM_SERVICES_SEARCH_TESTING_RECALL_FIXTURE_H_

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/vector/vector.h"
#include "services/search/vector_index.h"

namespace engram::search::testing {

inline constexpr int kDimensions = 24;
inline constexpr int kRecords = 6000;
// All that is searched for may be run again.
inline constexpr double kAllTime = 1e9;

inline bool Always() { return true; }
inline std::string IdOf(int64_t row) { return absl::StrCat("id", row); }

// An index with a graph, and what to ask it.
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
    index_.Optimize(/*threads=*/2, Always);
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
      // What a test changes is too little for a small graph.
      {.min_bytes = kRecords * kDimensions * sizeof(float) / 2,
       .sampled_share = kAllTime}};
  int64_t sequence_ = 0;
};

}  // namespace engram::search::testing

#endif  // ENGRAM_SERVICES_SEARCH_TESTING_RECALL_FIXTURE_H_
