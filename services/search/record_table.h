#ifndef ENGRAM_SERVICES_SEARCH_RECORD_TABLE_H_
#define ENGRAM_SERVICES_SEARCH_RECORD_TABLE_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace engram::search {

// The records that an index holds vectors of: each row's id and how many chunks
// it has. Ids lie back to back in one buffer, because a std::string each would
// cost more than most ids. Not thread-safe.
class RecordTable {
 public:
  // The longest id, in bytes.
  static constexpr size_t kMaxIdBytes = 512;

  // Adds the record or changes its number of chunks. A row keeps the id that it
  // was added with.
  void Put(int64_t row, absl::string_view id, int chunks);
  // Removes the record; one that is not there is no error.
  void Erase(int64_t row);

  // 0 if there is no such record.
  int ChunksOf(int64_t row) const;
  // The record must be there. Good until the next change.
  absl::string_view IdOf(int64_t row) const;

  void ForEach(
      absl::FunctionRef<void(int64_t row, absl::string_view id, int chunks)>
          visit) const;

  int64_t size() const { return static_cast<int64_t>(records_.size()); }
  int64_t memory_bytes() const;

 private:
  struct Record {
    // Where the id's length begins in ids_.
    uint64_t id_offset = 0;
    int chunks = 0;
  };

  absl::string_view IdAt(uint64_t offset) const;
  uint64_t AppendId(std::string& ids, absl::string_view id) const;
  // Rewrites ids_ without the ids of records that are gone.
  void Compact();

  absl::flat_hash_map<int64_t, Record> records_;
  // Each id as its length in two bytes, then its bytes.
  std::string ids_;
  uint64_t dead_bytes_ = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RECORD_TABLE_H_
