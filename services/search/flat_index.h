#ifndef ENGRAM_SERVICES_SEARCH_FLAT_INDEX_H_
#define ENGRAM_SERVICES_SEARCH_FLAT_INDEX_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
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
#include "services/search/top_records.h"

namespace engram::search {

// The exact index: every search compares with every vector.
//
// Vectors lie back to back in slots, in no order, so that a scan runs at the
// speed of memory. A vector's key is row * kMaxChunks + chunk, as in storage.
class FlatIndex : public Index {
 public:
  // An empty index, before the first change.
  explicit FlatIndex(IndexSpec spec);

  // Reads what Save wrote to `path_stem`, as of `sequence`. `DataLoss` if the
  // files do not fit together or do not fit `spec`.
  static absl::StatusOr<std::unique_ptr<Index>> Load(
      IndexSpec spec, const std::string& path_stem, int64_t sequence);

  const IndexSpec& spec() const override { return spec_; }
  void Apply(absl::Span<const IndexChange> changes, int64_t sequence) override;
  SearchResult Search(absl::Span<const float> query, int limit,
                      RowFilter filter) const override;
  SearchResult SearchRows(absl::Span<const float> query, int limit,
                          absl::Span<const int64_t> rows,
                          RowFilter filter) const override;
  int64_t SearchBytes() const override;
  IndexStats Stats() const override;
  FrozenIndex Freeze() const override;
  absl::StatusOr<std::vector<std::string>> Save(
      const std::string& path_stem) const override;

 private:
  void ApplyOne(const IndexChange& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PutVectors(const IndexChange& change)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveVectors(int64_t row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void RemoveKey(int64_t key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // What `top` holds, whose scores were multiplied by `sign`.
  SearchResult Collect(const TopRecords& top, float sign) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  absl::Status DecodeKeys(absl::string_view bytes)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string EncodeKeys() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const IndexSpec spec_;

  mutable absl::Mutex mutex_;
  FaissVectors vectors_ ABSL_GUARDED_BY(mutex_);
  // The key of each slot.
  std::vector<int64_t> keys_ ABSL_GUARDED_BY(mutex_);
  // The slot of each key.
  absl::flat_hash_map<int64_t, uint32_t> slots_ ABSL_GUARDED_BY(mutex_);
  RecordTable records_ ABSL_GUARDED_BY(mutex_);
  PassageTable passages_ ABSL_GUARDED_BY(mutex_);
  PendingRecords pending_ ABSL_GUARDED_BY(mutex_);
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_FLAT_INDEX_H_
