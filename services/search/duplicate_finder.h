#ifndef ENGRAM_SERVICES_SEARCH_DUPLICATE_FINDER_H_
#define ENGRAM_SERVICES_SEARCH_DUPLICATE_FINDER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "engram/search/v1/search.pb.h"
#include "services/search/duplicate_groups.h"
#include "services/search/index.h"
#include "services/search/row_set.h"

namespace engram::search {

// Finds the records of an index that say nearly the same: searches for each of
// them once, and for each group of records of one and the same vector once for
// all.
//
// Of the index nothing is held while it goes on: what changes meanwhile may be
// seen as it was or as it is. What is kept are some 100 bytes a record. Where a
// record has very many close ones, the weakest score of its group may be that
// of another way to connect it than the best. Used once.
class DuplicateFinder {
 public:
  // Told how many records were searched for, now and then; an error ends it.
  using Progress = absl::FunctionRef<absl::Status(int64_t done)>;

  // Two records are close if the score of any two of their vectors is at least,
  // with Metric::kL2 at most, `min_score`. Of the records `rows`, each once,
  // and of them only those that `is_current` lets through; where they `are_few`
  // of those that the index has, it is not searched, but they are gone through.
  // `index` and `is_current` must outlive this object.
  DuplicateFinder(const Index& index, float min_score,
                  std::vector<int64_t> rows, bool are_few,
                  RowFilter is_current);

  // Whether so few rows are better gone through than searched for.
  static bool PrefersRows(const Index& index, size_t rows);

  // Returns the `limit` largest groups.
  absl::StatusOr<v1::FindDuplicatesResult> Find(int limit, Progress progress);

 private:
  // Adds the pairs of the record that `vector` is a vector of.
  void AddPairsOf(uint32_t record, absl::Span<const float> vector);
  // Adds those of its pairs that a search for `limit` finds, among the records
  // that `filter` lets through. Returns whether there may be more.
  bool AddNearest(uint32_t record, absl::Span<const float> vector, int limit,
                  absl::FunctionRef<bool(uint32_t other)> filter);
  // The `limit` largest ones, in their order.
  void KeepLargest(std::vector<DuplicateGroups::Group>& groups,
                   int limit) const;
  v1::DuplicateGroup EncodeGroup(const DuplicateGroups::Group& group) const;
  // The first `most` ids of the group's records, in their order.
  std::vector<std::string> IdsOf(const DuplicateGroups::Group& group,
                                 size_t most) const;

  const Index& index_;
  // Of scores, so that the larger is the closer.
  const float sign_;
  const float min_closeness_;
  // A record's number is its place here.
  const std::vector<int64_t> rows_;
  // The same to look up, one by one, rather than search the index; nothing if
  // that is faster.
  const std::optional<RowSet> few_rows_;
  const RowFilter is_current_;
  const SearchEffort effort_;
  absl::flat_hash_map<int64_t, uint32_t> numbers_;
  DuplicateGroups groups_;
  // Checksums of the vectors that were searched for.
  absl::flat_hash_set<uint64_t> searched_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_DUPLICATE_FINDER_H_
