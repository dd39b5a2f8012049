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

// A graph pays again once a tenth is not in it, or a fifth of it is dead.
constexpr int64_t kScannedShare = 10;
constexpr int64_t kDeadShare = 5;

}  // namespace

struct VectorIndex::Encoded {
  std::vector<int64_t> keys;
  hnsw::CodeTable codes;
};

void VectorIndex::Optimize(const std::function<bool()>& go_on) {
  BuildGraph(go_on);
  Calibrate(go_on);
  RunSample(go_on);
}

void VectorIndex::BuildGraph(const std::function<bool()>& go_on) {
  {
    // Not as one who might change something: searches would wait behind it for
    // whoever reads long, as Save does.
    absl::ReaderMutexLock lock(&mutex_);
    if (!WantsGraph()) return;
  }
  {
    absl::MutexLock save_lock(&save_mutex_);
    absl::MutexLock lock(&mutex_);
    changed_.emplace();
  }
  const absl::Cleanup ends = [this] {
    absl::MutexLock save_lock(&save_mutex_);
    absl::MutexLock lock(&mutex_);
    changed_.reset();
  };
  absl::StatusOr<Encoded> encoded = Encode(go_on);
  if (!encoded.ok()) return;
  auto graph =
      GraphSegment::Build(std::move(encoded->codes), policy_.threads, go_on);
  if (!graph.ok()) return;
  Install(*std::move(graph), encoded->keys);
}

bool VectorIndex::WantsGraph() const {
  const int64_t size = vectors_.size();
  const auto vector_bytes =
      static_cast<int64_t>(spec_.dimensions * sizeof(float));
  if (size * vector_bytes < policy_.min_bytes) return false;
  return (size - graph_.size()) * kScannedShare > size ||
         graph_.dead() * kDeadShare > graph_.size();
}

absl::StatusOr<VectorIndex::Encoded> VectorIndex::Encode(
    const std::function<bool()>& go_on) const {
  const int dimensions = spec_.dimensions;
  const hnsw::Metric metric = GraphMetric(spec_.metric);
  int64_t size = 0;
  hnsw::CodeRange range;
  {
    absl::ReaderMutexLock lock(&mutex_);
    size = vectors_.size();
    range = ChooseCodeRange(vectors_.data(), size, dimensions, metric);
  }
  // Slots move meanwhile, but only to make room for what changed or in place of
  // it: what is read twice or never is in `changed_`, or scanned later on.
  hnsw::HugeArray<uint8_t> codes(size * dimensions);
  std::vector<int64_t> keys;
  keys.reserve(size);
  while (static_cast<int64_t>(keys.size()) < size) {
    if (!go_on()) return absl::CancelledError("stopping");
    absl::ReaderMutexLock lock(&mutex_);
    const auto first = static_cast<int64_t>(keys.size());
    const int64_t last =
        std::min({first + kEncodedAtOnce, size, vectors_.size()});
    if (first >= last) break;
    for (int64_t slot = first; slot < last; ++slot) {
      EncodeRow(
          range,
          absl::MakeConstSpan(vectors_.data() + slot * dimensions, dimensions),
          codes.data() + slot * dimensions);
    }
    keys.insert(keys.end(), keys_.begin() + first, keys_.begin() + last);
  }
  if (static_cast<int64_t>(keys.size()) < size) {
    hnsw::HugeArray<uint8_t> fewer(keys.size() * dimensions);
    std::copy_n(codes.data(), fewer.size(), fewer.data());
    codes = std::move(fewer);
  }
  return Encoded{std::move(keys),
                 hnsw::CodeTable(std::move(codes), dimensions, metric, range)};
}

void VectorIndex::Install(std::shared_ptr<GraphSegment> graph,
                          absl::Span<const int64_t> keys) {
  // What it takes the place of is freed behind the lock.
  std::shared_ptr<GraphSegment> before;
  absl::MutexLock save_lock(&save_mutex_);
  absl::MutexLock lock(&mutex_);
  before = graph_.segment();
  graph_.Reset(std::move(graph));
  is_calibrated_ = false;
  // The node of each slot whose vector the graph knows.
  std::vector<uint32_t> nodes(keys_.size(), hnsw::kNoNode);
  uint32_t known = 0;
  for (uint32_t node = 0; node < keys.size(); ++node) {
    const int64_t key = keys[node];
    if (changed_->contains(key)) continue;
    uint32_t slot = node;
    // Nearly always it is there still.
    if (slot >= keys_.size() || keys_[slot] != key) {
      const std::optional<uint32_t> found = slots_.Find(key);
      if (!found.has_value()) continue;
      slot = *found;
    }
    if (nodes[slot] != hnsw::kNoNode) continue;
    nodes[slot] = node;
    ++known;
  }
  // What it does not know goes to the back: as many vectors are moved as there
  // were changes, and not all behind the first of them.
  auto last = static_cast<uint32_t>(keys_.size());
  for (uint32_t slot = 0; slot < known; ++slot) {
    if (nodes[slot] == hnsw::kNoNode) {
      do {
        --last;
      } while (nodes[last] == hnsw::kNoNode);
      SwapSlots(slot, last);
      std::swap(nodes[slot], nodes[last]);
    }
    graph_.Append(nodes[slot]);
  }
}

}  // namespace engram::search
