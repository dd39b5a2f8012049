// How a VectorIndex gets its graph, beside searches and changes.

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "libs/hnsw/code_range.h"
#include "libs/hnsw/huge_array.h"
#include "libs/status/status_macros.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

// Changes wait while so many vectors are encoded, a millisecond or less.
constexpr int64_t kEncodedAtOnce = 4096;

// The large graph pays again once a tenth is not in it, or a fifth of it is
// dead; the small one once a fifth of what is not in the large one is in
// neither: it is built four times over for what it takes, and no search scans
// more than that.
constexpr int64_t kSmallShare = 10;
constexpr int64_t kScannedShare = 4;
constexpr int64_t kDeadShare = 5;

// Of fewer a walk hardly takes less than a scan, even if a graph is asked for:
// half as many could not be walked at all, as the widest walk is for an eighth.
constexpr int64_t kFewestInGraph = 256;

}  // namespace

struct VectorIndex::Encoded {
  Precision precision = Precision::kAuto;
  std::vector<int64_t> keys;
  hnsw::CodeTable codes;
};

void VectorIndex::Optimize(int threads, const std::function<bool()>& go_on) {
  if (OutgrewGraphs()) DropGraphs();
  // Meanwhile what comes is not left to scans.
  BuildGraph(Tier::kLarge, threads, [&] {
    BuildGraph(Tier::kSmall, 1, go_on);
    return go_on();
  });
  BuildGraph(Tier::kSmall, threads, go_on);
  Calibrate(go_on);
  RunSample(go_on);
}

void VectorIndex::BuildGraph(Tier tier, int threads,
                             const std::function<bool()>& go_on) {
  if (!WantsGraph(tier)) return;
  const auto index = static_cast<int>(tier);
  {
    absl::MutexLock save_lock(&save_mutex_);
    absl::MutexLock lock(&mutex_);
    changed_[index].emplace();
  }
  const absl::Cleanup ends = [&] {
    absl::MutexLock save_lock(&save_mutex_);
    absl::MutexLock lock(&mutex_);
    changed_[index].reset();
  };
  absl::StatusOr<Encoded> encoded = Encode(tier, go_on);
  if (!encoded.ok()) return;
  auto graph = GraphSegment::Build(std::move(encoded->codes), threads, go_on);
  if (!graph.ok()) return;
  if (encoded->precision == Precision::kInt4) graph = (*graph)->Narrow();
  Install(tier, *std::move(graph), encoded->keys);
}

void VectorIndex::SetPrecision(Precision precision) {
  absl::MutexLock lock(&mutex_);
  if (precision == precision_) return;
  precision_ = precision;
  is_calibrated_ = false;
}

Precision VectorIndex::precision() const {
  absl::ReaderMutexLock lock(&mutex_);
  return precision_;
}

void VectorIndex::SetKind(IndexKind kind) {
  absl::MutexLock lock(&mutex_);
  kind_ = kind;
}

IndexKind VectorIndex::kind() const {
  absl::ReaderMutexLock lock(&mutex_);
  return kind_;
}

bool VectorIndex::HasPrecision() const {
  const int bits = graphs_.segment(Tier::kLarge)->code_bits();
  switch (precision_) {
    case Precision::kAuto:
      // That 4 bits find as much is known with the curve and not before: else
      // they were asked for.
      return bits == 8 || (bits == 4 && is_calibrated_);
    case Precision::kFloat32:
      return bits == 32;
    case Precision::kInt8:
      return bits == 8;
    case Precision::kInt4:
      return bits == 4;
  }
  return true;
}

bool VectorIndex::WantsGraph(Tier tier) const {
  // Not as one who might change something: searches would wait behind it for
  // whoever reads long, as Save does.
  absl::ReaderMutexLock lock(&mutex_);
  return tier == Tier::kLarge ? WantsLargeGraph() : WantsSmallGraph();
}

bool VectorIndex::WantsLargeGraph() const {
  if (IsScannedFast(vectors_.size())) return false;
  if (graphs_.segment(Tier::kLarge) != nullptr && !HasPrecision()) return true;
  const int64_t size = vectors_.size();
  const int64_t known = graphs_.size(Tier::kLarge);
  return (size - known) * kSmallShare > size ||
         graphs_.dead(Tier::kLarge) * kDeadShare > known;
}

bool VectorIndex::IsScannedFast(int64_t vectors) const {
  if (kind_ == IndexKind::kFlat) return true;
  if (kind_ == IndexKind::kHnsw && vectors >= kFewestInGraph) return false;
  return BytesOf(vectors) < policy_.min_bytes;
}

bool VectorIndex::OutgrewGraphs() const {
  absl::ReaderMutexLock lock(&mutex_);
  const GraphSegment* const large = graphs_.segment(Tier::kLarge).get();
  if (large == nullptr || !IsScannedFast(vectors_.size())) return false;
  return graphs_.dead(Tier::kLarge) * kDeadShare > graphs_.size(Tier::kLarge) ||
         !HasPrecision() ||
         // It would not be built today: for another kind it was.
         IsScannedFast(large->size());
}

void VectorIndex::DropGraphs() {
  // Freed behind the locks.
  std::shared_ptr<GraphSegment> before[2];
  absl::MutexLock save_lock(&save_mutex_);
  absl::MutexLock lock(&mutex_);
  for (const Tier tier : kTiers) {
    before[static_cast<int>(tier)] = graphs_.segment(tier);
  }
  graphs_.Reset(Tier::kSmall, nullptr);
  graphs_.Reset(Tier::kLarge, nullptr);
  is_calibrated_ = false;
}

bool VectorIndex::WantsSmallGraph() const {
  // Without a large one, that is what is wanted.
  if (graphs_.segment(Tier::kLarge) == nullptr) return false;
  const int64_t known = graphs_.size(Tier::kSmall);
  const int64_t scanned = vectors_.size() - graphs_.size();
  if (BytesOf(scanned) * 4 >= policy_.min_bytes &&
      scanned * kScannedShare > known) {
    return true;
  }
  return graphs_.dead(Tier::kSmall) * kDeadShare > known;
}

absl::StatusOr<VectorIndex::Encoded> VectorIndex::Encode(
    Tier tier, const std::function<bool()>& go_on) const {
  const int dimensions = spec_.dimensions;
  const hnsw::Metric metric = GraphMetric(spec_.metric);
  Precision precision = Precision::kAuto;
  int64_t begin = 0;
  int64_t size = 0;
  hnsw::CodeRange range = {.bits = 32};
  {
    absl::ReaderMutexLock lock(&mutex_);
    precision = precision_;
    if (tier == Tier::kSmall) begin = graphs_.size(Tier::kLarge);
    size = vectors_.size() - begin;
    if (precision != Precision::kFloat32) {
      range = ChooseCodeRange(vectors_.data() + begin * dimensions, size,
                              dimensions, metric);
    }
  }
  const int64_t row_bytes = range.RowBytes(dimensions);
  // Slots move meanwhile, but only to make room for what changed or in place of
  // it: what is read twice or never is in `changed_`, or scanned later on.
  hnsw::HugeArray<uint8_t> codes(size * row_bytes);
  std::vector<int64_t> keys;
  keys.reserve(size);
  while (static_cast<int64_t>(keys.size()) < size) {
    if (!go_on()) return absl::CancelledError("stopping");
    absl::ReaderMutexLock lock(&mutex_);
    const int64_t first = begin + static_cast<int64_t>(keys.size());
    const int64_t last =
        std::min({first + kEncodedAtOnce, begin + size, vectors_.size()});
    if (first >= last) break;
    for (int64_t slot = first; slot < last; ++slot) {
      EncodeRow(range, ValuesOf(slot),
                codes.data() + (slot - begin) * row_bytes);
    }
    keys.insert(keys.end(), keys_.begin() + first, keys_.begin() + last);
  }
  if (static_cast<int64_t>(keys.size()) < size) {
    hnsw::HugeArray<uint8_t> fewer(keys.size() * row_bytes);
    std::copy_n(codes.data(), fewer.size(), fewer.data());
    codes = std::move(fewer);
  }
  return Encoded{precision, std::move(keys),
                 hnsw::CodeTable(std::move(codes), dimensions, metric, range)};
}

void VectorIndex::Install(Tier tier, std::shared_ptr<GraphSegment> graph,
                          absl::Span<const int64_t> keys) {
  // What a slot is in, if it is in a graph.
  struct Place {
    Tier tier = Tier::kLarge;
    uint32_t node = hnsw::kNoNode;
    bool IsIn(Tier wanted) const {
      return node != hnsw::kNoNode && tier == wanted;
    }
  };
  // What it takes the place of is freed behind the lock.
  std::shared_ptr<GraphSegment> before, emptied;
  absl::MutexLock save_lock(&save_mutex_);
  absl::MutexLock lock(&mutex_);
  // None is to be had by now.
  if (kind_ == IndexKind::kFlat) return;
  // From where what it knows begins.
  const uint32_t begin = tier == Tier::kLarge ? 0 : graphs_.size(Tier::kLarge);
  std::vector<Place> places(keys_.size() - begin);
  const auto place_of = [&](uint32_t slot) -> Place& {
    return places[slot - begin];
  };
  for (uint32_t slot = begin; slot < graphs_.size(); ++slot) {
    if (graphs_.TierOf(slot) == tier) continue;
    place_of(slot) = {graphs_.TierOf(slot), graphs_.NodeOf(slot)};
  }
  const auto& changed = *changed_[static_cast<int>(tier)];
  for (uint32_t node = 0; node < keys.size(); ++node) {
    const int64_t key = keys[node];
    if (changed.contains(key)) continue;
    uint32_t slot = begin + node;
    // Nearly always it is there still.
    if (slot >= keys_.size() || keys_[slot] != key) {
      const std::optional<uint32_t> found = slots_.Find(key);
      if (!found.has_value()) continue;
      slot = *found;
    }
    if (!place_of(slot).IsIn(tier)) place_of(slot) = {tier, node};
  }
  before = graphs_.segment(tier);
  if (tier == Tier::kLarge) is_calibrated_ = false;
  graphs_.Reset(tier, std::move(graph));
  // What is in none goes to the back: as many vectors are moved as there were
  // changes, and not all behind the first of them.
  for (const Tier each : kTiers) {
    const auto in_graph =
        std::count_if(places.begin(), places.end(),
                      [&](const Place& place) { return place.IsIn(each); });
    const uint32_t end = graphs_.size() + static_cast<uint32_t>(in_graph);
    auto last = static_cast<uint32_t>(keys_.size());
    for (uint32_t slot = graphs_.size(); slot < end; ++slot) {
      if (!place_of(slot).IsIn(each)) {
        do {
          --last;
        } while (!place_of(last).IsIn(each));
        SwapSlots(slot, last);
        std::swap(place_of(slot), place_of(last));
      }
      graphs_.Append(each, place_of(slot).node);
    }
  }
  // A large graph has what the small one had: no search should walk that.
  if (graphs_.size(Tier::kSmall) == 0) {
    emptied = graphs_.segment(Tier::kSmall);
    graphs_.Reset(Tier::kSmall, nullptr);
  }
}

}  // namespace engram::search
