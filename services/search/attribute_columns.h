#ifndef ENGRAM_SERVICES_SEARCH_ATTRIBUTE_COLUMNS_H_
#define ENGRAM_SERVICES_SEARCH_ATTRIBUTE_COLUMNS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/filter/filter.h"
#include "services/search/attribute_column.h"
#include "services/search/collection_schema.h"
#include "services/search/row_set.h"
#include "services/search/slot_set.h"

namespace engram::search {

// What the feed tells of one record's attributes.
struct AttributeChange {
  enum class Kind {
    // The record has these.
    kPut,
    // The record is gone.
    kErase,
    // The record is there, but storage does not tell of its attributes.
    kUntold,
  };

  Kind kind = Kind::kPut;
  int64_t row = 0;
  int64_t created_us = 0;
  int64_t updated_us = 0;
  // See storage.v1.Attributes. Borrowed until Apply returns.
  absl::string_view fields;
  bool later_schema = false;
};

// A filter that was read by the names of one schema, and what else a query
// wants to know of the records.
struct ReadFilter {
  std::shared_ptr<const CollectionSchema> schema;
  filter::Node condition;
  // Nothing of the condition may be left to storage.
  bool is_complete = false;
  // Places of held fields whose values are asked for: then it is complete, too.
  std::optional<int> group;
  std::vector<int> facets;
};

// The records of a collection that may meet a filter. Good during the call that
// it is handed to.
class MatchingRows {
 public:
  // Whether these are all that meet the filter and no others; else storage must
  // be asked about each.
  virtual bool is_exact() const = 0;
  // Whether the record of `row` is one of them.
  virtual bool Has(int64_t row) const = 0;
  // How many they are, and of how many; both 0 if nothing is known of any, when
  // every record may meet the filter.
  virtual int64_t count() const = 0;
  virtual int64_t total() const = 0;
  // The rows; for a count above 0.
  virtual RowSet Rows() const = 0;

  // The value of a field that the filter asks for; none where the row has none.
  virtual schema::FieldValue ValueOf(int64_t row, int place) const = 0;
  // Counts the values of a field that the filter asks for, of these rows
  // without those of `without`. `DeadlineExceeded` if that takes too long.
  virtual absl::Status CountValues(
      int place, absl::Span<const int64_t> without,
      AttributeColumn::ValueCounter visit) const = 0;

 protected:
  ~MatchingRows() = default;
};

// The attributes of all records at one moment, as VerifyIndex compares them.
struct FrozenAttributes {
  // Of the last change applied.
  int64_t sequence = 0;
  // AttributeChecksum by row.
  absl::flat_hash_map<int64_t, uint64_t> checksums;
};

// Of what storage.v1.Attributes tells.
uint64_t AttributeChecksum(int64_t created_us, int64_t updated_us,
                           absl::string_view fields);

// The attributes of one collection's records, for filters: a column for each
// field that search holds, and for the times of creation and of the last
// change.
//
// A column answers for the records once it has the values of all of them. One
// that a change of schema brought has not, until they are read from storage
// (BeginFill); one whose values grow too large is given up. What is not
// answered here is asked of storage.
//
// Thread-safe: any number of readers beside one applier.
class AttributeColumns {
 public:
  // No records, and no column that answers: see CompleteFrom.
  explicit AttributeColumns(std::shared_ptr<const CollectionSchema> schema);

  // --- The applier.

  // Applies `changes`, in order, and moves to `sequence`; a filter sees all of
  // it or nothing.
  void Apply(absl::Span<const AttributeChange> changes, int64_t sequence);

  // All columns have the values of all records, as of `sequence` and later.
  void CompleteFrom(int64_t sequence);

  // Goes on with another schema; columns that may have other values now wait to
  // be filled.
  void ChangeSchema(std::shared_ptr<const CollectionSchema> schema);

  // The values of a field may be others than were told.
  void Distrust(absl::string_view field);

  // Whether columns wait to be filled: with a snapshot of the attributes as the
  // present schema has them, applied by Apply, then CompleteFrom its end.
  bool WantsFill() const;

  // --- Readers.

  std::shared_ptr<const CollectionSchema> schema() const;

  // Calls `visit` with the rows that may meet the filter; no change is applied
  // before it returns. `Aborted` if the schema is another by now than the
  // filter was read by; `DeadlineExceeded` if that takes longer than
  // `deadline`. Where the filter is to be complete, `Unavailable` if a column
  // that it takes is still being filled, `FailedPrecondition` if it was given
  // up.
  absl::Status Find(const ReadFilter& filter, absl::Time now,
                    absl::Time deadline,
                    absl::FunctionRef<void(const MatchingRows&)> visit) const;

  // Copies checksums of all records' attributes; nothing if some column does
  // not answer, whose values need not be storage's.
  std::optional<FrozenAttributes> Freeze() const;

  // Records whose attributes are held.
  int64_t size() const;
  int64_t memory_bytes() const;

  // Appends the columns to `bytes`, and reads what that appended into an object
  // of the same schema that is new. `DataLoss` if it is damaged.
  void Encode(std::string& bytes) const;
  absl::Status Decode(absl::string_view bytes);

 private:
  // A column and whether it answers.
  struct Column {
    // Null once it is given up.
    std::unique_ptr<AttributeColumn> values;
    // From this sequence on it has the values of all records.
    int64_t complete_from = 0;
  };

  bool Answers(int place) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  // Whether all that a complete filter takes is here.
  absl::Status CheckComplete(const ReadFilter& filter) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool IsKnown(const Column& column) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool AnswersAll(const filter::Node& condition) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void Put(const AttributeChange& change) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Erase(int64_t row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint32_t SlotOf(int64_t row) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Set(int place, Column& column, uint32_t slot,
           const schema::FieldValue& value)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // All columns; until there is another object of this class.
  void GiveUp() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::string EncodeState() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  std::string FieldsOf(uint32_t slot) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  int64_t TimeOf(int place, uint32_t slot) const
      ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  std::shared_ptr<const CollectionSchema> schema_ ABSL_GUARDED_BY(mutex_);
  int64_t sequence_ ABSL_GUARDED_BY(mutex_) = 0;
  // Attributes of a schema that is still to come were applied: nothing answers
  // until it has come.
  bool is_ahead_ ABSL_GUARDED_BY(mutex_) = false;
  // By place of schema::RecordScope: the held fields and the two times.
  std::map<int, Column> columns_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<int64_t, uint32_t> slots_ ABSL_GUARDED_BY(mutex_);
  // The row of each slot; those that are free are not in `live_`.
  std::vector<int64_t> rows_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint32_t> free_slots_ ABSL_GUARDED_BY(mutex_);
  SlotSet live_ ABSL_GUARDED_BY(mutex_);
  // The words of 64 slots whose rows follow each other.
  SlotSet runs_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_ATTRIBUTE_COLUMNS_H_
