// What is kept of a group while its figures are computed.

#ifndef ENGRAM_SERVICES_STORAGE_ACCUMULATOR_H_
#define ENGRAM_SERVICES_STORAGE_ACCUMULATOR_H_

#include <cstdint>
#include <string>
#include <variant>

#include "absl/container/flat_hash_set.h"
#include "absl/numeric/int128.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/aggregate_plan.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

// A value that belongs to somebody else; `monostate` is missing.
using Cell = std::variant<std::monostate, int64_t, double, absl::string_view>;

Cell ViewOf(const ColumnValue& value);
// `type` tells bytes from text.
ColumnValue CopyOf(const Cell& cell, schema::FieldType type);

// Below, at or above zero, for two values of one type; what is missing is below
// all others. With `nocase` ASCII case does not count.
int CompareCells(const Cell& a, const Cell& b, bool nocase);

// Appends the value to `key` so that two texts are equal just where the values
// are.
void AppendToKey(const Cell& cell, bool nocase, std::string& key);

// Adds numbers up; what each addition rounds off is added at the end (Neumaier,
// 1974), so that the order hardly matters.
class CompensatedSum {
 public:
  void Add(double number);
  double Total() const { return sum_ + lost_; }

 private:
  double sum_ = 0;
  double lost_ = 0;
};

// What an Accumulator holds, by what it computes.
struct CountState {
  int64_t count = 0;
};
struct WholeSumState {
  absl::int128 sum = 0;
  int64_t count = 0;
};
struct NumberSumState {
  CompensatedSum sum;
  int64_t count = 0;
};
struct WeightedSumState {
  CompensatedSum sum;
  CompensatedSum weights;
};
struct ExtremeState {
  ColumnValue value;
};
struct DistinctState {
  // By AppendToKey.
  absl::flat_hash_set<std::string> keys;
};

// One figure of one group.
class Accumulator {
 public:
  explicit Accumulator(const AggregateFigure& figure);

  // Takes a record's values along; `value` is of no matter where the figure
  // counts records. Returns how many more bytes are kept beside this object.
  size_t Add(const AggregateFigure& figure, const Cell& value,
             const Cell& weight);

  // The figure; `monostate` if it is missing. `OutOfRange` if it is an int that
  // 64 bits do not hold. To be asked for once.
  absl::StatusOr<ColumnValue> Take(const AggregateFigure& figure);

 private:
  absl::StatusOr<ColumnValue> TakeFrom(const AggregateFigure& figure,
                                       const WholeSumState& state) const;

  std::variant<CountState, WholeSumState, NumberSumState, WeightedSumState,
               ExtremeState, DistinctState>
      state_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_ACCUMULATOR_H_
