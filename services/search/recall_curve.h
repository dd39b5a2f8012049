#ifndef ENGRAM_SERVICES_SEARCH_RECALL_CURVE_H_
#define ENGRAM_SERVICES_SEARCH_RECALL_CURVE_H_

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace engram::search {

// What searches of one width find, on average.
struct RecallPoint {
  // How many candidates the graph is asked for.
  int width = 0;
  // The share found of the true nearest 10, and of the nearest 100; 0 to 1.
  float of_10 = 0;
  float of_100 = 0;

  friend bool operator==(const RecallPoint&, const RecallPoint&) = default;
};

// How wide a search of one graph has to be for what it is to find, as measured
// over queries. A value.
class RecallCurve {
 public:
  // So many queries are remembered: older ones fade.
  static constexpr int kMaxQueries = 128;

  // Of a graph that has not been measured yet: widths that are wide enough for
  // most.
  RecallCurve() = default;

  // To be measured at these widths, ascending.
  explicit RecallCurve(absl::Span<const int> widths);

  // What was found of `queries` queries: `points` by width, ascending;
  // `InvalidArgument` if they are not, or are not what a measurement gives.
  // Where a wider search happened to find less, it counts as finding as much.
  static absl::StatusOr<RecallCurve> Create(std::vector<RecallPoint> points,
                                            int queries);

  // Learns what was found of one more query, at each of its widths.
  void Learn(absl::Span<const RecallPoint> found);
  // What it has learned counts as that of `queries` at most.
  void CountAs(int queries) { queries_ = std::min(queries_, queries); }

  // The narrowest search that finds that share of the nearest `limit`, at least
  // `limit`: among these there may be others' clusters. Grows with both.
  // Between points it is interpolated, past the last one extrapolated; for all
  // of them no width is enough.
  int WidthFor(double target_recall, double limit) const;

  // Empty if it is not to be measured.
  const std::vector<RecallPoint>& points() const { return points_; }
  // Over how many queries they are the average; 0 before it is measured.
  int queries() const { return queries_; }

  friend bool operator==(const RecallCurve&, const RecallCurve&) = default;

 private:
  RecallCurve(std::vector<RecallPoint> points, int queries)
      : points_(std::move(points)), queries_(queries) {}

  // `recall` is the one of the two to go by.
  double WidthOf(float RecallPoint::*recall, double target_recall) const;

  std::vector<RecallPoint> points_;
  int queries_ = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RECALL_CURVE_H_
