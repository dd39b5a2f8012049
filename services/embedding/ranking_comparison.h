#ifndef ENGRAM_SERVICES_EMBEDDING_RANKING_COMPARISON_H_
#define ENGRAM_SERVICES_EMBEDDING_RANKING_COMPARISON_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "engram/common/v1/vector.pb.h"

namespace engram::embedding {

// The vectors that records have of one generation, for searching all of them.
class SearchedVectors {
 public:
  SearchedVectors(int dimensions, common::v1::Metric metric)
      : dimensions_(dimensions), metric_(metric) {}

  int dimensions() const { return dimensions_; }
  int64_t bytes() const {
    return static_cast<int64_t>(values_.size() * sizeof(float));
  }

  // Adds the vectors of the next record, back to back: one a chunk, at least
  // one.
  void Add(absl::Span<const float> chunks);

  // The record's first vector.
  absl::Span<const float> FirstOf(int record) const;

  // Scores every record by its nearest chunk; larger is nearer.
  std::vector<float> Score(absl::Span<const float> query) const;

 private:
  const int dimensions_;
  const common::v1::Metric metric_;
  std::vector<float> values_;
  // Where each record's vectors begin in `values_`, and the end.
  std::vector<int64_t> begins_ = {0};
};

// How many of the nearest are compared.
inline constexpr int kCompared = 10;

// How far two rankings of the same records are the same.
struct RankingComparison {
  // The ten nearest of each, the nearest first.
  std::vector<int> first;
  std::vector<int> second;
  // Which share of them is in both.
  double overlap = 0;
  // Spearman's rank correlation of the records that are in either
  // (https://en.wikipedia.org/wiki/Spearman%27s_rank_correlation_coefficient),
  // each ranked among these by the scores: 1 for the same order, and below zero
  // where the two have little in common.
  double rank_correlation = 0;
};

// Compares the rankings by `first` and `second`, one score a record, of all
// records but `excluded`, -1 for none; at least one. Equal scores rank by the
// record's number.
RankingComparison CompareRankings(absl::Span<const float> first,
                                  absl::Span<const float> second, int excluded);

}  // namespace engram::embedding

#endif  // ENGRAM_SERVICES_EMBEDDING_RANKING_COMPARISON_H_
