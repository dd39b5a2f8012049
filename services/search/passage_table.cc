#include "services/search/passage_table.h"

#include <utility>

namespace engram::search {

void PassageTable::Put(int64_t row, std::vector<Passage> passages) {
  const auto found = rows_.find(row);
  if (found != rows_.end()) {
    passages_ -= static_cast<int64_t>(found->second.size());
    rows_.erase(found);
  }
  if (passages.empty()) return;
  passages_ += static_cast<int64_t>(passages.size());
  passages.shrink_to_fit();
  rows_[row] = std::move(passages);
}

std::optional<Passage> PassageTable::Find(int64_t row, int chunk) const {
  const auto found = rows_.find(row);
  if (found == rows_.end() || chunk >= found->second.size()) {
    return std::nullopt;
  }
  return found->second[chunk];
}

void PassageTable::ForEach(
    absl::FunctionRef<void(int64_t row, const std::vector<Passage>& passages)>
        visit) const {
  for (const auto& [row, passages] : rows_) visit(row, passages);
}

int64_t PassageTable::memory_bytes() const {
  // One control byte a place beside the entry itself.
  constexpr size_t kEntryBytes =
      sizeof(std::pair<const int64_t, std::vector<Passage>>) + 1;
  return static_cast<int64_t>(rows_.capacity() * kEntryBytes +
                              passages_ * sizeof(Passage));
}

}  // namespace engram::search
