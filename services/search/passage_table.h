#ifndef ENGRAM_SERVICES_SEARCH_PASSAGE_TABLE_H_
#define ENGRAM_SERVICES_SEARCH_PASSAGE_TABLE_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "services/search/index.h"

namespace engram::search {

// Where the chunks of records lie, of those records whose texts are cut; the
// others cost nothing. Not thread-safe.
class PassageTable {
 public:
  // Replaces the record's passages, one for each of its chunks; none forgets
  // it.
  void Put(int64_t row, std::vector<Passage> passages);
  void Erase(int64_t row) { Put(row, {}); }

  // Nothing if it is not known.
  std::optional<Passage> Find(int64_t row, int chunk) const;

  void ForEach(
      absl::FunctionRef<void(int64_t row, const std::vector<Passage>& passages)>
          visit) const;

  int64_t size() const { return static_cast<int64_t>(rows_.size()); }
  int64_t memory_bytes() const;

 private:
  absl::flat_hash_map<int64_t, std::vector<Passage>> rows_;
  int64_t passages_ = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_PASSAGE_TABLE_H_
