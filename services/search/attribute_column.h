#ifndef ENGRAM_SERVICES_SEARCH_ATTRIBUTE_COLUMN_H_
#define ENGRAM_SERVICES_SEARCH_ATTRIBUTE_COLUMN_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/filter/filter.h"
#include "libs/schema/field_value.h"
#include "services/search/slot_set.h"

namespace engram::search {

// What holds while one filter is evaluated.
class Evaluation {
 public:
  Evaluation(int64_t now_us, absl::Time deadline)
      : now_us_(now_us), deadline_(deadline) {}

  // What `now` means.
  int64_t now_us() const { return now_us_; }

  // For each value that is looked at: false once the deadline has passed, which
  // ends the evaluation.
  bool Goes();
  bool ended() const { return ended_; }

 private:
  const int64_t now_us_;
  const absl::Time deadline_;
  int64_t steps_ = 0;
  bool ended_ = false;
};

// The values of one field of a collection's records, by slot. Not thread-safe,
// except that const methods may run beside each other.
class AttributeColumn {
 public:
  // Of a field of `type`, which is one that search holds.
  static std::unique_ptr<AttributeColumn> Of(schema::FieldType type);
  virtual ~AttributeColumn() = default;

  // `monostate` is no value. False if the value is too large to be held.
  virtual bool Set(uint32_t slot, const schema::FieldValue& value) = 0;
  virtual schema::FieldValue Get(uint32_t slot) const = 0;

  // The slots of `within` that meet a predicate over this field and no other;
  // nothing if that can only be told slot by slot.
  virtual std::optional<SlotSet> Find(const filter::Node& predicate,
                                      const SlotSet& within,
                                      Evaluation& evaluation) const = 0;

  // Calls `visit` with each value that slots of `within` have, of a list with
  // each of its elements, and how many of them; in no order. Not at all if the
  // evaluation ends first.
  using ValueCounter =
      absl::FunctionRef<void(const schema::FieldValue& value, int64_t count)>;
  virtual void CountValues(const SlotSet& within, Evaluation& evaluation,
                           ValueCounter visit) const = 0;

  virtual int64_t memory_bytes() const = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_ATTRIBUTE_COLUMN_H_
