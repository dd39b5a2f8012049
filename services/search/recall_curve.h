#ifndef ENGRAM_SERVICES_SEARCH_RECALL_CURVE_H_
#define ENGRAM_SERVICES_SEARCH_RECALL_CURVE_H_

#include <vector>

#include "absl/status/statusor.h"

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
// when the graph was built. A value; immutable.
class RecallCurve {
 public:
  // Of a graph that has not been measured yet: widths that are wide enough for
  // most.
  RecallCurve() = default;

  // `points` by width, ascending; `InvalidArgument` if they are not, or are not
  // what a measurement gives. Where a wider search happened to find less, it
  // counts as finding as much.
  static absl::StatusOr<RecallCurve> Create(std::vector<RecallPoint> points);

  // The narrowest search that finds that share of the nearest `limit`, at least
  // `limit`. Grows with both. Between points it is interpolated, past the last
  // one extrapolated; for all of them no width is enough. `limit` may be what a
  // filter makes of it: the nearest ten of a tenth of all records are among the
  // nearest hundred.
  int WidthFor(double target_recall, double limit) const;

  // Empty before it is measured.
  const std::vector<RecallPoint>& points() const { return points_; }

  friend bool operator==(const RecallCurve&, const RecallCurve&) = default;

 private:
  explicit RecallCurve(std::vector<RecallPoint> points)
      : points_(std::move(points)) {}

  // `recall` is the one of the two to go by.
  double WidthOf(float RecallPoint::*recall, double target_recall) const;

  std::vector<RecallPoint> points_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RECALL_CURVE_H_
