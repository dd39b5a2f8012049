#ifndef ENGRAM_SERVICES_SEARCH_VECTOR_INDEX_H_
#define ENGRAM_SERVICES_SEARCH_VECTOR_INDEX_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "services/search/faiss_index.h"
#include "services/search/index.h"
#include "services/search/passage_table.h"
#include "services/search/pending_records.h"
#include "services/search/record_table.h"
#include "services/search/slot_graph.h"
#include "services/search/top_records.h"

namespace engram::search {

// How an index of vectors is made faster.
struct GraphPolicy {
  // Below this a scan is fast enough, and exact.
  int64_t min_bytes = 16 << 20;
  // Of those that build a graph.
  int threads = 1;
};

// Vectors, and a graph to find the nearest by.
//
// Vectors lie back to back in slots, so that a scan runs at the speed of
// memory. A vector's key is row * kMaxChunks + chunk, as in storage. The first
// slots are in the graph, once Optimize has built it; what changes goes behind
// them, and is scanned by every search until the next graph has it.
class VectorIndex : public Index {
 public:
  // An empty index, before the first change.
  explicit VectorIndex(IndexSpec spec, GraphPolicy policy = {});

  // Reads what Save wrote to `path_stem`, as of `sequence`. `DataLoss` if the
  // files do not fit together or do not fit `spec`.
  static absl::StatusOr<std::unique_ptr<Index>> Load(
      IndexSpec spec, const std::string& path_stem, int64_t sequence);

  const IndexSpec& spec() const override { return spec_; }
  void Apply(absl::Span<const IndexChange> changes, int64_t sequence) override;
  SearchResult Search(absl::Span<const float> query, int limit,
                      RowFilter filter) const override;
  SearchResult SearchAll(absl::Span<const float> query, int limit,
                         RowFilter filter) const override;
  SearchResult SearchRows(absl::Span<const float> query, int limit,
                          absl::Span<const int64_t> rows,
                          RowFilter filter) const override;
  std::optional<int64_t> VisitVectors(
      absl::string_view id,
      absl::FunctionRef<void(absl::Span<const float>)> visit) const override;
  std::vector<float> VectorOf(int64_t row, int chunk) const override;
  int64_t SearchBytes() const override;
  IndexStats Stats() const override;
  FrozenIndex Freeze() const override;
  void Optimize(const std::function<bool()>& go_on) override;
  absl::StatusOr<std::vector<std::string>> Save(
      const std::string& path_stem) const override;

 private:
  void ApplyOne(const IndexChange& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutVectors(const IndexChange& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveVectors(int64_t row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveKey(int64_t key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReplaceVector(uint32_t slot, absl::string_view packed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes a slot out of the graph, if it is in it; returns the slot that what
  // was in it is in now.
  uint32_t LeaveGraph(uint32_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SwapSlots(uint32_t one, uint32_t other)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The values of a slot's vector.
  absl::Span<const float> ValuesOf(int64_t slot) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // Offers `top` what is nearest of the slots from `first` on.
  void Scan(absl::Span<const float> query, int64_t first, RowFilter filter,
            TopRecords& top) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Offers `top` what the graph finds. False if that may not be enough: most of
  // what is near does not pass the filter.
  bool Walk(absl::Span<const float> query, int width, int limit,
            RowFilter filter, TopRecords& top, SearchCost& cost) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Scores the vector of a slot and offers it.
  void OfferSlot(absl::Span<const float> query, int64_t slot,
                 TopRecords& top) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // A search of that width; 0 scans, none is the graph's own.
  SearchResult SearchWide(absl::Span<const float> query,
                          std::optional<int> width, int limit,
                          RowFilter filter) const;

  // --- Of Optimize; see vector_index_graph.cc.

  // Whether so much is not in the graph, or dead in it, that another pays.
  bool WantsGraph() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // The codes of all vectors, and their keys.
  struct Encoded;
  absl::StatusOr<Encoded> Encode(const std::function<bool()>& go_on) const;
  // Puts what the graph knows, and has not changed since Encode, before the
  // rest.
  void Install(std::shared_ptr<GraphSegment> graph,
               absl::Span<const int64_t> keys);
  // Finds out how wide searches must be.
  void Calibrate(GraphSegment& graph, const std::function<bool()>& go_on) const;
  // What `top` holds, whose scores are larger for what is nearer.
  SearchResult Collect(const TopRecords& top) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::Status DecodeKeys(absl::string_view bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string EncodeKeys() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const IndexSpec spec_;
  const GraphPolicy policy_;

  mutable absl::Mutex mutex_;
  FaissVectors vectors_ ABSL_GUARDED_BY(mutex_);
  // The key of each slot.
  std::vector<int64_t> keys_ ABSL_GUARDED_BY(mutex_);
  // The slot of each key.
  absl::flat_hash_map<int64_t, uint32_t> slots_ ABSL_GUARDED_BY(mutex_);
  SlotGraph graph_ ABSL_GUARDED_BY(mutex_);
  // While a graph is built: the keys that changed since it began.
  std::optional<absl::flat_hash_set<int64_t>> changed_ ABSL_GUARDED_BY(mutex_);
  RecordTable records_ ABSL_GUARDED_BY(mutex_);
  PassageTable passages_ ABSL_GUARDED_BY(mutex_);
  PendingRecords pending_ ABSL_GUARDED_BY(mutex_);
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_VECTOR_INDEX_H_
