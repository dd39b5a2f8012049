// How a VectorIndex knows how much its searches find: measured over vectors of
// its own when its graph is built, and over live queries from then on.

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/time/clock.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

// Changes wait while so much is scanned, well under a millisecond.
constexpr int64_t kPartBytes = 2 << 20;

// So many of the nearest may be deleted while others are still scanned.
constexpr int kSpareRows = 16;

// At which widths walks are tried; they look for the nearest 10 and 100.
constexpr int kWidths[] = {8,   12,  16,  24,  32,  48,  64,   96,
                           128, 192, 256, 384, 512, 768, 1024, 1536};
constexpr int kFewNearest = 10;
constexpr int kManyNearest = 100;
// With so many queries; with fewer where scans for them would read more bytes.
constexpr int64_t kMostQueries = 128;
constexpr int64_t kFewestQueries = 32;
constexpr int64_t kCalibrationBytes = int64_t{64} << 30;
// Those that were made up count as so many that were asked.
constexpr int kMadeUpCountAs = 16;
// Of those that one might be made up from the next so many are looked at, too.
constexpr int64_t kTries = 16;

// From so many dimensions on codes of 4 bits are tried, of which a walk reads
// half as much. They are taken where walks of the same widths miss no more than
// this factor and share, which chance alone may make.
constexpr int kNarrowFromDimensions = 256;
constexpr double kMoreMissed = 1.1;
constexpr double kMissedByChance = 0.002;

using Entries = std::vector<TopRecords::Entry>;

// Rows are 0 or more.
constexpr int64_t kNoRow = -1;

// How many of what is nearest, whose scores these are, was found.
int CountFound(const Entries& found, absl::Span<const float> nearest) {
  const size_t count = std::min(found.size(), nearest.size());
  // By score: of equally near ones each is as good as the other.
  return static_cast<int>(std::count_if(
      found.begin(), found.begin() + static_cast<ptrdiff_t>(count),
      [&](const TopRecords::Entry& entry) {
        return entry.score >= nearest.back();
      }));
}

// Which share of the nearest `limit` walks miss, on average over all widths of
// as many and more; nothing where there is none.
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
// them: where a curve is flat, one more found is many candidates less.
bool FindsAsMuch(const RecallCurve& narrow, const RecallCurve& wide) {
  const auto holds = [&](float RecallPoint::*recall, int limit) {
    return MissedOf(narrow, recall, limit) <=
           kMoreMissed * MissedOf(wide, recall, limit) + kMissedByChance;
  };
  return holds(&RecallPoint::of_10, kFewNearest) &&
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
    absl::Span<const float> query, int limit, int64_t own,
    absl::Span<const NearRow> scanned) const {
  std::vector<float> nearest;
  for (const NearRow& near : scanned) {
    const int chunks = near.row == own ? 0 : records_.ChunksOf(near.row);
    if (chunks == 0) continue;
    float best = -std::numeric_limits<float>::infinity();
    for (int chunk = 0; chunk < chunks; ++chunk) {
      best =
          std::max(best, ScoreOf(query, *slots_.Find(KeyOf(near.row, chunk))));
    }
    nearest.push_back(best);
  }
  std::sort(nearest.rbegin(), nearest.rend());
  const bool has_own = own != kNoRow && records_.ChunksOf(own) > 0;
  const int64_t others = records_.size() - (has_own ? 1 : 0);
  const auto wanted =
      static_cast<size_t>(std::min(static_cast<int64_t>(limit), others));
  if (nearest.size() < wanted) return {};
  nearest.resize(wanted);
  return nearest;
}

struct VectorIndex::Probe {
  std::vector<float> query;
  // The record whose vector the query is, and its node. No walk is to see them.
  int64_t own = kNoRow;
  uint32_t node = hnsw::kNoNode;
};

struct VectorIndex::Measured {
  std::shared_ptr<GraphSegment> segment;
  RecallCurve curve;
};

VectorIndex::Probe VectorIndex::ProbeOf(int64_t number, int64_t of) const {
  absl::ReaderMutexLock lock(&mutex_);
  const GraphSegment& graph = *graphs_.segment(Tier::kLarge);
  const int64_t size = graphs_.size(Tier::kLarge);
  if (size == 0) return {};
  const int64_t first = number * size / of;
  for (int64_t slot = first; slot < std::min(first + kTries, size); ++slot) {
    const uint32_t node = graphs_.NodeOf(static_cast<uint32_t>(slot));
    if (!graph.CanHide(node)) continue;
    const auto values = ValuesOf(slot);
    return {.query = {values.begin(), values.end()},
            .own = keys_[slot] / kMaxChunks,
            .node = node};
  }
  // Where all are copies, a query may well be one more.
  const auto values = ValuesOf(first);
  return {.query = {values.begin(), values.end()},
          .own = keys_[first] / kMaxChunks};
}

void VectorIndex::Calibrate(const std::function<bool()>& go_on) {
  std::vector<Measured> segments(1);
  Precision precision = Precision::kAuto;
  int64_t queries = 0;
  {
    absl::ReaderMutexLock lock(&mutex_);
    precision = precision_;
    // One that is soon replaced is not worth it, and what it does not know
    // would be scanned for each query.
    if (graphs_.segment(Tier::kLarge) == nullptr || is_calibrated_ ||
        WantsLargeGraph()) {
      return;
    }
    const auto too_wide =
        std::upper_bound(std::begin(kWidths), std::end(kWidths), WidestWalk());
    if (too_wide == std::begin(kWidths)) return;
    segments[0] = {
        graphs_.segment(Tier::kLarge),
        RecallCurve(absl::MakeConstSpan(kWidths, too_wide - kWidths))};
    const int64_t bytes = BytesOf(vectors_.size());
    queries = std::clamp(kCalibrationBytes / std::max<int64_t>(bytes, 1),
                         kFewestQueries, kMostQueries);
  }
  if (precision == Precision::kAuto &&
      spec_.dimensions >= kNarrowFromDimensions &&
      segments[0].segment->code_bits() == 8) {
    segments.push_back({segments[0].segment->Narrow(), segments[0].curve});
  }
  // What was asked of the graph before says more than what is made up.
  const std::vector<std::vector<float>> asked = sampler_.queries();
  const int64_t made_up = queries - static_cast<int64_t>(asked.size());
  for (int64_t i = 0; i < queries; ++i) {
    const Probe probe =
        i < made_up ? ProbeOf(i, made_up)
                    : Probe{.query = asked[asked.size() - (queries - i)]};
    if (probe.query.empty()) return;
    const auto scanned = ScanInParts(probe.query, kManyNearest, go_on);
    if (!scanned.ok()) return;
    for (Measured& measured : segments) {
      // Changes wait for one of them at most.
      absl::ReaderMutexLock lock(&mutex_);
      Measure(probe, *scanned, measured);
      if (i + 1 == made_up) measured.curve.CountAs(kMadeUpCountAs);
    }
  }
  if (segments[0].curve.queries() == 0) return;
  Measured& better = segments.back();
  Measured& chosen =
      FindsAsMuch(better.curve, segments[0].curve) ? better : segments[0];
  absl::MutexLock save_lock(&save_mutex_);
  absl::MutexLock lock(&mutex_);
  // Something else is to be found out by now.
  if (precision_ != precision) return;
  // The other is freed behind the lock, with `segments`.
  graphs_.Replace(Tier::kLarge, chosen.segment);
  curve_ = chosen.curve;
  is_calibrated_ = true;
}

std::vector<TopRecords::Entry> VectorIndex::FindBy(
    const GraphSegment& segment, const Probe& probe, const Reach& reach,
    absl::Span<const TopRecords::Entry> unknown) const {
  TopRecords top(kManyNearest);
  SearchCost cost;
  for (const TopRecords::Entry& entry : unknown) {
    top.Offer(entry.score, entry.row, entry.chunk, entry.id);
  }
  WalkOnce(
      segment, probe.query, reach, probe.node,
      [&](int64_t row) { return row != probe.own; }, top, cost);
  return top.Sorted();
}

void VectorIndex::Measure(const Probe& probe, absl::Span<const NearRow> scanned,
                          Measured& measured) const {
  const std::vector<float> many =
      NearestScores(probe.query, kManyNearest, probe.own, scanned);
  if (many.empty()) return;
  const absl::Span<const float> few =
      absl::MakeConstSpan(many).subspan(0, kFewNearest);
  SearchCost cost;
  // The same for every walk.
  TopRecords unknown(kManyNearest);
  Scan(
      probe.query, graphs_.size(),
      [&](int64_t row) { return row != probe.own; }, unknown, cost);
  const Entries entries = unknown.Sorted();
  std::vector<RecallPoint> points = measured.curve.points();
  RecallPoint before;
  for (RecallPoint& point : points) {
    // Changes wait for this: a wide walk keeps the same for few and for many,
    // and is done once.
    Reach walked;
    Entries found;
    // What finds all is not tried wider, nor is it a loss to be so.
    const auto share = [&](absl::Span<const float> nearest, float narrower) {
      mutex_.AssertReaderHeld();
      if (narrower == 1) return narrower;
      const auto limit = static_cast<double>(nearest.size());
      const Reach reach = {point.width, KeptFor(point.width, limit)};
      if (reach.kept != walked.kept) {
        found = FindBy(*measured.segment, probe, reach, entries);
        walked = reach;
      }
      return std::max(narrower,
                      CountFound(found, nearest) / static_cast<float>(limit));
    };
    point.of_10 = share(few, before.of_10);
    point.of_100 = share(many, before.of_100);
    before = point;
  }
  measured.curve.Learn(points);
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
  const auto scanned =
      ScanInParts(sample->query, std::max(sample->limit, kManyNearest), go_on);
  if (!scanned.ok()) return;
  Measured sampled;
  {
    absl::ReaderMutexLock lock(&mutex_);
    if (!HasGraph()) return;
    TopRecords top(sample->limit);
    SearchCost cost;
    SearchLocked(sample->query, sample->limit, AnyRow,
                 {.target_recall = sample->target_recall}, top, cost);
    const std::vector<float> nearest =
        NearestScores(sample->query, sample->limit, kNoRow, *scanned);
    wanted = static_cast<int>(nearest.size());
    found = CountFound(top.Sorted(), nearest);
    if (!is_calibrated_) return;
    sampled = {graphs_.segment(Tier::kLarge), curve_};
    Measure({.query = sample->query}, *scanned, sampled);
  }
  absl::MutexLock save_lock(&save_mutex_);
  absl::MutexLock lock(&mutex_);
  if (is_calibrated_) curve_ = sampled.curve;
}

}  // namespace engram::search
