#ifndef ENGRAM_SERVICES_SEARCH_INDEX_H_
#define ENGRAM_SERVICES_SEARCH_INDEX_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace engram::search {

// How vectors are compared; the scores are those of engram.common.v1.Metric.
// Stored. Never renumber.
enum class Metric { kCosine = 1, kDot = 2, kL2 = 3 };

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
  std::string id;
  int64_t row = 0;
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

// Numbers about an index, all of one moment.
struct IndexStats {
  int64_t records = 0;
  int64_t vectors = 0;
  // Records whose vectors are awaited.
  int64_t pending = 0;
  // Of the last change applied.
  int64_t sequence = 0;
  // Of the vectors, those that a graph finds; the others are scanned.
  int64_t graph_vectors = 0;
  // Everything written up to here can be found: at most `sequence`, and before
  // the oldest write whose vectors are awaited.
  int64_t findable_sequence = 0;
  int64_t memory_bytes = 0;
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
  // counts once, by its best. A few of the nearest may be missing, others take
  // their place then; scores are exact.
  virtual SearchResult Search(absl::Span<const float> query, int limit,
                              RowFilter filter) const = 0;

  // The same, and none is missing: compares with every vector.
  virtual SearchResult SearchAll(absl::Span<const float> query, int limit,
                                 RowFilter filter) const = 0;

  // The same for those of `rows`, looking at no others: for few rows. A row
  // that the index does not have is passed over.
  virtual SearchResult SearchRows(absl::Span<const float> query, int limit,
                                  absl::Span<const int64_t> rows,
                                  RowFilter filter) const = 0;

  // Calls `visit` with each vector of the record of this id, chunk by chunk,
  // and returns the record's row; nothing if there is no vector of it. Changes
  // wait meanwhile.
  virtual std::optional<int64_t> VisitVectors(
      absl::string_view id,
      absl::FunctionRef<void(absl::Span<const float>)> visit) const = 0;

  // Returns the vector of a chunk; none if it is gone.
  virtual std::vector<float> VectorOf(int64_t row, int chunk) const = 0;

  // Returns how many bytes a search reads, to tell a short one from a long one.
  virtual int64_t SearchBytes() const = 0;

  virtual IndexStats Stats() const = 0;

  // Copies checksums and ids of all vectors. Changes wait meanwhile.
  virtual FrozenIndex Freeze() const = 0;

  // Does what makes later searches faster, if there is something to do, and
  // returns when it is done or, soon, when `go_on` says no. Searches and
  // changes go on meanwhile. By one caller at a time.
  virtual void Optimize(const std::function<bool()>& go_on) = 0;

  // Writes the index into files whose paths begin with `path_stem`, syncs them,
  // and returns their paths. A failure may leave files behind. Changes wait
  // meanwhile, searches do not.
  virtual absl::StatusOr<std::vector<std::string>> Save(
      const std::string& path_stem) const = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_INDEX_H_
