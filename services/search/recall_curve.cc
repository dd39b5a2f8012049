#include "services/search/recall_curve.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"

namespace engram::search {
namespace {

// Before it has been measured: of ten, for a target that leaves out so many.
constexpr double kGuessedWidth = 200;
constexpr double kGuessedMisses = 0.05;

// Past the last point as much wider as fewer may be missed; beyond this a scan
// is what helps.
constexpr double kMaxExtrapolation = 16;

// Wider than any index's searches, and an int.
constexpr int kMaxWidth = 1 << 24;

bool IsShare(float recall) { return recall >= 0 && recall <= 1; }

// Between (x0, y0) and (x1, y1), straight on logarithmic scales.
double LogInterpolate(double x0, double y0, double x1, double y1, double x) {
  const double part = std::log(x / x0) / std::log(x1 / x0);
  return y0 * std::pow(y1 / y0, part);
}

}  // namespace

RecallCurve::RecallCurve(absl::Span<const int> widths) {
  for (const int width : widths) points_.push_back({.width = width});
}

absl::StatusOr<RecallCurve> RecallCurve::Create(std::vector<RecallPoint> points,
                                                int queries) {
  if (queries < 1 || queries > kMaxQueries) {
    return absl::InvalidArgumentError("no recalls of so many queries");
  }
  RecallPoint before;
  for (RecallPoint& point : points) {
    if (point.width <= before.width || !IsShare(point.of_10) ||
        !IsShare(point.of_100)) {
      return absl::InvalidArgumentError("no recalls by ascending widths");
    }
    point.of_10 = std::max(point.of_10, before.of_10);
    point.of_100 = std::max(point.of_100, before.of_100);
    before = point;
  }
  return RecallCurve(std::move(points), queries);
}

void RecallCurve::Learn(absl::Span<const RecallPoint> found) {
  queries_ = std::min(queries_ + 1, kMaxQueries);
  const float weight = 1.0f / static_cast<float>(queries_);
  for (size_t i = 0; i < points_.size(); ++i) {
    points_[i].of_10 += (found[i].of_10 - points_[i].of_10) * weight;
    points_[i].of_100 += (found[i].of_100 - points_[i].of_100) * weight;
  }
}

double RecallCurve::WidthOf(float RecallPoint::*recall,
                            double target_recall) const {
  const auto reached = std::find_if(
      points_.begin(), points_.end(),
      [&](const RecallPoint& point) { return point.*recall >= target_recall; });
  if (reached == points_.begin()) return reached->width;
  const RecallPoint& below = *(reached - 1);
  if (reached == points_.end()) {
    // What is missed is about inverse to the width.
    const double less = (1 - below.*recall) / (1 - target_recall);
    return below.width * std::min(less, kMaxExtrapolation);
  }
  // Recall grows ever slower: a straight line lies below it, which is safe.
  const RecallPoint& above = *reached;
  const double part =
      (target_recall - below.*recall) / (above.*recall - below.*recall);
  return below.width *
         std::pow(static_cast<double>(above.width) / below.width, part);
}

int RecallCurve::WidthFor(double target_recall, double limit) const {
  if (target_recall >= 1) return kMaxWidth;
  double width = 0;
  if (queries_ == 0) {
    const double fewer = kGuessedMisses / (1 - target_recall);
    width = kGuessedWidth * std::sqrt(std::max(fewer, 1.0)) *
            std::max(limit / 10, 1.0);
  } else {
    // Fewer than ten are as easy to find as ten, or easier.
    const double of_10 = WidthOf(&RecallPoint::of_10, target_recall);
    const double of_100 =
        std::max(of_10, WidthOf(&RecallPoint::of_100, target_recall));
    if (limit <= 10) {
      width = of_10;
    } else if (limit <= 100) {
      width = LogInterpolate(10, of_10, 100, of_100, limit);
    } else {
      width = of_100 * limit / 100;
    }
  }
  return static_cast<int>(
      std::ceil(std::min<double>(std::max(width, limit), kMaxWidth)));
}

}  // namespace engram::search
