#include "services/search/record_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace engram::search {
namespace {

using IdLength = uint16_t;

// Below this, dead bytes are not worth a rewrite.
constexpr uint64_t kMinDeadBytes = 64 << 10;

}  // namespace

void RecordTable::Reserve(int64_t records) {
  records_.Reserve(records);
  rows_by_id_.reserve(records);
}

void RecordTable::Put(int64_t row, absl::string_view id, int chunks) {
  Record record = records_.Get(row);
  if (record.chunks == 0) {
    record.id_offset = AppendId(ids_, id);
    live_bytes_ += sizeof(IdLength) + id.size();
  }
  record.chunks = static_cast<uint64_t>(chunks);
  records_.Set(row, record);
  // Also for a row that was there: see RowOf.
  FindByIdOf(row);
}

bool RecordTable::PutSaved(int64_t row, uint64_t id_offset, int chunks) {
  if (ids_.size() < sizeof(IdLength) ||
      id_offset > ids_.size() - sizeof(IdLength)) {
    return false;
  }
  IdLength length;
  std::memcpy(&length, ids_.data() + id_offset, sizeof(length));
  if (length > kMaxIdBytes ||
      length > ids_.size() - sizeof(length) - id_offset) {
    return false;
  }
  records_.Set(
      row, {.id_offset = id_offset, .chunks = static_cast<uint64_t>(chunks)});
  live_bytes_ += sizeof(length) + length;
  FindByIdOf(row);
  return true;
}

void RecordTable::FindByIdOf(int64_t row) {
  const uint32_t place = records_.PlaceOf(row);
  const auto [known, is_new] = rows_by_id_.insert(place);
  if (is_new || *known == place) return;
  rows_by_id_.erase(known);
  rows_by_id_.insert(place);
}

void RecordTable::Erase(int64_t row) {
  if (records_.Get(row).chunks == 0) return;
  const absl::string_view id = IdOf(row);
  const auto known = rows_by_id_.find(id);
  if (known != rows_by_id_.end() && *known == records_.PlaceOf(row)) {
    rows_by_id_.erase(known);
  }
  live_bytes_ -= sizeof(IdLength) + id.size();
  records_.Erase(row);
  if (ids_.size() > std::max(2 * live_bytes_, live_bytes_ + kMinDeadBytes)) {
    Compact();
  }
}

int RecordTable::ChunksOf(int64_t row) const {
  return static_cast<int>(records_.Get(row).chunks);
}

absl::string_view RecordTable::IdOf(int64_t row) const {
  return IdAt(records_.Get(row).id_offset);
}

std::optional<int64_t> RecordTable::RowOf(absl::string_view id) const {
  const auto found = rows_by_id_.find(id);
  if (found == rows_by_id_.end()) return std::nullopt;
  return records_.RowAt(*found);
}

void RecordTable::ForEach(
    absl::FunctionRef<void(int64_t row, absl::string_view id, int chunks)>
        visit) const {
  records_.ForEach([&](int64_t row, const Record& record) {
    visit(row, IdAt(record.id_offset), static_cast<int>(record.chunks));
  });
}

int64_t RecordTable::memory_bytes() const {
  // One control byte a place beside the entry itself.
  constexpr size_t kPlaceBytes = sizeof(uint32_t) + 1;
  return static_cast<int64_t>(ids_.memory_bytes() +
                              rows_by_id_.capacity() * kPlaceBytes) +
         records_.memory_bytes();
}

absl::string_view RecordTable::IdAt(uint64_t offset) const {
  IdLength length;
  std::memcpy(&length, ids_.data() + offset, sizeof(length));
  return absl::string_view(ids_.data() + offset + sizeof(length), length);
}

uint64_t RecordTable::AppendId(MappedBytes& ids, absl::string_view id) {
  const uint64_t offset = ids.size();
  const IdLength length = static_cast<IdLength>(id.size());
  ids.Append(absl::string_view(reinterpret_cast<const char*>(&length),
                               sizeof(length)));
  ids.Append(id);
  return offset;
}

void RecordTable::Compact() {
  MappedBytes live;
  records_.ForEach([&](int64_t /*row*/, Record& record) {
    record.id_offset = AppendId(live, IdAt(record.id_offset));
  });
  ids_ = std::move(live);
  live_bytes_ = ids_.size();
}

}  // namespace engram::search
