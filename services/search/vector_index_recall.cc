// How a VectorIndex knows how much its searches find: measured over vectors of
// its own when its graph is built, and over live queries from then on.

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/clock.h"
#include "libs/vector/kernels.h"
#include "libs/vector/vector.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

// Changes wait while so much is scanned, well under a millisecond.
constexpr int64_t kPartBytes = 2 << 20;

// So many of the nearest may be deleted while others are still scanned.
constexpr int kSpareRows = 16;

// What calibration tries; it looks for the nearest 10 and 100.
constexpr int kWidths[] = {16,  24,  32,  48,  64,  96,   128,
                           192, 256, 384, 512, 768, 1024, 1536};
constexpr int kFewNearest = 10;
constexpr int kManyNearest = 100;
// With so many queries; with fewer where scans for them would read more bytes.
constexpr int64_t kMostQueries = 128;
constexpr int64_t kFewestQueries = 32;
constexpr int64_t kCalibrationBytes = int64_t{64} << 30;
// To a vector of the index, and so to others by it, the graph leads more surely
// than to what is asked, which is none. So a query is such a vector, moved by
// what two of its neighbours differ in, and half as much again: where another
// one might be, and rather too far. What it is moved by, it finds in a walk of
// this width, in these places.
constexpr int kNeighbourWidth = 64;
constexpr int kNeighbours = 11;
constexpr float kStep = 1.5f;

// From so many dimensions on codes of 4 bits are tried, of which a walk reads
// half as much. They are taken where walks of the same widths miss no more than
// this factor and share, which chance alone may make.
constexpr int kNarrowFromDimensions = 256;
constexpr double kMoreMissed = 1.1;
constexpr double kMissedByChance = 0.002;

using Entries = std::vector<TopRecords::Entry>;

// How many of the nearest `limit`, whose scores are `nearest`, were found.
int CountFound(const Entries& found, absl::Span<const float> nearest,
               int limit) {
  const auto wanted = std::min(nearest.size(), static_cast<size_t>(limit));
  const auto count = std::min(found.size(), wanted);
  if (count == 0) return 0;
  // By score: of equally near ones each is as good as the other.
  return static_cast<int>(std::count_if(
      found.begin(), found.begin() + static_cast<ptrdiff_t>(count),
      [&](const TopRecords::Entry& entry) {
        return entry.score >= nearest[wanted - 1];
      }));
}

// What walks found, of each width, over some queries.
class WalkTally {
 public:
  // Counts walks of one query, one a width, beside what is `nearest` to it.
  void Count(absl::Span<const Entries> walks, absl::Span<const float> nearest) {
    found_.resize(walks.size());
    wanted_.few += std::min<int64_t>(kFewNearest, nearest.size());
    wanted_.many += static_cast<int64_t>(nearest.size());
    for (size_t width = 0; width < walks.size(); ++width) {
      found_[width].few += CountFound(walks[width], nearest, kFewNearest);
      found_[width].many += CountFound(walks[width], nearest, kManyNearest);
    }
  }

  // Fails where no query was counted.
  absl::StatusOr<RecallCurve> Curve() const {
    if (wanted_.few == 0) return absl::NotFoundError("no query");
    std::vector<RecallPoint> points;
    for (size_t width = 0; width < found_.size(); ++width) {
      points.push_back(
          {.width = kWidths[width],
           .of_10 = static_cast<float>(found_[width].few) / wanted_.few,
           .of_100 = static_cast<float>(found_[width].many) / wanted_.many});
    }
    return RecallCurve::Create(std::move(points));
  }

 private:
  struct Sums {
    int64_t few = 0;
    int64_t many = 0;
  };
  std::vector<Sums> found_;
  Sums wanted_;
};

// Which share of the nearest `limit` walks miss, on average over all widths
// that could find as many.
double MissedOf(const RecallCurve& curve, float RecallPoint::*recall,
                int limit) {
  double missed = 0;
  int widths = 0;
  for (const RecallPoint& point : curve.points()) {
    if (point.width < limit) continue;
    missed += 1 - point.*recall;
    ++widths;
  }
  return missed / std::max(widths, 1);
}

// Whether walks of a graph with the curve `narrow` find what those of one with
// the curve `wide` find. It is recalls that are compared and not the widths for
// them: where a curve is flat, one more found is many candidates less. No if
// nothing was measured, where there are too few vectors to be walked.
bool FindsAsMuch(const RecallCurve& narrow, const RecallCurve& wide) {
  const auto holds = [&](float RecallPoint::*recall, int limit) {
    return MissedOf(narrow, recall, limit) <=
           kMoreMissed * MissedOf(wide, recall, limit) + kMissedByChance;
  };
  return !narrow.points().empty() && holds(&RecallPoint::of_10, kFewNearest) &&
         holds(&RecallPoint::of_100, kManyNearest);
}

}  // namespace

absl::StatusOr<std::vector<VectorIndex::NearRow>> VectorIndex::ScanInParts(
    absl::Span<const float> query, int limit,
    const std::function<bool()>& go_on) const {
  const int64_t part = std::max<int64_t>(1, kPartBytes / BytesOf(1));
  TopRecords top(limit + kSpareRows);
  std::vector<float> scores(part);
  for (int64_t first = 0;; first += part) {
    if (!go_on()) return absl::CancelledError("stopping");
    absl::ReaderMutexLock lock(&mutex_);
    const int64_t last = std::min(first + part, vectors_.size());
    if (first >= last) break;
    ScoreSlots(query, first, absl::MakeSpan(scores.data(), last - first));
    for (int64_t slot = first; slot < last; ++slot) {
      const float score = scores[slot - first];
      if (score < top.threshold()) continue;
      // Without the id, which may be gone before this ends.
      top.Offer(score, keys_[slot] / kMaxChunks, 0, "");
    }
  }
  std::vector<NearRow> rows;
  for (const TopRecords::Entry& entry : top.Sorted()) {
    rows.push_back({entry.row, entry.score});
  }
  return rows;
}

std::vector<float> VectorIndex::NearestScores(
    absl::Span<const float> query, int limit, absl::Span<const NearRow> scanned,
    absl::Span<const Entries> searches) const {
  absl::flat_hash_map<int64_t, float> scores;
  // What a scan passed by, as it had moved, a search may have found.
  for (const Entries& search : searches) {
    for (const TopRecords::Entry& entry : search) {
      scores[entry.row] = entry.score;
    }
  }
  for (const NearRow& near : scanned) {
    const int chunks = records_.ChunksOf(near.row);
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const float score = ScoreOf(query, *slots_.Find(KeyOf(near.row, chunk)));
      const auto [known, added] = scores.try_emplace(near.row, score);
      if (!added) known->second = std::max(known->second, score);
    }
  }
  std::vector<float> nearest;
  nearest.reserve(scores.size());
  for (const auto& [row, score] : scores) nearest.push_back(score);
  std::sort(nearest.rbegin(), nearest.rend());
  const auto wanted = static_cast<size_t>(
      std::min(static_cast<int64_t>(limit), records_.size()));
  if (nearest.size() < wanted) return {};
  nearest.resize(wanted);
  return nearest;
}

std::vector<float> VectorIndex::CalibrationQuery(int64_t number,
                                                 int64_t of) const {
  absl::ReaderMutexLock lock(&mutex_);
  if (vectors_.size() == 0) return {};
  const auto own = ValuesOf(number * vectors_.size() / of);
  std::vector<float> query(own.begin(), own.end());
  TopRecords top(kNeighbours);
  SearchCost cost;
  WalkOnce(*graphs_.segment(Tier::kLarge), query, kNeighbourWidth, AnyRow, top,
           cost);
  const Entries near = top.Sorted();
  if (near.size() < kNeighbours) return query;
  const auto slot_of = [&](const TopRecords::Entry& entry) {
    mutex_.AssertReaderHeld();
    return *slots_.Find(KeyOf(entry.row, entry.chunk));
  };
  const auto one = ValuesOf(slot_of(near[kNeighbours / 2]));
  const auto other = ValuesOf(slot_of(near[kNeighbours - 1]));
  for (int i = 0; i < spec_.dimensions; ++i)
    query[i] += kStep * (other[i] - one[i]);
  // Opposite ones cancel out.
  const bool has_length = spec_.metric != Metric::kCosine ||
                          vector::Normalize(absl::MakeSpan(query));
  return has_length ? query : std::vector<float>(own.begin(), own.end());
}

struct VectorIndex::Measured {
  std::shared_ptr<GraphSegment> segment;
  WalkTally tally;
};

void VectorIndex::Calibrate(const std::function<bool()>& go_on) {
  std::vector<Measured> segments(1);
  Precision precision = Precision::kAuto;
  int64_t queries = 0;
  size_t widths = 0;
  {
    absl::ReaderMutexLock lock(&mutex_);
    precision = precision_;
    // One that is soon replaced is not worth it, and what it does not know
    // would be scanned for each query.
    if (graphs_.segment(Tier::kLarge) == nullptr || is_calibrated_ ||
        WantsLargeGraph()) {
      return;
    }
    segments[0].segment = graphs_.segment(Tier::kLarge);
    const int64_t bytes = BytesOf(vectors_.size());
    queries = std::clamp(kCalibrationBytes / std::max<int64_t>(bytes, 1),
                         kFewestQueries, kMostQueries);
    while (widths < std::size(kWidths) && kWidths[widths] <= WidestWalk()) {
      ++widths;
    }
  }
  if (precision == Precision::kAuto &&
      spec_.dimensions >= kNarrowFromDimensions &&
      segments[0].segment->code_bits() == 8) {
    segments.push_back({.segment = segments[0].segment->Narrow()});
  }
  if (!Measure(queries, widths, go_on, segments)) return;
  absl::StatusOr<RecallCurve> curve = segments[0].tally.Curve();
  if (!curve.ok()) return;
  std::shared_ptr<GraphSegment> narrow;
  if (segments.size() > 1) {
    absl::StatusOr<RecallCurve> narrow_curve = segments[1].tally.Curve();
    if (narrow_curve.ok() && FindsAsMuch(*narrow_curve, *curve)) {
      narrow = std::move(segments[1].segment);
      curve = std::move(narrow_curve);
    }
  }
  absl::MutexLock save_lock(&save_mutex_);
  absl::MutexLock lock(&mutex_);
  // Something else is to be found out by now.
  if (precision_ != precision) return;
  // The other is freed behind the lock, with `segments`.
  if (narrow != nullptr) graphs_.Replace(Tier::kLarge, std::move(narrow));
  curve_ = *std::move(curve);
  is_calibrated_ = true;
  sampler_.TrustCurve();
}

bool VectorIndex::Measure(int64_t queries, size_t widths,
                          const std::function<bool()>& go_on,
                          std::vector<Measured>& segments) const {
  for (int64_t i = 0; i < queries; ++i) {
    const std::vector<float> query = CalibrationQuery(i, queries);
    if (query.empty()) return false;
    const auto scanned = ScanInParts(query, kManyNearest, go_on);
    if (!scanned.ok()) return false;
    absl::ReaderMutexLock lock(&mutex_);
    SearchCost cost;
    // The same for every walk.
    TopRecords unknown(kManyNearest);
    Scan(query, graphs_.size(), AnyRow, unknown, cost);
    std::vector<Entries> walks;
    for (const Measured& measured : segments) {
      for (size_t width = 0; width < widths; ++width) {
        TopRecords top(kManyNearest);
        WalkOnce(*measured.segment, query, kWidths[width], AnyRow, top, cost);
        for (const TopRecords::Entry& entry : unknown.Sorted()) {
          top.Offer(entry.score, entry.row, entry.chunk, entry.id);
        }
        walks.push_back(top.Sorted());
      }
    }
    const std::vector<float> nearest =
        NearestScores(query, kManyNearest, *scanned, walks);
    if (nearest.empty()) continue;
    auto first = absl::MakeConstSpan(walks);
    for (Measured& measured : segments) {
      measured.tally.Count(first.first(widths), nearest);
      first.remove_prefix(widths);
    }
  }
  return true;
}

void VectorIndex::RunSample(const std::function<bool()>& go_on) {
  const std::optional<RecallSampler::Sample> sample = sampler_.Take();
  if (!sample.has_value()) return;
  const absl::Time start = absl::Now();
  int found = 0;
  int wanted = 0;
  const absl::Cleanup record = [&] {
    sampler_.Record(*sample, found, wanted, absl::Now() - start);
  };
  // Of the same moment both, so that what changed since it was asked counts for
  // neither; without its filter, for it is the graph that is measured.
  const auto scanned = ScanInParts(sample->query, sample->limit, go_on);
  if (!scanned.ok()) return;
  absl::ReaderMutexLock lock(&mutex_);
  if (!HasGraph()) return;
  TopRecords top(sample->limit);
  SearchCost cost;
  SearchLocked(sample->query, sample->limit, AnyRow,
               {.target_recall = sample->target_recall}, top, cost);
  const Entries entries = top.Sorted();
  const std::vector<float> nearest =
      NearestScores(sample->query, sample->limit, *scanned, {entries});
  wanted = static_cast<int>(nearest.size());
  found = CountFound(entries, nearest, sample->limit);
}

}  // namespace engram::search
