#ifndef ENGRAM_SERVICES_SEARCH_VALUE_INDEX_H_
#define ENGRAM_SERVICES_SEARCH_VALUE_INDEX_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "libs/schema/field_value.h"
#include "services/search/slot_set.h"

class Roaring;

namespace engram::search {

// The distinct strings of a column, each with the slots that have it, and a
// number, its code. A value goes with its last slot. Not thread-safe.
class ValueIndex {
 public:
  ValueIndex();
  ~ValueIndex();

  // Notes that the slot has the value; returns the value's code.
  uint32_t Add(absl::string_view value, uint32_t slot);
  // The reverse.
  void Remove(uint32_t code, uint32_t slot);

  // The code of a value that some slot has.
  std::optional<uint32_t> Find(absl::string_view value) const;
  // As a string; of a code that is in use.
  const schema::FieldValue& ValueOf(uint32_t code) const;
  // Adds the slots that have the value.
  void AddSlots(uint32_t code, SlotSet& slots) const;

  // Calls `visit` with the code of each value, until it returns false.
  template <typename Visit>
  void ForEach(Visit visit) const {
    for (uint32_t code = 0; code < entries_.size(); ++code) {
      if (entries_[code].slots != 0 && !visit(code)) return;
    }
  }

  // All codes are below this.
  size_t codes() const { return entries_.size(); }
  // Calls `visit` with each value whose code counts more than 0, and the count.
  template <typename Visit>
  void VisitCounts(const std::vector<int64_t>& counts, Visit visit) const {
    for (uint32_t code = 0; code < counts.size(); ++code) {
      if (counts[code] > 0) visit(ValueOf(code), counts[code]);
    }
  }

  // Bytes of the values together.
  int64_t text_bytes() const { return text_bytes_; }
  int64_t memory_bytes() const;

 private:
  struct Entry {
    schema::FieldValue value;
    // How many slots; 0 is an entry that is free.
    uint32_t slots = 0;
    // The slot, while it is the only one: most values of ids and paths have no
    // other.
    uint32_t only = 0;
    // All of them, once there were several.
    std::unique_ptr<Roaring> many;
  };

  // Does not move its entries, whose values are the keys below.
  std::deque<Entry> entries_;
  std::vector<uint32_t> free_;
  absl::flat_hash_map<absl::string_view, uint32_t> codes_;
  int64_t text_bytes_ = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_VALUE_INDEX_H_
