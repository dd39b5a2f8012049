#include "services/search/record_table.h"

#include <cstring>
#include <utility>

namespace engram::search {
namespace {

using IdLength = uint16_t;

// Below this, dead bytes are not worth a rewrite.
constexpr uint64_t kMinDeadBytes = 64 << 10;

}  // namespace

void RecordTable::Reserve(int64_t records) {
  records_.reserve(records);
  rows_by_id_.reserve(records);
}

void RecordTable::Put(int64_t row, absl::string_view id, int chunks) {
  const auto [found, added] = records_.try_emplace(row);
  if (added) found->second.id_offset = AppendId(ids_, id);
  found->second.chunks = static_cast<uint64_t>(chunks);
  // Also for a row that was there: see RowOf.
  const auto [known, is_new] = rows_by_id_.insert(row);
  if (is_new || *known == row) return;
  rows_by_id_.erase(known);
  rows_by_id_.insert(row);
}

void RecordTable::Erase(int64_t row) {
  const auto found = records_.find(row);
  if (found == records_.end()) return;
  const absl::string_view id = IdAt(found->second.id_offset);
  const auto known = rows_by_id_.find(id);
  if (known != rows_by_id_.end() && *known == row) rows_by_id_.erase(known);
  dead_bytes_ += sizeof(IdLength) + id.size();
  records_.erase(found);
  if (dead_bytes_ > kMinDeadBytes && dead_bytes_ > ids_.size() / 2) Compact();
}

int RecordTable::ChunksOf(int64_t row) const {
  const auto found = records_.find(row);
  return found == records_.end() ? 0 : static_cast<int>(found->second.chunks);
}

absl::string_view RecordTable::IdOf(int64_t row) const {
  return IdAt(records_.at(row).id_offset);
}

std::optional<int64_t> RecordTable::RowOf(absl::string_view id) const {
  const auto found = rows_by_id_.find(id);
  if (found == rows_by_id_.end()) return std::nullopt;
  return *found;
}

void RecordTable::ForEach(
    absl::FunctionRef<void(int64_t row, absl::string_view id, int chunks)>
        visit) const {
  for (const auto& [row, record] : records_) {
    visit(row, IdAt(record.id_offset), static_cast<int>(record.chunks));
  }
}

int64_t RecordTable::memory_bytes() const {
  // One control byte a place beside the entry itself.
  constexpr size_t kEntryBytes = sizeof(std::pair<const int64_t, Record>) + 1;
  constexpr size_t kRowBytes = sizeof(int64_t) + 1;
  return static_cast<int64_t>(ids_.capacity() +
                              records_.capacity() * kEntryBytes +
                              rows_by_id_.capacity() * kRowBytes);
}

absl::string_view RecordTable::IdAt(uint64_t offset) const {
  IdLength length;
  std::memcpy(&length, ids_.data() + offset, sizeof(length));
  return absl::string_view(ids_.data() + offset + sizeof(length), length);
}

uint64_t RecordTable::AppendId(std::string& ids, absl::string_view id) const {
  const uint64_t offset = ids.size();
  const IdLength length = static_cast<IdLength>(id.size());
  ids.append(reinterpret_cast<const char*>(&length), sizeof(length));
  ids.append(id.data(), id.size());
  return offset;
}

void RecordTable::Compact() {
  std::string live;
  live.reserve(ids_.size() - dead_bytes_);
  for (auto& [row, record] : records_) {
    record.id_offset = AppendId(live, IdAt(record.id_offset));
  }
  ids_ = std::move(live);
  dead_bytes_ = 0;
}

}  // namespace engram::search
