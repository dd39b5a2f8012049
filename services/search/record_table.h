#ifndef ENGRAM_SERVICES_SEARCH_RECORD_TABLE_H_
#define ENGRAM_SERVICES_SEARCH_RECORD_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace engram::search {

// The records that an index holds vectors of: each row's id and how many chunks
// it has. Ids lie back to back in one buffer, because a std::string each would
// cost more than most ids. Not thread-safe.
class RecordTable {
 public:
  // The longest id, in bytes.
  static constexpr size_t kMaxIdBytes = 512;

  RecordTable() : rows_by_id_(0, IdHash{this}, SameId{this}) {}
  RecordTable(const RecordTable&) = delete;
  RecordTable& operator=(const RecordTable&) = delete;

  // So many records will come: saves making room for them again and again.
  void Reserve(int64_t records);

  // Adds the record or changes its number of chunks. A row keeps the id that it
  // was added with.
  void Put(int64_t row, absl::string_view id, int chunks);
  // Removes the record; one that is not there is no error.
  void Erase(int64_t row);

  // 0 if there is no such record.
  int ChunksOf(int64_t row) const;
  // The record must be there. Good until the next change.
  absl::string_view IdOf(int64_t row) const;
  // Nothing if there is no such record. Of two of one id, which there are only
  // while changes are applied again, the one that was put last.
  std::optional<int64_t> RowOf(absl::string_view id) const;

  void ForEach(
      absl::FunctionRef<void(int64_t row, absl::string_view id, int chunks)>
          visit) const;

  int64_t size() const { return static_cast<int64_t>(records_.size()); }
  int64_t memory_bytes() const;

 private:
  // In eight bytes: there are millions.
  struct Record {
    // Where the id's length begins in ids_.
    uint64_t id_offset : 50 = 0;
    uint64_t chunks : 14 = 0;
  };

  // Finds a row by its id. Holds the row alone, as the table has the id.
  struct IdHash {
    using is_transparent = void;
    size_t operator()(absl::string_view id) const {
      return absl::Hash<absl::string_view>()(id);
    }
    size_t operator()(int64_t row) const { return (*this)(table->IdOf(row)); }
    const RecordTable* table;
  };
  struct SameId {
    using is_transparent = void;
    bool operator()(int64_t a, int64_t b) const {
      return a == b || table->IdOf(a) == table->IdOf(b);
    }
    bool operator()(int64_t row, absl::string_view id) const {
      return table->IdOf(row) == id;
    }
    const RecordTable* table;
  };

  absl::string_view IdAt(uint64_t offset) const;
  uint64_t AppendId(std::string& ids, absl::string_view id) const;
  // Rewrites ids_ without the ids of records that are gone.
  void Compact();

  absl::flat_hash_map<int64_t, Record> records_;
  absl::flat_hash_set<int64_t, IdHash, SameId> rows_by_id_;
  // Each id as its length in two bytes, then its bytes.
  std::string ids_;
  uint64_t dead_bytes_ = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RECORD_TABLE_H_
