#ifndef ENGRAM_SERVICES_STORAGE_ROW_HINTS_H_
#define ENGRAM_SERVICES_STORAGE_ROW_HINTS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"

namespace engram::storage {

// Which rows records had when they were last read by id, of all databases: to
// read a record by its row costs half of what it costs to look its id up first.
//
// Only hints: meanwhile the row may have gone, and a few are another record's.
// Whoever reads by one asks for the id as well, so that nobody needs to tell of
// changes. Thread-safe, without locks.
class RowHints {
 public:
  // Each names a record.
  struct Key {
    absl::string_view database;
    int64_t collection = 0;
    absl::string_view id;
  };

  RowHints() : buckets_(std::make_unique<Bucket[]>(kBuckets)) {}

  // Returns the row that the record may have; 0 if there is no hint.
  int64_t Find(const Key& key) const;

  // Forgets another record where there is no place.
  void Note(const Key& key, int64_t row);

 private:
  // A line of the processor's cache. An entry is a row and, above it, bits that
  // tell most keys apart; 0 is none.
  struct alignas(64) Bucket {
    std::array<std::atomic<uint64_t>, 8> entries = {};
  };
  // 2 MiB, for 262,144 records.
  static constexpr size_t kBuckets = size_t{1} << 15;

  const std::unique_ptr<Bucket[]> buckets_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_ROW_HINTS_H_
