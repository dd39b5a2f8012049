#ifndef ENGRAM_SERVICES_SEARCH_RECORD_TABLE_H_
#define ENGRAM_SERVICES_SEARCH_RECORD_TABLE_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "services/search/mapped_bytes.h"
#include "services/search/row_array.h"

namespace engram::search {

// The records that an index holds vectors of: each row's id and how many chunks
// it has. Ids lie back to back, because a std::string each would cost more than
// most ids, and are mapped once they have been saved. Not thread-safe.
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

  // What is to be saved of all ids; where one begins, the record knows.
  const MappedBytes& ids() const { return ids_; }
  uint64_t IdOffsetOf(int64_t row) const { return records_.Get(row).id_offset; }
  // Has the same ids from another place; of an empty table, those of the
  // records that follow by PutSaved.
  void ExchangeIds(MappedBytes& ids) { std::swap(ids_, ids); }
  // As Put, of a row that is not there and an id that is. False if there is no
  // id at this offset.
  bool PutSaved(int64_t row, uint64_t id_offset, int chunks);

  int64_t size() const { return static_cast<int64_t>(records_.size()); }
  // Without what is mapped.
  int64_t memory_bytes() const;

 private:
  // In eight bytes: there are millions.
  struct Record {
    // Where the id's length begins in ids_.
    uint64_t id_offset : 50 = 0;
    // 0 where there is no record.
    uint64_t chunks : 14 = 0;

    friend bool operator==(const Record&, const Record&) = default;
  };

  // Finds a row by its id. Holds the row's place alone, as the table has the
  // id.
  struct IdHash {
    using is_transparent = void;
    size_t operator()(absl::string_view id) const {
      return absl::Hash<absl::string_view>()(id);
    }
    size_t operator()(uint32_t place) const {
      return (*this)(table->IdAtPlace(place));
    }
    const RecordTable* table;
  };
  struct SameId {
    using is_transparent = void;
    bool operator()(uint32_t a, uint32_t b) const {
      return a == b || table->IdAtPlace(a) == table->IdAtPlace(b);
    }
    bool operator()(uint32_t place, absl::string_view id) const {
      return table->IdAtPlace(place) == id;
    }
    const RecordTable* table;
  };

  absl::string_view IdAt(uint64_t offset) const;
  absl::string_view IdAtPlace(uint32_t place) const {
    return IdAt(records_.At(place).id_offset);
  }
  static uint64_t AppendId(MappedBytes& ids, absl::string_view id);
  // Of two rows of one id, this one is found.
  void FindByIdOf(int64_t row);
  // Rewrites ids_ without the ids of records that are gone.
  void Compact();

  RowArray<Record> records_;
  absl::flat_hash_set<uint32_t, IdHash, SameId> rows_by_id_;
  // Each id as its length in two bytes, then its bytes.
  MappedBytes ids_;
  // Of these, the bytes of ids of records that are there.
  uint64_t live_bytes_ = 0;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_RECORD_TABLE_H_
