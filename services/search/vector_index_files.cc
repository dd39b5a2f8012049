// How a VectorIndex is saved into files and loaded from them.

#include <malloc.h>

#include <limits>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/search/durable_file.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

// Stored: the layout of the keys file, see docs/design/index_cache.md. Another
// layout is another word.
constexpr absl::string_view kKeysMagic = "engrkey5";

// Of a record.
constexpr uint64_t kRecordBytes =
    sizeof(int64_t) + sizeof(uint16_t) + sizeof(uint64_t);

// More than calibration tries.
constexpr uint64_t kMaxPoints = 256;

// A row's keys are numbers.
constexpr int64_t kMaxRow =
    std::numeric_limits<int64_t>::max() / kMaxChunks - 1;

absl::Status Damaged() {
  return absl::DataLossError("the keys file is damaged");
}

}  // namespace

absl::StatusOr<SavedIndex> VectorIndex::Save(const std::string& path_stem,
                                             const SavedIndex& earlier) {
  SavedIndex saved;
  saved.keys_path = absl::StrCat(path_stem, ".keys");
  absl::MutexLock save_lock(&save_mutex_);
  std::shared_ptr<GraphSegment> graph;
  {
    absl::ReaderMutexLock lock(&mutex_);
    graph = graphs_.segment(Tier::kLarge);
  }
  // It does not change, so changes need not wait for it.
  const bool is_new = graph != nullptr && (earlier.graph.lock() != graph ||
                                           earlier.graph_path.empty());
  if (is_new) {
    saved.graph_path = absl::StrCat(path_stem, ".graph.faiss");
    RETURN_IF_ERROR(graph->Save(saved.graph_path));
  } else if (graph != nullptr) {
    saved.graph_path = earlier.graph_path;
  }
  int64_t applied = 0;
  {
    absl::ReaderMutexLock lock(&mutex_);
    applied = applied_;
    if (graph != nullptr) {
      saved.graph = graph;
      saved.curve_queries = CurveQueries();
    }
    // A new graph read all vectors: a moment to write them, too.
    ASSIGN_OR_RETURN(saved.vectors,
                     vectors_.Save(absl::StrCat(path_stem, ".vectors"), is_new,
                                   earlier.vectors));
    ASSIGN_OR_RETURN(saved.ids,
                     records_.ids().Save(absl::StrCat(path_stem, ".ids"),
                                         /*width=*/1, is_new, earlier.ids));
    RETURN_IF_ERROR(WriteSynced(saved.keys_path, EncodeKeys(graph != nullptr)));
  }
  RETURN_IF_ERROR(MapSaved(saved, applied));
  return saved;
}

absl::Status VectorIndex::MapSaved(SavedIndex& saved, int64_t applied) {
  const bool has_vectors = saved.vectors.base.expired();
  const bool has_ids = saved.ids.base.expired();
  if (!has_vectors && !has_ids) return absl::OkStatus();
  // What they take the place of is freed behind the lock, and given back with
  // what was freed on the way to it: building leaves holes in the heap.
  const absl::Cleanup trim = [] { malloc_trim(0); };
  SlotVectors vectors(spec_.dimensions);
  MappedBytes ids;
  if (has_vectors) {
    ASSIGN_OR_RETURN(vectors,
                     SlotVectors::Load(saved.vectors, spec_.dimensions));
  }
  if (has_ids) {
    ASSIGN_OR_RETURN(ids, MappedBytes::Load(saved.ids, /*width=*/1));
  }
  absl::MutexLock lock(&mutex_);
  // Else they stay as they are, and the next save writes them once more.
  if (applied != applied_) return absl::OkStatus();
  if (has_vectors) std::swap(vectors_, vectors);
  if (has_ids) records_.ExchangeIds(ids);
  return absl::OkStatus();
}

bool VectorIndex::HasGraphOf(const SavedIndex& saved) const {
  absl::ReaderMutexLock lock(&mutex_);
  const GraphSegment* const graph = graphs_.segment(Tier::kLarge).get();
  return saved.graph.lock().get() == graph &&
         CurveQueries() <= 2 * saved.curve_queries;
}

absl::StatusOr<std::unique_ptr<Index>> VectorIndex::Load(IndexSpec spec,
                                                         SavedIndex& saved,
                                                         int64_t sequence,
                                                         GraphPolicy policy) {
  auto index = std::make_unique<VectorIndex>(std::move(spec), policy);
  const IndexSpec& of = index->spec();
  absl::MutexLock lock(&index->mutex_);
  ASSIGN_OR_RETURN(index->vectors_,
                   SlotVectors::Load(saved.vectors, of.dimensions));
  ASSIGN_OR_RETURN(MappedBytes ids, MappedBytes::Load(saved.ids, /*width=*/1));
  index->records_.ExchangeIds(ids);
  if (!saved.graph_path.empty()) {
    ASSIGN_OR_RETURN(std::shared_ptr<GraphSegment> graph,
                     GraphSegment::Load(saved.graph_path, of.dimensions,
                                        GraphMetric(of.metric)));
    saved.graph = graph;
    index->graphs_.Reset(Tier::kLarge, std::move(graph));
  }
  index->sequence_ = sequence;
  RETURN_IF_ERROR(WithFile(
      saved.keys_path,
      [&index](absl::string_view bytes)
          ABSL_NO_THREAD_SAFETY_ANALYSIS { return index->DecodeKeys(bytes); }));
  saved.curve_queries = index->CurveQueries();
  return index;
}

// The magic word and the metric, then four lists, each its length and its
// entries: the key of each slot; row, chunks and place of the id of each
// record; row and sequence of each pending record; row of each record whose
// text is cut, with begin and end of each of its chunks. At last two lists of
// the graph: width and recall of 10 and of 100 of each point of its curve, none
// if it has not been measured, before them of how many queries; and the nodes
// of the first slots in the large graph. Numbers are little-endian.
std::string VectorIndex::EncodeKeys(bool has_graph) const {
  std::string bytes(kKeysMagic);
  AppendNumber<int32_t>(bytes, static_cast<int32_t>(spec_.metric));
  AppendNumber<uint64_t>(bytes, keys_.size());
  for (const int64_t key : keys_) AppendNumber(bytes, key);
  AppendNumber<uint64_t>(bytes, records_.size());
  records_.ForEach([&](int64_t row, absl::string_view /*id*/,
                       int chunks) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    AppendNumber<int64_t>(bytes, row);
    AppendNumber<uint16_t>(bytes, chunks);
    AppendNumber<uint64_t>(bytes, records_.IdOffsetOf(row));
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
  const RecallCurve curve =
      has_graph && is_calibrated_ ? curve_ : RecallCurve();
  AppendNumber<int32_t>(bytes, curve.queries());
  AppendNumber<uint64_t>(bytes, curve.points().size());
  for (const RecallPoint& point : curve.points()) {
    AppendNumber<int32_t>(bytes, point.width);
    AppendNumber<float>(bytes, point.of_10);
    AppendNumber<float>(bytes, point.of_100);
  }
  // The small graph is built again in a moment.
  const uint32_t known = has_graph ? graphs_.size(Tier::kLarge) : 0;
  AppendNumber<uint64_t>(bytes, known);
  for (uint32_t slot = 0; slot < known; ++slot) {
    AppendNumber<uint32_t>(bytes, graphs_.NodeOf(slot));
  }
  return bytes;
}

absl::Status VectorIndex::DecodeKeys(absl::string_view bytes) {
  ByteReader reader(bytes);
  absl::string_view magic;
  if (!reader.Read(kKeysMagic.size(), magic) || magic != kKeysMagic) {
    return absl::DataLossError("the keys file is of another format");
  }
  int32_t metric = 0;
  if (!reader.Read(metric) || metric != static_cast<int32_t>(spec_.metric)) {
    return absl::DataLossError("the keys file is of another metric");
  }
  RETURN_IF_ERROR(DecodeVectorKeys(reader));
  RETURN_IF_ERROR(DecodeRecords(reader));
  RETURN_IF_ERROR(DecodePassages(reader));
  RETURN_IF_ERROR(DecodeCurve(reader));
  RETURN_IF_ERROR(DecodeGraphSlots(reader));
  return reader.left() == 0 ? absl::OkStatus() : Damaged();
}

absl::Status VectorIndex::DecodeVectorKeys(ByteReader& reader) {
  // A count is checked against what is left before memory is taken for it.
  uint64_t count = 0;
  if (!reader.Read(count) || count != vectors_.size() ||
      count > reader.left() / sizeof(int64_t)) {
    return Damaged();
  }
  keys_.resize(count);
  slots_.Reserve(static_cast<int64_t>(count));
  for (uint64_t slot = 0; slot < count; ++slot) {
    int64_t& key = keys_[slot];
    if (!reader.Read(key) || key < 0 || slots_.Find(key).has_value()) {
      return Damaged();
    }
    slots_.Set(key, static_cast<uint32_t>(slot));
  }
  return absl::OkStatus();
}

absl::Status VectorIndex::DecodeRecords(ByteReader& reader) {
  uint64_t count = 0;
  if (!reader.Read(count) || count > reader.left() / kRecordBytes) {
    return Damaged();
  }
  records_.Reserve(static_cast<int64_t>(count));
  uint64_t expected_vectors = 0;
  for (; count > 0; --count) {
    int64_t row = 0;
    uint16_t chunks = 0;
    uint64_t id_offset = 0;
    if (!reader.Read(row) || !reader.Read(chunks) || !reader.Read(id_offset) ||
        row < 0 || row > kMaxRow || chunks < 1 || chunks > kMaxChunks ||
        records_.ChunksOf(row) != 0) {
      return Damaged();
    }
    for (int chunk = 0; chunk < chunks; ++chunk) {
      if (!slots_.Find(KeyOf(row, chunk)).has_value()) return Damaged();
    }
    expected_vectors += chunks;
    if (!records_.PutSaved(row, id_offset, chunks)) return Damaged();
  }
  if (expected_vectors != keys_.size() || !reader.Read(count)) return Damaged();
  for (; count > 0; --count) {
    int64_t row = 0, sequence = 0;
    if (!reader.Read(row) || !reader.Read(sequence) || sequence < 0) {
      return Damaged();
    }
    pending_.Await(row, sequence);
  }
  return absl::OkStatus();
}

absl::Status VectorIndex::DecodePassages(ByteReader& reader) {
  uint64_t count = 0;
  if (!reader.Read(count)) return Damaged();
  for (; count > 0; --count) {
    int64_t row = 0;
    if (!reader.Read(row) || records_.ChunksOf(row) == 0) return Damaged();
    std::vector<Passage> passages(records_.ChunksOf(row));
    for (Passage& passage : passages) {
      if (!reader.Read(passage.begin) || !reader.Read(passage.end)) {
        return Damaged();
      }
    }
    passages_.Put(row, std::move(passages));
  }
  return absl::OkStatus();
}

absl::Status VectorIndex::DecodeCurve(ByteReader& reader) {
  int32_t queries = 0;
  uint64_t count = 0;
  if (!reader.Read(queries) || !reader.Read(count) || count > kMaxPoints) {
    return Damaged();
  }
  std::vector<RecallPoint> points(count);
  for (RecallPoint& point : points) {
    if (!reader.Read(point.width) || !reader.Read(point.of_10) ||
        !reader.Read(point.of_100)) {
      return Damaged();
    }
  }
  if (points.empty()) return absl::OkStatus();
  absl::StatusOr<RecallCurve> curve =
      RecallCurve::Create(std::move(points), queries);
  if (!curve.ok() || graphs_.segment(Tier::kLarge) == nullptr) return Damaged();
  curve_ = *std::move(curve);
  is_calibrated_ = true;
  return absl::OkStatus();
}

absl::Status VectorIndex::DecodeGraphSlots(ByteReader& reader) {
  uint64_t count = 0;
  if (!reader.Read(count) || count > keys_.size()) return Damaged();
  const GraphSegment* const segment = graphs_.segment(Tier::kLarge).get();
  if (segment == nullptr) return count == 0 ? absl::OkStatus() : Damaged();
  for (; count > 0; --count) {
    uint32_t node = 0;
    if (!reader.Read(node) || node >= segment->size() ||
        graphs_.SlotOf(Tier::kLarge, node) != SlotGraphs::kNoSlot ||
        !segment->MayBe(node, ValuesOf(graphs_.size(Tier::kLarge)))) {
      return Damaged();
    }
    graphs_.Append(Tier::kLarge, node);
  }
  return absl::OkStatus();
}

}  // namespace engram::search
