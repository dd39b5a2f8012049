#ifndef ENGRAM_SERVICES_STORAGE_AGGREGATE_PLAN_H_
#define ENGRAM_SERVICES_STORAGE_AGGREGATE_PLAN_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/filter/filter.h"
#include "libs/schema/field_value.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// The most keys and figures of one request.
inline constexpr int kMaxGroupKeys = 8;
inline constexpr int kMaxAggregations = 32;

// One column of the rows that answer a request for figures.
struct AggregateColumn {
  std::string name;
  // What its values are answered as. A duration is a double, in seconds.
  schema::FieldType type = schema::FieldType::kString;
  // Its strings compare without regard to ASCII case.
  bool nocase = false;
  // An int that answers carry as a string.
  bool render_string = false;
};

// What records are grouped by.
struct AggregateKey {
  AggregateColumn column;
  // Over a record. Of type kStrings: by each element.
  filter::Node value;
  v1::TimeBucket bucket = v1::TIME_BUCKET_UNSPECIFIED;
};

// What is computed of a group.
struct AggregateFigure {
  AggregateColumn column;
  v1::Aggregation::Function function = v1::Aggregation::FUNCTION_UNSPECIFIED;
  // Over a record; unset counts records.
  std::optional<filter::Node> value;
  std::optional<filter::Node> weight;
};

// Orders rows by a column: the keys' come first, then the figures'.
struct AggregateOrder {
  int column = 0;
  bool descending = false;
};

// A request for figures, read and checked.
struct AggregatePlan {
  filter::Node filter;
  std::vector<AggregateKey> keys;
  std::vector<AggregateFigure> figures;
  // Over a row; places are columns, as in AggregateOrder.
  std::optional<filter::Node> having;
  // Every key is in it, so that no two rows are equal.
  std::vector<AggregateOrder> order;
  int limit = 0;

  size_t column_count() const { return keys.size() + figures.size(); }
  const AggregateColumn& column(size_t place) const {
    return place < keys.size() ? keys[place].column
                               : figures[place - keys.size()].column;
  }
};

// Reads a request about the collection. `InvalidArgument` with every violation
// of it.
absl::StatusOr<AggregatePlan> DecodeAggregate(
    const Collection& collection, const v1::AggregateRequest& request);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_AGGREGATE_PLAN_H_
