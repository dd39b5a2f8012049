#ifndef ENGRAM_SERVICES_STORAGE_GROUP_TABLE_H_
#define ENGRAM_SERVICES_STORAGE_GROUP_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "services/storage/accumulator.h"
#include "services/storage/aggregate_plan.h"

namespace engram::storage {

// The most bytes that the groups of one request take in memory.
inline constexpr size_t kMaxGroupBytes = size_t{64} << 20;

// The groups that records fall into, with their figures. Takes memory by
// groups, and by different values where those are counted, not by records:
// SQLite's own GROUP BY sorts all records first, in memory.
class GroupTable {
 public:
  // What a figure takes of one record.
  struct Input {
    Cell value;
    Cell weight;
  };

  // `plan` must outlive this object. Without keys there is one group from the
  // start.
  explicit GroupTable(const AggregatePlan& plan);

  // Takes a record along, in the group of its keys: one cell for each key, one
  // input for each figure. `ResourceExhausted` beyond kMaxGroupBytes.
  absl::Status Add(absl::Span<const Cell> keys, absl::Span<const Input> inputs);

  size_t size() const { return group_count_; }

  // The columns of a group's row, to be taken once. A key of strings that
  // differ only by case is the smallest of them. `OutOfRange` as Accumulator.
  absl::StatusOr<std::vector<ColumnValue>> TakeRow(size_t group);

 private:
  size_t FindGroup(absl::Span<const Cell> keys);
  size_t NewGroup(absl::Span<const Cell> keys);
  void KeepSmallestSpelling(size_t group, absl::Span<const Cell> keys);

  const AggregatePlan& plan_;
  bool has_nocase_key_ = false;
  // By AppendToKey of each key.
  absl::flat_hash_map<std::string, size_t> groups_;
  size_t group_count_ = 0;
  // Of each group one after the other.
  std::vector<ColumnValue> keys_;
  std::vector<Accumulator> figures_;
  size_t bytes_ = 0;
  std::string key_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GROUP_TABLE_H_
