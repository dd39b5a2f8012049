#include "services/search/vector_index.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/hnsw/prefetch.h"
#include "libs/hnsw/rerank.h"
#include "libs/status/status_macros.h"
#include "libs/vector/checksum.h"
#include "libs/vector/kernels.h"

namespace engram::search {
namespace {

// Scores of a block stay in the first-level cache until they are looked at.
constexpr int64_t kBlockRows = 256;

// A walk goes from vector to vector in no order, which costs a scan's time for
// so many; and a very wide one would never pay.
constexpr int64_t kScanAdvantage = 8;
constexpr int64_t kMaxWidth = 8192;
constexpr int kMaxWalks = 3;

// Of certain rows, codes pay where so many times more are compared than kept;
// and where these are of too few records, so many times as many are.
constexpr int64_t kLeastLeftOut = 2;
constexpr int64_t kKeptMore = 8;

// How many vectors ahead are fetched: enough to hide that none is in a cache.
constexpr size_t kSlotsAhead = 16;

// What next to nothing passes is scanned.
constexpr double kLeastShare = 1e-6;

// For each candidate that a walk goes on from, it compares about so many codes.
constexpr int64_t kCodesACandidate = 16;

// What a walk takes, in nodes that it scores or keeps.
int64_t WorkOf(int64_t width, int64_t kept) {
  return width * kCodesACandidate + kept;
}

// Scores are kept so that larger is better.
float SignOf(Metric metric) { return metric == Metric::kL2 ? -1.0f : 1.0f; }

Precision PrecisionOf(int code_bits) {
  if (code_bits == 32) return Precision::kFloat32;
  return code_bits == 8 ? Precision::kInt8 : Precision::kInt4;
}

double ShareOf(const SearchEffort& effort) {
  return std::clamp(effort.share, kLeastShare, 1.0);
}

vector::ScoreRows ScorerOf(Metric metric) {
  const vector::Kernels& kernels = vector::BestKernels();
  return metric == Metric::kL2 ? kernels.l2_squared : kernels.dot;
}

}  // namespace

int64_t VectorIndex::KeptFor(int64_t width, double limit) {
  return std::max({width, int64_t{hnsw::kUsualRerank},
                   static_cast<int64_t>(std::ceil(2 * limit))});
}

VectorIndex::VectorIndex(IndexSpec spec, GraphPolicy policy)
    : spec_(std::move(spec)),
      policy_(policy),
      vectors_(spec_.dimensions),
      precision_(policy.precision),
      kind_(policy.kind),
      costs_(spec_.dimensions),
      sampler_(policy_.sampled_share) {}

void VectorIndex::Apply(absl::Span<const IndexChange> changes,
                        int64_t sequence) {
  absl::MutexLock lock(&mutex_);
  for (const IndexChange& change : changes) ApplyOne(change);
  sequence_ = sequence;
  ++applied_;
}

void VectorIndex::ApplyOne(const IndexChange& change) {
  switch (change.kind) {
    case IndexChange::Kind::kAwaitVectors:
      pending_.Await(change.row, change.sequence);
      return;
    case IndexChange::Kind::kPutVectors:
      pending_.Settle(change.row, change.sequence);
      if (!change.chunks.empty()) PutVectors(change);
      return;
    case IndexChange::Kind::kClearVectors:
      pending_.Settle(change.row, change.sequence);
      RemoveVectors(change.row);
      return;
    case IndexChange::Kind::kDeleteRecord:
      pending_.Settle(change.row, PendingRecords::kNone);
      RemoveVectors(change.row);
      return;
  }
}

void VectorIndex::PutVectors(const IndexChange& change) {
  const int before = records_.ChunksOf(change.row);
  const int now = static_cast<int>(change.chunks.size());
  for (int chunk = 0; chunk < now; ++chunk) {
    const int64_t key = KeyOf(change.row, chunk);
    const std::optional<uint32_t> found = slots_.Find(key);
    if (found.has_value()) {
      ReplaceVector(*found, change.chunks[chunk]);
    } else {
      slots_.Set(key, static_cast<uint32_t>(keys_.size()));
      vectors_.Append(change.chunks[chunk]);
      keys_.push_back(key);
    }
    NoteChange(key);
  }
  for (int chunk = now; chunk < before; ++chunk) {
    RemoveKey(KeyOf(change.row, chunk));
  }
  records_.Put(change.row, change.id, now);
  passages_.Put(change.row, change.passages);
}

void VectorIndex::RemoveVectors(int64_t row) {
  const int chunks = records_.ChunksOf(row);
  for (int chunk = 0; chunk < chunks; ++chunk) RemoveKey(KeyOf(row, chunk));
  records_.Erase(row);
  passages_.Erase(row);
}

void VectorIndex::ReplaceVector(uint32_t slot, absl::string_view packed) {
  const absl::string_view before(
      reinterpret_cast<const char*>(vectors_.data() +
                                    int64_t{slot} * spec_.dimensions),
      packed.size());
  // The feed may deliver twice; a graph need not lose its node for it.
  if (before == packed) return;
  vectors_.Replace(LeaveGraph(slot), packed);
}

uint32_t VectorIndex::LeaveGraph(uint32_t slot) {
  if (slot >= graphs_.size()) return slot;
  return graphs_.TakeOut(slot, [this](uint32_t one, uint32_t other) {
    mutex_.AssertHeld();
    SwapSlots(one, other);
  });
}

void VectorIndex::NoteChange(int64_t key) {
  for (auto& changed : changed_) {
    if (changed.has_value()) changed->insert(key);
  }
}

void VectorIndex::SwapSlots(uint32_t one, uint32_t other) {
  if (one == other) return;
  vectors_.Swap(one, other);
  std::swap(keys_[one], keys_[other]);
  slots_.Set(keys_[one], one);
  slots_.Set(keys_[other], other);
}

void VectorIndex::RemoveKey(int64_t key) {
  const uint32_t slot = LeaveGraph(*slots_.Find(key));
  slots_.Erase(key);
  NoteChange(key);
  vectors_.Remove(slot);
  if (slot + 1 != keys_.size()) {
    keys_[slot] = keys_.back();
    slots_.Set(keys_[slot], slot);
  }
  keys_.pop_back();
}

SearchResult VectorIndex::Search(absl::Span<const float> query, int limit,
                                 RowFilter filter,
                                 const SearchEffort& effort) const {
  if (limit <= 0) return SearchResult();
  const absl::Time start = absl::Now();
  TopRecords top(limit);
  SearchResult result;
  {
    absl::ReaderMutexLock lock(&mutex_);
    SearchCost cost;
    SearchLocked(query, limit, filter, effort, top, cost);
    result = Collect(top, cost);
    // Also where it scanned: else nothing would say that walks are enough.
    if (!effort.is_live || !HasGraph()) {
      return result;
    }
  }
  const absl::Time now = absl::Now();
  sampler_.Offer(query, limit, effort.target_recall, now - start, now);
  return result;
}

SearchResult VectorIndex::SearchAll(absl::Span<const float> query, int limit,
                                    RowFilter filter) const {
  if (limit <= 0) return SearchResult();
  TopRecords top(limit);
  absl::ReaderMutexLock lock(&mutex_);
  SearchCost cost;
  Scan(query, 0, filter, top, cost);
  return Collect(top, cost);
}

void VectorIndex::SearchLocked(absl::Span<const float> query, int limit,
                               RowFilter filter, const SearchEffort& effort,
                               TopRecords& top, SearchCost& cost) const {
  const bool walked = Walk(query, limit, filter, effort, top, cost);
  if (!walked) cost.width = 0;
  Scan(query, walked ? graphs_.size() : 0, filter, top, cost);
}

void VectorIndex::Scan(absl::Span<const float> query, int64_t first,
                       RowFilter filter, TopRecords& top,
                       SearchCost& cost) const {
  const absl::Time start = absl::Now();
  std::array<float, kBlockRows> scores;
  const int64_t size = vectors_.size();
  const int64_t scanned = size - first;
  for (; first < size; first += kBlockRows) {
    const int64_t count = std::min(kBlockRows, size - first);
    ScoreSlots(query, first, absl::MakeSpan(scores.data(), count));
    for (int64_t i = 0; i < count; ++i) {
      Offer(first + i, scores[i], filter, top);
    }
  }
  cost.distances += scanned;
  costs_.scanned.Learn(scanned, absl::Now() - start);
}

VectorIndex::Reach VectorIndex::ReachFor(double target_recall,
                                         double limit) const {
  const int64_t width = curve_.WidthFor(target_recall, limit);
  return {.width = width, .kept = KeptFor(width, limit)};
}

int64_t VectorIndex::WidestWalk() const {
  if (!HasGraph()) return 0;
  return std::min<int64_t>(kMaxWidth, graphs_.size() / kScanAdvantage);
}

bool VectorIndex::Walk(absl::Span<const float> query, int limit,
                       RowFilter filter, const SearchEffort& effort,
                       TopRecords& top, SearchCost& cost) const {
  // The nearest of a tenth of all are among ten times as many of all.
  const double share = ShareOf(effort);
  Reach reach = ReachFor(effort.target_recall, limit / share);
  const int64_t widest = WidestWalk();
  for (int walks = 0; walks < kMaxWalks; ++walks) {
    if (reach.width > widest) return false;
    const double passed = WalkOnce(*graphs_.segment(Tier::kLarge), query, reach,
                                   hnsw::kNoNode, filter, top, cost);
    const bool are_enough = static_cast<int>(top.size()) == limit;
    if (are_enough && passed >= share) return true;
    // Around the query it is another share than on the whole.
    const Reach needed =
        ReachFor(effort.target_recall, limit / std::max(passed, kLeastShare));
    // The share varies: what is nearly far enough is.
    if (are_enough && reach.width * 4 >= needed.width * 3 &&
        reach.kept * 4 >= needed.kept * 3) {
      return true;
    }
    reach = {.width = std::max(needed.width, 2 * reach.width),
             .kept = std::max(needed.kept, 2 * reach.kept)};
  }
  return false;
}

double VectorIndex::WalkOnce(const GraphSegment& large,
                             absl::Span<const float> query, const Reach& reach,
                             uint32_t hidden, RowFilter filter, TopRecords& top,
                             SearchCost& cost) const {
  const absl::Time start = absl::Now();
  int64_t found = 0;
  int64_t passed = 0;
  std::vector<uint32_t> unscored;
  for (const Tier tier : kTiers) {
    const GraphSegment* const graph =
        tier == Tier::kLarge ? &large : graphs_.segment(tier).get();
    if (graph == nullptr) continue;
    const hnsw::GraphSearchResult walk = graph->Find(
        query, {.limit = static_cast<int>(reach.kept),
                .width = static_cast<int>(reach.width),
                .hidden = tier == Tier::kLarge ? hidden : hnsw::kNoNode});
    for (const hnsw::FoundNode& node : walk.nodes) {
      const uint32_t slot = graphs_.SlotOf(tier, node.node);
      if (slot == SlotGraphs::kNoSlot || !filter(keys_[slot] / kMaxChunks)) {
        continue;
      }
      ++passed;
      // A node's vector is the slot's, so its exact score is, too.
      if (graph->is_exact()) {
        Offer(slot, SignOf(spec_.metric) * node.score, AnyRow, top);
      } else {
        unscored.push_back(slot);
      }
    }
    found += static_cast<int64_t>(walk.nodes.size());
    cost.distances += walk.distances;
  }
  OfferSlots(query, unscored, AnyRow, top);
  cost.width = static_cast<int>(reach.width);
  cost.distances += static_cast<int64_t>(unscored.size());
  costs_.walked.Learn(WorkOf(reach.width, reach.kept), absl::Now() - start);
  return found == 0 ? 0
                    : static_cast<double>(passed) / static_cast<double>(found);
}

void VectorIndex::ScoreSlots(absl::Span<const float> query, int64_t first,
                             absl::Span<float> scores) const {
  ScorerOf(spec_.metric)(
      query.data(), vectors_.data() + first * spec_.dimensions,
      static_cast<int64_t>(scores.size()), spec_.dimensions, scores.data());
  if (spec_.metric != Metric::kL2) return;
  for (float& score : scores) score = -score;
}

float VectorIndex::ScoreOf(absl::Span<const float> query, int64_t slot) const {
  float score = 0;
  ScoreSlots(query, slot, absl::MakeSpan(&score, 1));
  return score;
}

void VectorIndex::Offer(int64_t slot, float score, RowFilter filter,
                        TopRecords& top) const {
  if (score < top.threshold()) return;
  const int64_t row = keys_[slot] / kMaxChunks;
  if (!filter(row)) return;
  const int chunk = static_cast<int>(keys_[slot] % kMaxChunks);
  top.Offer(score, row, chunk, records_.IdOf(row));
}

void VectorIndex::OfferSlots(absl::Span<const float> query,
                             absl::Span<const uint32_t> slots, RowFilter filter,
                             TopRecords& top) const {
  const int64_t* const keys = keys_.data();
  const float* const vectors = vectors_.data();
  const auto prefetch = [&](size_t i) {
    if (i >= slots.size()) return;
    hnsw::Prefetch(keys + slots[i], sizeof(int64_t));
    hnsw::Prefetch(vectors + slots[i] * query.size(),
                   query.size() * sizeof(float));
  };
  for (size_t i = 0; i < kSlotsAhead; ++i) prefetch(i);
  for (size_t i = 0; i < slots.size(); ++i) {
    prefetch(i + kSlotsAhead);
    Offer(slots[i], ScoreOf(query, slots[i]), filter, top);
  }
}

SearchResult VectorIndex::SearchRows(absl::Span<const float> query, int limit,
                                     const RowSet& rows, RowFilter filter,
                                     const SearchEffort& effort) const {
  if (limit <= 0) return SearchResult();
  SearchCost cost;
  absl::ReaderMutexLock lock(&mutex_);
  const absl::Time start = absl::Now();
  const SlotTable::Slots slots = slots_.SlotsOf(rows);
  if (LooksUpCodes(effort)) {
    // They may be chunks of few records, or none that pass.
    for (int64_t kept = KeptFor(0, limit);
         slots.HasMoreThan(kept * kLeastLeftOut); kept *= kKeptMore) {
      TopRecords top(limit);
      const int64_t count = OfferBestCodes(query, slots, static_cast<int>(kept),
                                           filter, top, cost);
      if (static_cast<int>(top.size()) == limit) {
        costs_.code_looked_up.Learn(count, absl::Now() - start);
        return Collect(top, cost);
      }
    }
  }
  TopRecords top(limit);
  int64_t count = 0;
  slots.ForEachBlock([&](absl::Span<const uint32_t> block, uint32_t /*end*/) {
    mutex_.AssertReaderHeld();
    OfferSlots(query, block, filter, top);
    count += static_cast<int64_t>(block.size());
  });
  cost.distances += count;
  costs_.looked_up.Learn(count, absl::Now() - start);
  return Collect(top, cost);
}

int64_t VectorIndex::OfferBestCodes(absl::Span<const float> query,
                                    const SlotTable::Slots& slots, int kept,
                                    RowFilter filter, TopRecords& top,
                                    SearchCost& cost) const {
  std::vector<std::pair<Tier, hnsw::NodeScan>> scans;
  for (const Tier tier : kTiers) {
    if (graphs_.size(tier) == 0) continue;
    scans.emplace_back(
        tier, graphs_.segment(tier)->Scan(query, kept, slots.EstimatedSize()));
  }
  std::vector<uint32_t> best;
  int64_t count = 0;
  std::array<uint32_t, SlotTable::Slots::kMaxBlock> room;
  slots.ForEachBlock([&](absl::Span<const uint32_t> block, uint32_t end) {
    mutex_.AssertReaderHeld();
    count += static_cast<int64_t>(block.size());
    for (auto& [tier, scan] : scans) {
      scan.Add(graphs_.NodesOf(tier, block, end, absl::MakeSpan(room)));
    }
    if (graphs_.size() == keys_.size()) return;
    // Those that no graph knows are compared with as they are.
    std::copy_if(
        block.begin(), block.end(), std::back_inserter(best),
        [known = graphs_.size()](uint32_t slot) { return slot >= known; });
  });
  for (const auto& [tier, scan] : scans) {
    const hnsw::GraphSearchResult result = scan.Result();
    for (const hnsw::FoundNode& found : result.nodes) {
      best.push_back(graphs_.SlotOf(tier, found.node));
    }
    cost.distances += result.distances;
  }
  OfferSlots(query, best, filter, top);
  cost.distances += static_cast<int64_t>(best.size());
  return count;
}

std::optional<int64_t> VectorIndex::VisitVectors(
    absl::string_view id,
    absl::FunctionRef<void(absl::Span<const float>)> visit) const {
  absl::ReaderMutexLock lock(&mutex_);
  const std::optional<int64_t> row = records_.RowOf(id);
  if (!row.has_value()) return std::nullopt;
  const int chunks = records_.ChunksOf(*row);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    visit(ValuesOf(*slots_.Find(KeyOf(*row, chunk))));
  }
  return row;
}

std::vector<float> VectorIndex::VectorOf(int64_t row, int chunk) const {
  absl::ReaderMutexLock lock(&mutex_);
  const std::optional<uint32_t> slot = slots_.Find(KeyOf(row, chunk));
  if (!slot.has_value()) return {};
  const absl::Span<const float> values = ValuesOf(*slot);
  return {values.begin(), values.end()};
}

absl::Span<const float> VectorIndex::ValuesOf(int64_t slot) const {
  return absl::MakeConstSpan(vectors_.data() + slot * spec_.dimensions,
                             spec_.dimensions);
}

bool VectorIndex::PrefersRows(int64_t rows, int limit,
                              const SearchEffort& effort) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto vectors = static_cast<double>(vectors_.size());
  const double chunks =
      vectors / static_cast<double>(std::max<int64_t>(records_.size(), 1));
  const LearnedCost& cost =
      LooksUpCodes(effort) ? costs_.code_looked_up : costs_.looked_up;
  const double looked_up =
      static_cast<double>(rows) * chunks * cost.nanoseconds();
  const Reach reach = ReachFor(effort.target_recall, limit / ShareOf(effort));
  const double all = vectors * costs_.scanned.nanoseconds();
  if (reach.width > WidestWalk()) return looked_up <= all;
  const double unknown_to_graph =
      (vectors - graphs_.size()) * costs_.scanned.nanoseconds();
  return looked_up <= unknown_to_graph +
                          static_cast<double>(WorkOf(reach.width, reach.kept)) *
                              costs_.walked.nanoseconds();
}

SearchResult VectorIndex::Collect(const TopRecords& top,
                                  const SearchCost& cost) const {
  const float sign = SignOf(spec_.metric);
  SearchResult result;
  result.candidates.reserve(top.size());
  for (const TopRecords::Entry& entry : top.Sorted()) {
    result.candidates.push_back(
        {.row = entry.row,
         .id = std::string(entry.id),
         .score = sign * entry.score,
         .chunk = entry.chunk,
         .passage = passages_.Find(entry.row, entry.chunk)});
  }
  result.sequence = sequence_;
  result.cost = cost;
  return result;
}

int64_t VectorIndex::SearchBytes(int limit, const SearchEffort& effort) const {
  absl::ReaderMutexLock lock(&mutex_);
  const Reach reach = ReachFor(effort.target_recall, limit / ShareOf(effort));
  if (reach.width > WidestWalk()) return BytesOf(vectors_.size());
  const int64_t code_bits = graphs_.segment(Tier::kLarge)->code_bits();
  return BytesOf(vectors_.size() - graphs_.size() + reach.kept) +
         reach.width * kCodesACandidate * spec_.dimensions * code_bits / 8;
}

IndexStats VectorIndex::Stats() const {
  absl::ReaderMutexLock lock(&mutex_);
  IndexStats stats;
  stats.records = records_.size();
  stats.vectors = vectors_.size();
  if (HasGraph()) {
    stats.kind = IndexKind::kHnsw;
    stats.graph_vectors = graphs_.size();
    stats.precision = PrecisionOf(graphs_.segment(Tier::kLarge)->code_bits());
  }
  stats.pending = pending_.size();
  stats.sequence = sequence_;
  stats.findable_sequence = std::min(sequence_, pending_.oldest() - 1);
  stats.memory.vectors = static_cast<int64_t>(vectors_.bytes().memory_bytes());
  stats.memory.mapped = static_cast<int64_t>(vectors_.bytes().mapped_bytes() +
                                             records_.ids().mapped_bytes());
  stats.memory.codes = graphs_.code_bytes();
  stats.memory.graph = graphs_.memory_bytes() - stats.memory.codes;
  stats.memory.records =
      static_cast<int64_t>(keys_.capacity() * sizeof(int64_t)) +
      slots_.memory_bytes() + records_.memory_bytes() + pending_.memory_bytes();
  stats.memory.passages = passages_.memory_bytes();
  return stats;
}

IndexRecall VectorIndex::Recall() const {
  const RecallSampler::Measured measured = sampler_.measured();
  IndexRecall recall{.recall = measured.recall,
                     .samples = measured.samples,
                     .all_samples = measured.all_samples};
  absl::ReaderMutexLock lock(&mutex_);
  if (!HasGraph()) return recall;
  recall.is_exact = false;
  recall.calibration = curve_.points();
  recall.width = static_cast<int>(ReachFor(kDefaultTargetRecall, 10).width);
  return recall;
}

std::vector<int64_t> VectorIndex::Rows() const {
  std::vector<int64_t> rows;
  absl::ReaderMutexLock lock(&mutex_);
  rows.reserve(records_.size());
  records_.ForEach(
      [&](int64_t row, absl::string_view, int) { rows.push_back(row); });
  return rows;
}

std::optional<RecordVectors> VectorIndex::GetVectors(int64_t row) const {
  absl::ReaderMutexLock lock(&mutex_);
  const int chunks = records_.ChunksOf(row);
  if (chunks == 0) return std::nullopt;
  RecordVectors vectors{.id = std::string(records_.IdOf(row))};
  vectors.values.reserve(chunks * spec_.dimensions);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    const absl::Span<const float> values =
        ValuesOf(*slots_.Find(KeyOf(row, chunk)));
    vectors.values.insert(vectors.values.end(), values.begin(), values.end());
  }
  return vectors;
}

FrozenIndex VectorIndex::Freeze() const {
  FrozenIndex frozen;
  absl::ReaderMutexLock lock(&mutex_);
  frozen.sequence = sequence_;
  frozen.vectors.reserve(keys_.size());
  for (size_t slot = 0; slot < keys_.size(); ++slot) {
    const int64_t row = keys_[slot] / kMaxChunks;
    const absl::Span<const float> values(
        vectors_.data() + slot * spec_.dimensions, spec_.dimensions);
    const int chunk = static_cast<int>(keys_[slot] % kMaxChunks);
    frozen.vectors.push_back({.row = row,
                              .chunk = chunk,
                              .checksum = vector::VectorChecksum(values),
                              .id = std::string(records_.IdOf(row)),
                              .passage = passages_.Find(row, chunk)});
  }
  return frozen;
}

}  // namespace engram::search
