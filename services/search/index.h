#ifndef ENGRAM_SERVICES_SEARCH_INDEX_H_
#define ENGRAM_SERVICES_SEARCH_INDEX_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "services/search/recall_curve.h"
#include "services/search/row_set.h"
#include "services/search/saved_bytes.h"

namespace engram::search {

// How vectors are compared; the scores are those of engram.common.v1.Metric.
// Stored. Never renumber.
enum class Metric { kCosine = 1, kDot = 2, kL2 = 3 };

// By what graphs compare vectors; engram.common.v1.Precision.
enum class Precision {
  // Codes of 8 bits, or of 4 where these are measured to find as much.
  kAuto,
  // The vectors themselves.
  kFloat32,
  kInt8,
  kInt4,
};

// How searches find the nearest vectors; engram.common.v1.IndexKind.
enum class IndexKind {
  // By a scan while there are few, by a graph once there are many.
  kAuto,
  kFlat,
  kHnsw,
};

// The most chunks that one record can have.
inline constexpr int kMaxChunks = 4096;

// What an index is of. Fixed for its life: another model is another generation,
// and so another index. The names of collection and vector field are not: see
// DatabaseIndex::NameOf.
struct IndexSpec {
  // Identifies the index within its database.
  int64_t generation = 0;
  // Clients bring the vectors; there is no model then.
  bool supplied = false;
  std::string model;
  std::string fingerprint;
  int dimensions = 0;
  Metric metric = Metric::kCosine;

  friend bool operator==(const IndexSpec&, const IndexSpec&) = default;
};

// Where a chunk lies in its text, in bytes.
struct Passage {
  uint32_t begin = 0;
  uint32_t end = 0;

  friend bool operator==(const Passage&, const Passage&) = default;
};

// What one change of the feed does to one index.
struct IndexChange {
  enum class Kind {
    // The record's text is new: its vectors follow, the earlier ones stand.
    kAwaitVectors,
    // The record's vectors are these, and no others.
    kPutVectors,
    // The record has no text any more: its vectors are gone.
    kClearVectors,
    // The record is gone.
    kDeleteRecord,
  };

  Kind kind = Kind::kAwaitVectors;
  // Numbers the record within its collection; never reused.
  int64_t row = 0;
  // Of the change.
  int64_t sequence = 0;
  // The record's id; for kPutVectors. Borrowed until Apply returns.
  absl::string_view id;
  // For kPutVectors: the packed vectors, one a chunk, each of the index's
  // dimensions and finite. None means that they were replaced meanwhile, which
  // a later change makes good. Borrowed until Apply returns.
  std::vector<absl::string_view> chunks;
  // For kPutVectors: where each chunk lies; none where texts are not cut.
  std::vector<Passage> passages;
};

// A record that was found.
struct Candidate {
  int64_t row = 0;
  std::string id;
  // In the unit of the metric.
  float score = 0;
  // Its nearest chunk, of equal ones the first, and where that lies; nothing
  // where texts are not cut.
  int chunk = 0;
  std::optional<Passage> passage;
};

// Whether a search may find the record of this row.
using RowFilter = absl::FunctionRef<bool(int64_t row)>;
// Every record may be found.
inline bool AnyRow(int64_t) { return true; }

// The share of the true nearest that a search is to find, where it is not told.
inline constexpr double kDefaultTargetRecall = 0.95;

// How much a search does to miss none of the nearest.
struct SearchEffort {
  // The share of the true nearest to find, 0.5 to 0.999: on average, as each
  // search finds as much as it happens to. 1 compares with every vector.
  double target_recall = kDefaultTargetRecall;
  // Which share of the index's records the filter lets through, about; where it
  // is not known, 1. The fewer, the wider the search begins.
  double share = 1;
  // Whether somebody asks who is to be known by it: how much such searches find
  // is sampled.
  bool is_live = true;
};

// What a search took.
struct SearchCost {
  // Computed, exact or of codes.
  int64_t distances = 0;
  // How many candidates the graph was asked for; 0 if all vectors, or all those
  // of the rows, were compared with.
  int width = 0;
};

// What a search found.
struct SearchResult {
  // Best first; equal scores are ordered by id.
  std::vector<Candidate> candidates;
  // Of the last change applied to what was searched.
  int64_t sequence = 0;
  SearchCost cost;
};

// What an index's memory holds, in bytes.
struct IndexMemory {
  // Those that are not mapped.
  int64_t vectors = 0;
  // How the graph's nodes are linked, and which vectors they are.
  int64_t graph = 0;
  // What the graph compares by.
  int64_t codes = 0;
  // Which records there are, and where their vectors.
  int64_t records = 0;
  int64_t passages = 0;
  // Read from the cache's files, whose pages the kernel keeps in memory or not.
  int64_t mapped = 0;

  // Without what is mapped.
  int64_t total() const { return vectors + graph + codes + records + passages; }
};

// Numbers about an index, all of one moment.
struct IndexStats {
  int64_t records = 0;
  int64_t vectors = 0;
  // Records whose vectors are awaited.
  int64_t pending = 0;
  // Of the last change applied.
  int64_t sequence = 0;
  // Whether searches have a graph to walk; never kAuto.
  IndexKind kind = IndexKind::kFlat;
  // Of the vectors, those that a graph finds; the others are scanned.
  int64_t graph_vectors = 0;
  // By what the large graph compares, never kAuto; scans do by float32.
  Precision precision = Precision::kFloat32;
  // Everything written up to here can be found: at most `sequence`, and before
  // the oldest write whose vectors are awaited.
  int64_t findable_sequence = 0;
  IndexMemory memory;
};

// What an index knows of how much its searches find.
struct IndexRecall {
  // Every search compares with every vector, so nothing is missed.
  bool is_exact = true;
  // As measured when the graph was built, and since; see RecallCurve.
  std::vector<RecallPoint> calibration;
  // The share of the true nearest that the newest live searches find, and how
  // many of these were run again to know that; nothing before the first.
  double recall = 1;
  int64_t samples = 0;
  // All that ever were.
  int64_t all_samples = 0;
  // How many candidates the graph is asked for now, for ten records and the
  // default target; 0 without a graph.
  int width = 0;
};

// One vector as VerifyIndex compares it.
struct FrozenVector {
  int64_t row = 0;
  int chunk = 0;
  // vector::VectorChecksum of what the index holds now.
  uint64_t checksum = 0;
  std::string id;
  std::optional<Passage> passage;
};

// All vectors of an index at one moment.
struct FrozenIndex {
  int64_t sequence = 0;
  std::vector<FrozenVector> vectors;
};

// The files that an index was saved in.
struct SavedIndex {
  // Mapped by the index that was saved or loaded.
  SavedBytes vectors;
  SavedBytes ids;
  // Of this save.
  std::string keys_path;
  // Of the save that first had this graph, which does not change; empty where
  // there is none.
  std::string graph_path;
  // What is in that file, to be told from another graph.
  std::weak_ptr<const void> graph;
  // Of how many queries the keys' file says how wide to search it; 0 if it does
  // not.
  int curve_queries = 0;
};

// What an index holds of one record.
struct RecordVectors {
  std::string id;
  // Its vectors, one a chunk, one after the other; of unit length for cosine.
  std::vector<float> values;
};

// The vectors of one vector field and generation, for finding the nearest.
//
// This is the wall: what stands above it knows neither FAISS nor how an index
// is laid out. Thread-safe: any number of searches beside one caller of Apply.
class Index {
 public:
  virtual ~Index() = default;

  virtual const IndexSpec& spec() const = 0;

  // Applies `changes`, in order, and moves to `sequence`; a search sees all of
  // it or nothing. Changes that were applied before may be applied again, as
  // long as all later ones follow.
  virtual void Apply(absl::Span<const IndexChange> changes,
                     int64_t sequence) = 0;

  // Returns the `limit` records nearest to `query`, which has the index's
  // dimensions and, for cosine, unit length, of those that `filter` lets
  // through; it is asked only of rows near enough. A record of several chunks
  // counts once, by its best. A few of the nearest may be missing, as many as
  // `effort` says, others take their place then; scores are exact.
  virtual SearchResult Search(absl::Span<const float> query, int limit,
                              RowFilter filter,
                              const SearchEffort& effort) const = 0;
  SearchResult Search(absl::Span<const float> query, int limit,
                      RowFilter filter) const {
    return Search(query, limit, filter, SearchEffort());
  }

  // The same, and none is missing: compares with every vector.
  virtual SearchResult SearchAll(absl::Span<const float> query, int limit,
                                 RowFilter filter) const = 0;

  // The same for those of `rows`, looking at no others: for few rows. A row
  // that the index does not have is passed over. With a target below 1 next to
  // nothing is missing, with 1 nothing.
  virtual SearchResult SearchRows(absl::Span<const float> query, int limit,
                                  const RowSet& rows, RowFilter filter,
                                  const SearchEffort& effort) const = 0;

  // Whether to search `rows` rows by SearchRows is expected to take no longer
  // than a Search with that effort, going by what both took lately.
  virtual bool PrefersRows(int64_t rows, int limit,
                           const SearchEffort& effort) const = 0;
  // Calls `visit` with each vector of the record of this id, chunk by chunk,
  // and returns the record's row; nothing if there is no vector of it. Changes
  // wait meanwhile.
  virtual std::optional<int64_t> VisitVectors(
      absl::string_view id,
      absl::FunctionRef<void(absl::Span<const float>)> visit) const = 0;

  // Returns the vector of a chunk; none if it is gone.
  virtual std::vector<float> VectorOf(int64_t row, int chunk) const = 0;

  // Returns how many bytes a search reads, to tell a short one from a long one.
  virtual int64_t SearchBytes(int limit, const SearchEffort& effort) const = 0;

  virtual IndexStats Stats() const = 0;
  virtual IndexRecall Recall() const = 0;

  // The rows of all records, in no order.
  virtual std::vector<int64_t> Rows() const = 0;

  // Copies what it holds of one record; nothing if there is none of this row.
  virtual std::optional<RecordVectors> GetVectors(int64_t row) const = 0;

  // Copies checksums and ids of all vectors. Changes wait meanwhile.
  virtual FrozenIndex Freeze() const = 0;

  // By what graphs are to compare. The next Optimize builds one that does, if
  // need be; the present one serves until then.
  virtual void SetPrecision(Precision precision) = 0;
  virtual Precision precision() const = 0;

  // How searches are to find. Of kFlat no search walks a graph from then on,
  // and the next Optimize drops it; for kHnsw that builds one of few vectors,
  // too.
  virtual void SetKind(IndexKind kind) = 0;
  virtual IndexKind kind() const = 0;

  // Does what makes later searches faster, and what tells how much they find,
  // if there is something to do, and returns when it is done or, soon, when
  // `go_on` says no. Searches and changes go on meanwhile. By one caller at a
  // time, whose thread is one of the `threads` at most that this takes.
  virtual void Optimize(int threads, const std::function<bool()>& go_on) = 0;
  void Optimize(const std::function<bool()>& go_on) { Optimize(1, go_on); }

  // Writes the index into files whose paths begin with `path_stem` and syncs
  // them. A graph, vectors and ids that are in files of `earlier` stay there;
  // vectors and ids that are written anew are mapped from there from then on,
  // instead of held in memory. A failure may leave files behind. Changes wait
  // meanwhile, searches do not.
  virtual absl::StatusOr<SavedIndex> Save(const std::string& path_stem,
                                          const SavedIndex& earlier) = 0;

  // Whether `saved` has all that is known of the graph: where it has not,
  // another save pays even if no vector has changed.
  virtual bool HasGraphOf(const SavedIndex& saved) const = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_INDEX_H_
