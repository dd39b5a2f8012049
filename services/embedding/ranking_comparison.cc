#include "services/embedding/ranking_comparison.h"

#include <algorithm>
#include <iterator>

#include "libs/vector/kernels.h"

namespace engram::embedding {
namespace {

// Whether record `a` ranks before `b`.
auto Nearer(absl::Span<const float> scores) {
  return [scores](int a, int b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  };
}

std::vector<int> Nearest(absl::Span<const float> scores, int excluded) {
  std::vector<int> records;
  records.reserve(scores.size());
  for (int record = 0; record < static_cast<int>(scores.size()); ++record) {
    if (record != excluded) records.push_back(record);
  }
  const size_t count = std::min<size_t>(kCompared, records.size());
  std::partial_sort(records.begin(),
                    records.begin() + static_cast<int64_t>(count),
                    records.end(), Nearer(scores));
  records.resize(count);
  return records;
}

// `records` are sorted by number; so are the ranks.
std::vector<int> RanksOf(const std::vector<int>& records,
                         absl::Span<const float> scores) {
  std::vector<int> order = records;
  std::sort(order.begin(), order.end(), Nearer(scores));
  std::vector<int> ranks(records.size());
  for (int rank = 0; rank < static_cast<int>(order.size()); ++rank) {
    const auto place =
        std::lower_bound(records.begin(), records.end(), order[rank]);
    ranks[place - records.begin()] = rank;
  }
  return ranks;
}

double Spearman(const std::vector<int>& first, const std::vector<int>& second) {
  const auto count = static_cast<double>(first.size());
  if (count < 2) return 1;
  double squares = 0;
  for (size_t i = 0; i < first.size(); ++i) {
    const double difference = first[i] - second[i];
    squares += difference * difference;
  }
  return 1 - 6 * squares / (count * (count * count - 1));
}

}  // namespace

void SearchedVectors::Add(absl::Span<const float> chunks) {
  values_.insert(values_.end(), chunks.begin(), chunks.end());
  begins_.push_back(static_cast<int64_t>(values_.size()));
}

absl::Span<const float> SearchedVectors::FirstOf(int record) const {
  return absl::MakeConstSpan(values_).subspan(begins_[record], dimensions_);
}

std::vector<float> SearchedVectors::Score(absl::Span<const float> query) const {
  const vector::Kernels& kernels = vector::BestKernels();
  const bool is_distance = metric_ == common::v1::METRIC_L2;
  const auto rows = static_cast<int64_t>(values_.size()) / dimensions_;
  std::vector<float> of_chunks(rows);
  (is_distance ? kernels.l2_squared : kernels.dot)(
      query.data(), values_.data(), rows, dimensions_, of_chunks.data());
  if (is_distance) {
    for (float& score : of_chunks) score = -score;
  }
  std::vector<float> scores;
  scores.reserve(begins_.size() - 1);
  for (size_t record = 0; record + 1 < begins_.size(); ++record) {
    scores.push_back(*std::max_element(
        of_chunks.begin() + begins_[record] / dimensions_,
        of_chunks.begin() + begins_[record + 1] / dimensions_));
  }
  return scores;
}

RankingComparison CompareRankings(absl::Span<const float> first,
                                  absl::Span<const float> second,
                                  int excluded) {
  RankingComparison comparison = {.first = Nearest(first, excluded),
                                  .second = Nearest(second, excluded)};
  std::vector<int> a = comparison.first;
  std::vector<int> b = comparison.second;
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  std::vector<int> either;
  std::set_union(a.begin(), a.end(), b.begin(), b.end(),
                 std::back_inserter(either));
  const size_t in_both = a.size() + b.size() - either.size();
  comparison.overlap =
      static_cast<double>(in_both) / static_cast<double>(a.size());
  comparison.rank_correlation =
      Spearman(RanksOf(either, first), RanksOf(either, second));
  return comparison;
}

}  // namespace engram::embedding
