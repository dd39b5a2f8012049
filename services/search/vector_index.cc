#include "services/search/vector_index.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "libs/vector/checksum.h"
#include "libs/vector/kernels.h"
#include "services/search/bytes.h"
#include "services/search/durable_file.h"

namespace engram::search {
namespace {

// Scores of a block stay in the first-level cache until they are looked at.
constexpr int64_t kBlockRows = 256;

// A walk goes from vector to vector in no order, which costs a scan's time for
// so many; and a very wide one would never pay.
constexpr int64_t kScanAdvantage = 8;
constexpr int64_t kMaxWidth = 8192;
constexpr int kMaxWalks = 3;

// Stored: the layout of the keys file, see EncodeKeys. Another layout is
// another word.
constexpr absl::string_view kKeysMagic = "engrkey2";

// What the keys file has at least of a record.
constexpr uint64_t kMinRecordBytes =
    sizeof(int64_t) + sizeof(uint16_t) + sizeof(uint16_t);

std::string VectorsPath(const std::string& stem) {
  return absl::StrCat(stem, ".faiss");
}
std::string KeysPath(const std::string& stem) {
  return absl::StrCat(stem, ".keys");
}

int64_t KeyOf(int64_t row, int chunk) { return row * kMaxChunks + chunk; }

// Scores are kept so that larger is better.
float SignOf(Metric metric) { return metric == Metric::kL2 ? -1.0f : 1.0f; }

vector::ScoreRows ScorerOf(Metric metric) {
  const vector::Kernels& kernels = vector::BestKernels();
  return metric == Metric::kL2 ? kernels.l2_squared : kernels.dot;
}

}  // namespace

VectorIndex::VectorIndex(IndexSpec spec, GraphPolicy policy)
    : spec_(std::move(spec)),
      policy_(policy),
      vectors_(spec_.dimensions, spec_.metric) {}

void VectorIndex::Apply(absl::Span<const IndexChange> changes,
                        int64_t sequence) {
  absl::MutexLock lock(&mutex_);
  for (const IndexChange& change : changes) ApplyOne(change);
  sequence_ = sequence;
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
    const auto [found, added] =
        slots_.try_emplace(key, static_cast<uint32_t>(keys_.size()));
    if (added) {
      vectors_.Append(change.chunks[chunk]);
      keys_.push_back(key);
    } else {
      ReplaceVector(found->second, change.chunks[chunk]);
    }
    if (changed_.has_value()) changed_->insert(key);
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
  if (slot >= graph_.size()) return slot;
  const uint32_t last = graph_.TakeOut(slot);
  SwapSlots(slot, last);
  return last;
}

void VectorIndex::SwapSlots(uint32_t one, uint32_t other) {
  if (one == other) return;
  vectors_.Swap(one, other);
  std::swap(keys_[one], keys_[other]);
  slots_[keys_[one]] = one;
  slots_[keys_[other]] = other;
}

void VectorIndex::RemoveKey(int64_t key) {
  const uint32_t slot = LeaveGraph(slots_.at(key));
  slots_.erase(key);
  if (changed_.has_value()) changed_->insert(key);
  vectors_.Remove(slot);
  if (slot + 1 != keys_.size()) {
    keys_[slot] = keys_.back();
    slots_[keys_[slot]] = slot;
  }
  keys_.pop_back();
}

SearchResult VectorIndex::Search(absl::Span<const float> query, int limit,
                                 RowFilter filter) const {
  return SearchWide(query, std::nullopt, limit, filter);
}

SearchResult VectorIndex::SearchAll(absl::Span<const float> query, int limit,
                                    RowFilter filter) const {
  return SearchWide(query, 0, limit, filter);
}

SearchResult VectorIndex::SearchWide(absl::Span<const float> query,
                                     std::optional<int> width, int limit,
                                     RowFilter filter) const {
  if (limit <= 0) return SearchResult();
  TopRecords top(limit);
  absl::ReaderMutexLock lock(&mutex_);
  const GraphSegment* const graph = graph_.segment().get();
  const int wide = graph == nullptr ? 0 : width.value_or(graph->width());
  SearchCost cost;
  const bool walked = wide > 0 && Walk(query, wide, limit, filter, top, cost);
  if (!walked) cost.width = 0;
  const int64_t first = walked ? graph_.size() : 0;
  Scan(query, first, filter, top);
  cost.distances += vectors_.size() - first;
  SearchResult result = Collect(top);
  result.cost = cost;
  return result;
}

void VectorIndex::Scan(absl::Span<const float> query, int64_t first,
                       RowFilter filter, TopRecords& top) const {
  const vector::ScoreRows score_rows = ScorerOf(spec_.metric);
  const float sign = SignOf(spec_.metric);
  std::array<float, kBlockRows> scores;
  const int64_t size = vectors_.size();
  for (; first < size; first += kBlockRows) {
    const int64_t count = std::min(kBlockRows, size - first);
    score_rows(query.data(), vectors_.data() + first * spec_.dimensions, count,
               spec_.dimensions, scores.data());
    for (int64_t i = 0; i < count; ++i) {
      const float score = sign * scores[i];
      if (score < top.threshold()) continue;
      const int64_t row = keys_[first + i] / kMaxChunks;
      if (!filter(row)) continue;
      const int chunk = static_cast<int>(keys_[first + i] % kMaxChunks);
      top.Offer(score, row, chunk, records_.IdOf(row));
    }
  }
}

bool VectorIndex::Walk(absl::Span<const float> query, int width, int limit,
                       RowFilter filter, TopRecords& top,
                       SearchCost& cost) const {
  const GraphSegment& graph = *graph_.segment();
  const int wanted = std::max(width, 2 * limit);
  const int64_t widest =
      std::min<int64_t>(kMaxWidth, graph.size() / kScanAdvantage);
  int64_t wide = wanted;
  for (int walks = 0; walks < kMaxWalks; ++walks) {
    if (wide > widest) return false;
    const hnsw::GraphSearchResult walk =
        graph.Find(query, static_cast<int>(wide));
    const std::vector<hnsw::FoundNode>& nodes = walk.nodes;
    cost.width = static_cast<int>(wide);
    cost.distances += walk.distances;
    int64_t passed = 0;
    for (const hnsw::FoundNode& found : nodes) {
      const uint32_t slot = graph_.SlotOf(found.node);
      if (slot == SlotGraph::kNoSlot || !filter(keys_[slot] / kMaxChunks)) {
        continue;
      }
      ++passed;
      OfferSlot(query, slot, top);
    }
    cost.distances += passed;
    const bool are_enough = top.size() == limit && passed * 4 >= wanted * 3;
    if (are_enough) return true;
    // As wide as it takes at the share that passed, and a little more.
    wide = static_cast<int64_t>(nodes.size()) * (wanted + wanted / 4) /
           std::max<int64_t>(passed, 1);
  }
  return false;
}

void VectorIndex::OfferSlot(absl::Span<const float> query, int64_t slot,
                            TopRecords& top) const {
  float score = 0;
  ScorerOf(spec_.metric)(query.data(),
                         vectors_.data() + slot * spec_.dimensions, 1,
                         spec_.dimensions, &score);
  score *= SignOf(spec_.metric);
  if (score < top.threshold()) return;
  const int64_t row = keys_[slot] / kMaxChunks;
  const int chunk = static_cast<int>(keys_[slot] % kMaxChunks);
  top.Offer(score, row, chunk, records_.IdOf(row));
}

SearchResult VectorIndex::SearchRows(absl::Span<const float> query, int limit,
                                     absl::Span<const int64_t> rows,
                                     RowFilter filter) const {
  if (limit <= 0) return SearchResult();
  TopRecords top(limit);
  SearchCost cost;
  absl::ReaderMutexLock lock(&mutex_);
  for (const int64_t row : rows) {
    const int chunks = records_.ChunksOf(row);
    if (chunks == 0 || !filter(row)) continue;
    cost.distances += chunks;
    for (int chunk = 0; chunk < chunks; ++chunk) {
      OfferSlot(query, slots_.at(KeyOf(row, chunk)), top);
    }
  }
  SearchResult result = Collect(top);
  result.cost = cost;
  return result;
}

std::optional<int64_t> VectorIndex::VisitVectors(
    absl::string_view id,
    absl::FunctionRef<void(absl::Span<const float>)> visit) const {
  absl::ReaderMutexLock lock(&mutex_);
  const std::optional<int64_t> row = records_.RowOf(id);
  if (!row.has_value()) return std::nullopt;
  const int chunks = records_.ChunksOf(*row);
  for (int chunk = 0; chunk < chunks; ++chunk) {
    visit(ValuesOf(slots_.at(KeyOf(*row, chunk))));
  }
  return row;
}

std::vector<float> VectorIndex::VectorOf(int64_t row, int chunk) const {
  absl::ReaderMutexLock lock(&mutex_);
  const auto slot = slots_.find(KeyOf(row, chunk));
  if (slot == slots_.end()) return {};
  const absl::Span<const float> values = ValuesOf(slot->second);
  return {values.begin(), values.end()};
}

absl::Span<const float> VectorIndex::ValuesOf(int64_t slot) const {
  return absl::MakeConstSpan(vectors_.data() + slot * spec_.dimensions,
                             spec_.dimensions);
}

SearchResult VectorIndex::Collect(const TopRecords& top) const {
  const float sign = SignOf(spec_.metric);
  SearchResult result;
  for (const TopRecords::Entry& entry : top.Sorted()) {
    result.candidates.push_back(
        {.id = std::string(entry.id),
         .row = entry.row,
         .score = sign * entry.score,
         .chunk = entry.chunk,
         .passage = passages_.Find(entry.row, entry.chunk)});
  }
  result.sequence = sequence_;
  return result;
}

int64_t VectorIndex::SearchBytes() const {
  absl::ReaderMutexLock lock(&mutex_);
  const int64_t walked =
      graph_.segment() == nullptr ? 0 : graph_.segment()->width();
  return (vectors_.size() - graph_.size() + walked) * spec_.dimensions *
         static_cast<int64_t>(sizeof(float));
}

IndexStats VectorIndex::Stats() const {
  // One control byte a place beside the entry itself.
  constexpr size_t kSlotBytes = sizeof(std::pair<const int64_t, uint32_t>) + 1;
  absl::ReaderMutexLock lock(&mutex_);
  IndexStats stats;
  stats.records = records_.size();
  stats.vectors = vectors_.size();
  stats.graph_vectors = graph_.size();
  stats.pending = pending_.size();
  stats.sequence = sequence_;
  stats.findable_sequence = std::min(sequence_, pending_.oldest() - 1);
  stats.memory_bytes = static_cast<int64_t>(
      vectors_.memory_bytes() + keys_.capacity() * sizeof(int64_t) +
      slots_.capacity() * kSlotBytes + graph_.memory_bytes() +
      records_.memory_bytes() + passages_.memory_bytes() +
      pending_.memory_bytes());
  return stats;
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

absl::StatusOr<std::vector<std::string>> VectorIndex::Save(
    const std::string& path_stem) const {
  const std::string keys_path = KeysPath(path_stem);
  absl::ReaderMutexLock lock(&mutex_);
  RETURN_IF_ERROR(vectors_.Save(VectorsPath(path_stem)));
  RETURN_IF_ERROR(WriteSynced(keys_path, EncodeKeys()));
  return std::vector<std::string>{VectorsPath(path_stem), keys_path};
}

// The magic word, then four lists, each its length and its entries: the key of
// each slot; row, chunks and id of each record; row and sequence of each
// pending record; row of each record whose text is cut, with begin and end of
// each of its chunks. Numbers are little-endian.
std::string VectorIndex::EncodeKeys() const {
  std::string bytes(kKeysMagic);
  AppendNumber<uint64_t>(bytes, keys_.size());
  for (const int64_t key : keys_) AppendNumber(bytes, key);
  AppendNumber<uint64_t>(bytes, records_.size());
  records_.ForEach([&](int64_t row, absl::string_view id, int chunks) {
    AppendNumber<int64_t>(bytes, row);
    AppendNumber<uint16_t>(bytes, chunks);
    AppendNumber<uint16_t>(bytes, id.size());
    bytes.append(id.data(), id.size());
  });
  AppendNumber<uint64_t>(bytes, pending_.size());
  for (const auto& [row, sequence] : pending_.entries()) {
    AppendNumber<int64_t>(bytes, row);
    AppendNumber<int64_t>(bytes, sequence);
  }
  AppendNumber<uint64_t>(bytes, passages_.size());
  passages_.ForEach([&](int64_t row, const std::vector<Passage>& passages) {
    AppendNumber<int64_t>(bytes, row);
    for (const Passage& passage : passages) {
      AppendNumber<uint32_t>(bytes, passage.begin);
      AppendNumber<uint32_t>(bytes, passage.end);
    }
  });
  return bytes;
}

absl::Status VectorIndex::DecodeKeys(absl::string_view bytes) {
  const absl::Status damaged = absl::DataLossError("the keys file is damaged");
  ByteReader reader(bytes);
  absl::string_view magic;
  if (!reader.Read(kKeysMagic.size(), magic) || magic != kKeysMagic) {
    return absl::DataLossError("the keys file is of another format");
  }
  // A count is checked against what is left before memory is taken for it.
  uint64_t count = 0;
  if (!reader.Read(count) || count != vectors_.size() ||
      count > reader.left() / sizeof(int64_t)) {
    return damaged;
  }
  keys_.resize(count);
  for (uint64_t slot = 0; slot < count; ++slot) {
    if (!reader.Read(keys_[slot])) return damaged;
    if (!slots_.try_emplace(keys_[slot], static_cast<uint32_t>(slot)).second) {
      return damaged;
    }
  }
  if (!reader.Read(count) || count > reader.left() / kMinRecordBytes) {
    return damaged;
  }
  records_.Reserve(static_cast<int64_t>(count));
  uint64_t expected_vectors = 0;
  for (; count > 0; --count) {
    int64_t row = 0;
    uint16_t chunks = 0, id_size = 0;
    absl::string_view id;
    if (!reader.Read(row) || !reader.Read(chunks) || !reader.Read(id_size) ||
        !reader.Read(id_size, id) || records_.ChunksOf(row) != 0) {
      return damaged;
    }
    for (int chunk = 0; chunk < chunks; ++chunk) {
      if (!slots_.contains(KeyOf(row, chunk))) return damaged;
    }
    expected_vectors += chunks;
    records_.Put(row, id, chunks);
  }
  if (expected_vectors != keys_.size() || !reader.Read(count)) return damaged;
  for (; count > 0; --count) {
    int64_t row = 0, sequence = 0;
    if (!reader.Read(row) || !reader.Read(sequence)) return damaged;
    pending_.Await(row, sequence);
  }
  if (!reader.Read(count)) return damaged;
  for (; count > 0; --count) {
    int64_t row = 0;
    if (!reader.Read(row) || records_.ChunksOf(row) == 0) return damaged;
    std::vector<Passage> passages(records_.ChunksOf(row));
    for (Passage& passage : passages) {
      if (!reader.Read(passage.begin) || !reader.Read(passage.end)) {
        return damaged;
      }
    }
    passages_.Put(row, std::move(passages));
  }
  return reader.left() == 0 ? absl::OkStatus() : damaged;
}

absl::StatusOr<std::unique_ptr<Index>> VectorIndex::Load(
    IndexSpec spec, const std::string& path_stem, int64_t sequence) {
  ASSIGN_OR_RETURN(
      FaissVectors vectors,
      FaissVectors::Load(VectorsPath(path_stem), spec.dimensions, spec.metric));
  ASSIGN_OR_RETURN(const std::string bytes, ReadFile(KeysPath(path_stem)));
  auto index = std::make_unique<VectorIndex>(std::move(spec));
  absl::MutexLock lock(&index->mutex_);
  index->vectors_ = std::move(vectors);
  index->sequence_ = sequence;
  RETURN_IF_ERROR(index->DecodeKeys(bytes));
  return index;
}

}  // namespace engram::search
