#ifndef ENGRAM_SERVICES_STORAGE_RECORD_CONDITION_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_CONDITION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/filter/filter.h"
#include "libs/filter/shared_parameters.h"
#include "libs/sqlite/statement.h"
#include "libs/status/errors.h"
#include "services/storage/catalog.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

// Whether records are found that are deleted but kept.
enum class Deleted { kHidden, kIncluded };

// How a condition finds out whether a list has an element.
enum class Elements {
  // By the index of elements, if there is one: where the condition is what
  // finds the records.
  kOfIndex,
  // In the list itself: where each record is at hand.
  kOfRecord,
};

// SQL over a collection's table, which stands alone in its FROM: true of the
// records that a filter is true of.
struct RecordCondition {
  std::string sql;
  // The values of its `?`s, in order.
  std::vector<ColumnValue> parameters;
};

// Compiles `filter`. What has expired at `now_us` is not found; nor is it what
// `now` means. The text depends on the filter's form only, not on values, so
// that a cached statement serves all requests of one form.
RecordCondition CompileCondition(const Collection& collection,
                                 const filter::Node& filter, Deleted deleted,
                                 int64_t now_us,
                                 Elements elements = Elements::kOfIndex);

// Binds the values to the parameters from `first` on; returns the next one.
// They must outlive the statement's run.
int BindAll(sqlite::Statement& statement, int first,
            const std::vector<ColumnValue>& values);

// Reads the filter of a request that reads, in its field `path`; an empty one
// is true of every record. After a violation what is returned is of no use.
filter::Node DecodeReadFilter(const filter::Scope& scope,
                              absl::string_view text, absl::string_view path,
                              filter::SharedParameters& parameters,
                              FieldViolations& violations);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_CONDITION_H_
