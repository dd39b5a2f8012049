#ifndef ENGRAM_SERVICES_SEARCH_VECTOR_INDEX_H_
#define ENGRAM_SERVICES_SEARCH_VECTOR_INDEX_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "services/search/bytes.h"
#include "services/search/index.h"
#include "services/search/passage_table.h"
#include "services/search/pending_records.h"
#include "services/search/recall_curve.h"
#include "services/search/recall_sampler.h"
#include "services/search/record_table.h"
#include "services/search/search_costs.h"
#include "services/search/slot_graphs.h"
#include "services/search/slot_table.h"
#include "services/search/slot_vectors.h"
#include "services/search/top_records.h"

namespace engram::search {

// How an index of vectors is made faster.
struct GraphPolicy {
  // Below this a scan is fast enough, and exact; below a quarter of it, a scan
  // of what came since the last graph.
  int64_t min_bytes = 16 << 20;
  // Of the time that searches take, what may go into running some of them again
  // to know how much they find; see RecallSampler.
  double sampled_share = 0.01;
  // Until SetPrecision and SetKind say others.
  Precision precision = Precision::kAuto;
  IndexKind kind = IndexKind::kAuto;
};

// Vectors, and a graph to find the nearest by.
//
// Vectors lie back to back in slots, so that a scan runs at the speed of
// memory. A vector's key is row * kMaxChunks + chunk, as in storage. The first
// slots are in a graph, once Optimize has built it; what changes goes behind
// them, and is scanned by every search until the next graph has it: a small one
// over what is not in the large one, and that when it has grown by a tenth.
class VectorIndex : public Index {
 public:
  // An empty index, before the first change.
  explicit VectorIndex(IndexSpec spec, GraphPolicy policy = {});

  // Reads what Save wrote, as of `sequence`, and tells in `saved` which graph
  // that was. `DataLoss` if the files do not fit together or do not fit `spec`.
  static absl::StatusOr<std::unique_ptr<Index>> Load(IndexSpec spec,
                                                     SavedIndex& saved,
                                                     int64_t sequence,
                                                     GraphPolicy policy = {});

  const IndexSpec& spec() const override { return spec_; }
  void Apply(absl::Span<const IndexChange> changes, int64_t sequence) override;
  using Index::Search;
  SearchResult Search(absl::Span<const float> query, int limit,
                      RowFilter filter,
                      const SearchEffort& effort) const override;
  SearchResult SearchAll(absl::Span<const float> query, int limit,
                         RowFilter filter) const override;
  SearchResult SearchRows(absl::Span<const float> query, int limit,
                          const RowSet& rows, RowFilter filter,
                          const SearchEffort& effort) const override;
  bool PrefersRows(int64_t rows, int limit,
                   const SearchEffort& effort) const override;
  int64_t SearchBytes(int limit, const SearchEffort& effort) const override;
  std::optional<int64_t> VisitVectors(
      absl::string_view id,
      absl::FunctionRef<void(absl::Span<const float>)> visit) const override;
  std::vector<float> VectorOf(int64_t row, int chunk) const override;
  IndexStats Stats() const override;
  IndexRecall Recall() const override;
  std::vector<int64_t> Rows() const override;
  std::optional<RecordVectors> GetVectors(int64_t row) const override;
  FrozenIndex Freeze() const override;
  void SetPrecision(Precision precision) override;
  Precision precision() const override;
  void SetKind(IndexKind kind) override;
  IndexKind kind() const override;
  using Index::Optimize;
  void Optimize(int threads, const std::function<bool()>& go_on) override;
  absl::StatusOr<SavedIndex> Save(const std::string& path_stem,
                                  const SavedIndex& earlier) override;
  bool HasGraphOf(const SavedIndex& saved) const override;

 private:
  static int64_t KeyOf(int64_t row, int chunk) {
    return row * kMaxChunks + chunk;
  }
  // How the graph compares.
  static hnsw::Metric GraphMetric(Metric metric) {
    return metric == Metric::kL2 ? hnsw::Metric::kL2 : hnsw::Metric::kDot;
  }

  void ApplyOne(const IndexChange& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutVectors(const IndexChange& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveVectors(int64_t row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveKey(int64_t key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReplaceVector(uint32_t slot, absl::string_view packed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes a slot out of its graph, if it is in one; returns the slot that what
  // was in it is in now.
  uint32_t LeaveGraph(uint32_t slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void SwapSlots(uint32_t one, uint32_t other)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // How much so many vectors are.
  int64_t BytesOf(int64_t vectors) const {
    return vectors * spec_.dimensions * static_cast<int64_t>(sizeof(float));
  }

  // A graph that is being built does not know this key's vector.
  void NoteChange(int64_t key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // The values of a slot's vector.
  absl::Span<const float> ValuesOf(int64_t slot) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // How near the vectors of `scores.size()` slots are, from `first` on; larger
  // is nearer.
  void ScoreSlots(absl::Span<const float> query, int64_t first,
                  absl::Span<float> scores) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  float ScoreOf(absl::Span<const float> query, int64_t slot) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Offers a slot whose vector is that near, if it passes.
  void Offer(int64_t slot, float score, RowFilter filter, TopRecords& top) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Scores the vectors of `slots` and offers those that are near enough and
  // pass.
  void OfferSlots(absl::Span<const float> query,
                  absl::Span<const uint32_t> slots, RowFilter filter,
                  TopRecords& top) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // The same, but of slots that are in a graph only of the `kept` in each that
  // come out best by their codes. Returns how many slots there are.
  int64_t OfferBestCodes(absl::Span<const float> query,
                         const SlotTable::Slots& slots, int kept,
                         RowFilter filter, TopRecords& top,
                         SearchCost& cost) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Whether there is a graph that searches may walk.
  bool HasGraph() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return kind_ != IndexKind::kFlat &&
           graphs_.segment(Tier::kLarge) != nullptr;
  }
  // Whether a search of certain rows goes by codes.
  bool LooksUpCodes(const SearchEffort& effort) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return effort.target_recall < 1 && HasGraph() &&
           !graphs_.segment(Tier::kLarge)->is_exact();
  }
  // Offers `top` what is nearest of the slots from `first` on.
  void Scan(absl::Span<const float> query, int64_t first, RowFilter filter,
            TopRecords& top, SearchCost& cost) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // How far a walk goes.
  struct Reach {
    // How many candidates it goes on from.
    int64_t width = 0;
    // How many it keeps of the nodes that it scores, the nearest: the filter is
    // asked of these, and exact scores of those that pass.
    int64_t kept = 0;
  };
  // Offers `top` what such a walk of `large`, whose nodes are the large
  // graph's, and of the small graph finds; of the large one's it does not see
  // `hidden`. Returns which share of it passed.
  double WalkOnce(const GraphSegment& large, absl::Span<const float> query,
                  const Reach& reach, uint32_t hidden, RowFilter filter,
                  TopRecords& top, SearchCost& cost) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Offers `top` what the graph finds, as wide as it takes. False if it takes
  // more than a scan: the graph's slots have to be scanned, too.
  bool Walk(absl::Span<const float> query, int limit, RowFilter filter,
            const SearchEffort& effort, TopRecords& top, SearchCost& cost) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Offers `top` what a search finds: walks where there is a graph, and scans
  // the rest.
  void SearchLocked(absl::Span<const float> query, int limit, RowFilter filter,
                    const SearchEffort& effort, TopRecords& top,
                    SearchCost& cost) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Of so many codes that come out best the exact scores are asked, so that the
  // nearest `limit` are among them; by a wide walk of more, as codes may tell
  // them apart badly.
  static int64_t KeptFor(int64_t width, double limit);
  // How far a walk has to go for the nearest `limit`, which may be what a
  // filter makes of it: the nearest ten of a tenth of all records are among the
  // nearest hundred.
  Reach ReachFor(double target_recall, double limit) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Wider walks never pay.
  int64_t WidestWalk() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // --- Of Optimize; see vector_index_graph.cc.

  // Whether so much is not in a graph, or dead in it, that another pays.
  bool WantsLargeGraph() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool WantsSmallGraph() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool WantsGraph(Tier tier) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether so little is left of what graphs were built for that a scan is as
  // fast, or none is wanted any more, and they are nothing but memory.
  bool OutgrewGraphs() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether so many vectors are for the kind of index to scan.
  bool IsScannedFast(int64_t vectors) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Whether the large graph, which there is, compares as it is to.
  bool HasPrecision() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // The codes and keys of all vectors, or, for the small graph, of those that
  // are not in the large one, and the precision that they are for.
  struct Encoded;
  absl::StatusOr<Encoded> Encode(Tier tier,
                                 const std::function<bool()>& go_on) const;
  // Puts what the graph knows, and has not changed since Encode, before the
  // rest.
  void Install(Tier tier, std::shared_ptr<GraphSegment> graph,
               absl::Span<const int64_t> keys);
  void BuildGraph(Tier tier, int threads, const std::function<bool()>& go_on);
  void DropGraphs();

  // --- Also of Optimize; see vector_index_recall.cc.

  // Of what is nearest to a query: larger scores are nearer.
  struct NearRow {
    int64_t row = 0;
    float score = 0;
  };
  // The rows that are nearest by comparing with every vector, a few more than
  // `limit`; changes go on meanwhile. `Cancelled` if `go_on` says so.
  absl::StatusOr<std::vector<NearRow>> ScanInParts(
      absl::Span<const float> query, int limit,
      const std::function<bool()>& go_on) const;
  // The scores of the `limit` rows but `own` that are nearest now, best first,
  // of those that a scan found. Empty if too many of these are gone to know.
  std::vector<float> NearestScores(absl::Span<const float> query, int limit,
                                   int64_t own,
                                   absl::Span<const NearRow> scanned) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Finds out how wide searches of the graph must be, if that is not known: it
  // has just been built, or was saved before it was known. If the precision is
  // left to it, and codes of 4 bits find as much, the graph has these from then
  // on.
  void Calibrate(const std::function<bool()>& go_on);
  // What walks are tried with.
  struct Probe;
  // A segment of the graph's nodes, and what walks of it find.
  struct Measured;
  // One of `of` probes made up from the graph's own vectors; of no query if it
  // has none.
  Probe ProbeOf(int64_t number, int64_t of) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Has the curve of `measured` learn what walks find of what is nearest to
  // `probe`, as a scan for kManyNearest found, at any width of its. Nothing if
  // the nearest are not known.
  void Measure(const Probe& probe, absl::Span<const NearRow> scanned,
               Measured& measured) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // What such a walk of `segment` finds, with what is `unknown` to it.
  std::vector<TopRecords::Entry> FindBy(
      const GraphSegment& segment, const Probe& probe, const Reach& reach,
      absl::Span<const TopRecords::Entry> unknown) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Runs a live search again that was kept for that.
  void RunSample(const std::function<bool()>& go_on);

  // What `top` holds, whose scores are larger for what is nearer.
  SearchResult Collect(const TopRecords& top, const SearchCost& cost) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  // --- Of Save and Load; see vector_index_files.cc.

  // Maps what was written anew when so many changes had been applied, if none
  // has been since.
  absl::Status MapSaved(SavedIndex& saved, int64_t applied)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(save_mutex_) ABSL_LOCKS_EXCLUDED(mutex_);
  // Of how many queries it is known how wide the large graph is to be searched.
  int CurveQueries() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return is_calibrated_ ? curve_.queries() : 0;
  }
  std::string EncodeKeys(bool has_graph) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::Status DecodeKeys(absl::string_view bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status DecodeVectorKeys(ByteReader& reader)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status DecodeRecords(ByteReader& reader)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status DecodePassages(ByteReader& reader)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status DecodeCurve(ByteReader& reader)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What is in the graph that Load has read.
  absl::Status DecodeGraphSlots(ByteReader& reader)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const IndexSpec spec_;
  const GraphPolicy policy_;

  // Held while the index is saved, and while Optimize changes it: a change that
  // waits for a save to end would have all searches wait behind it.
  mutable absl::Mutex save_mutex_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable absl::Mutex mutex_;
  SlotVectors vectors_ ABSL_GUARDED_BY(mutex_);
  // The key of each slot.
  std::vector<int64_t> keys_ ABSL_GUARDED_BY(mutex_);
  // The slot of each key.
  SlotTable slots_ ABSL_GUARDED_BY(mutex_);
  SlotGraphs graphs_ ABSL_GUARDED_BY(mutex_);
  // Of the large graph; until it is measured, of the one before.
  RecallCurve curve_ ABSL_GUARDED_BY(mutex_);
  // Whether it is of that graph, as it is used for this precision.
  bool is_calibrated_ ABSL_GUARDED_BY(mutex_) = false;
  Precision precision_ ABSL_GUARDED_BY(mutex_);
  IndexKind kind_ ABSL_GUARDED_BY(mutex_);
  // By tier, while such a graph is built: the keys that changed since it began.
  std::optional<absl::flat_hash_set<int64_t>> changed_[2] ABSL_GUARDED_BY(
      mutex_);
  RecordTable records_ ABSL_GUARDED_BY(mutex_);
  PassageTable passages_ ABSL_GUARDED_BY(mutex_);
  PendingRecords pending_ ABSL_GUARDED_BY(mutex_);
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  // Calls of Apply.
  int64_t applied_ ABSL_GUARDED_BY(mutex_) = 0;

  // What searches tell of themselves.
  mutable SearchCosts costs_;
  mutable RecallSampler sampler_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_VECTOR_INDEX_H_
