#ifndef ENGRAM_SERVICES_SEARCH_RESULT_GROUPS_H_
#define ENGRAM_SERVICES_SEARCH_RESULT_GROUPS_H_

#include <cstdint>
#include <map>

#include "absl/container/flat_hash_map.h"
#include "libs/schema/field_value.h"

namespace engram::search {

// Sees to it that a result has at most so many records of one value. A record
// without a value is a group of its own. Not thread-safe.
class ResultGroups {
 public:
  explicit ResultGroups(int size) : size_(size) {}

  // Tells the value of the record of `row`.
  void Tell(int64_t row, schema::FieldValue value);

  // Takes a place in its group for a record whose value was told; false if
  // there is none.
  bool Take(int64_t row);
  // The record has no need for its place.
  void GiveBack(int64_t row);

  // Whether some group is full, and whether that of this value is: then no
  // other record of it is wanted.
  bool is_some_full() const { return full_ > 0; }
  bool IsFull(const schema::FieldValue& value) const;

 private:
  const int size_;
  absl::flat_hash_map<int64_t, schema::FieldValue> values_;
  // How many places are taken.
  std::map<schema::FieldValue, int> taken_;
  int full_ = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RESULT_GROUPS_H_
