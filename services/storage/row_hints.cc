#include "services/storage/row_hints.h"

#include "absl/hash/hash.h"

namespace engram::storage {
namespace {

constexpr int kRowBits = 48;
constexpr uint64_t kRowMask = (uint64_t{1} << kRowBits) - 1;

uint64_t Hash(const RowHints::Key& key) {
  return absl::HashOf(key.database, key.collection, key.id);
}

}  // namespace

int64_t RowHints::Find(const Key& key) const {
  const uint64_t hash = Hash(key);
  for (const auto& entry : buckets_[hash % kBuckets].entries) {
    const uint64_t value = entry.load(std::memory_order_relaxed);
    if (value >> kRowBits == hash >> kRowBits) {
      return static_cast<int64_t>(value & kRowMask);
    }
  }
  return 0;
}

void RowHints::Note(const Key& key, int64_t row) {
  const auto bits = static_cast<uint64_t>(row);
  if (bits > kRowMask) return;
  const uint64_t hash = Hash(key);
  auto& entries = buckets_[hash % kBuckets].entries;
  // What it was before, or an empty one, or any.
  auto* place = &entries[bits % entries.size()];
  for (auto& entry : entries) {
    const uint64_t value = entry.load(std::memory_order_relaxed);
    if (value == 0 || value >> kRowBits == hash >> kRowBits) {
      place = &entry;
      break;
    }
  }
  place->store(hash >> kRowBits << kRowBits | bits, std::memory_order_relaxed);
}

}  // namespace engram::storage
