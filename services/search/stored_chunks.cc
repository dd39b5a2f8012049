#include "services/search/stored_chunks.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_cat.h"

namespace engram::search {
namespace {

// A text has less than 4 GiB.
template <typename Stored>
std::vector<Passage> PassagesOf(const Stored& stored) {
  std::vector<Passage> passages;
  passages.reserve(stored.ranges_size());
  for (const common::v1::TextRange& range : stored.ranges()) {
    passages.push_back({.begin = static_cast<uint32_t>(range.begin()),
                        .end = static_cast<uint32_t>(range.end())});
  }
  return passages;
}

}  // namespace

StoredChunks ChunksOf(const storage::v1::VectorsStored& stored) {
  StoredChunks chunks{.passages = PassagesOf(stored)};
  for (const common::v1::Vector& chunk : stored.chunks()) {
    chunks.vectors.push_back(chunk.values());
  }
  return chunks;
}

absl::StatusOr<StoredChunks> TakeChunks(
    const storage::v1::StoredVectors& stored, absl::string_view* values) {
  const int64_t bytes = stored.bytes();
  const int count = stored.chunks();
  if (count <= 0 || bytes < 0 || bytes % count != 0 ||
      static_cast<uint64_t>(bytes) > values->size()) {
    return absl::DataLossError(
        absl::StrCat("the snapshot holds ", values->size(), " bytes where ",
                     count, " vectors of ", bytes, " bytes should be"));
  }
  const auto size = static_cast<size_t>(bytes / count);
  StoredChunks chunks{.passages = PassagesOf(stored)};
  chunks.vectors.reserve(count);
  for (int i = 0; i < count; ++i) {
    chunks.vectors.push_back(values->substr(0, size));
    values->remove_prefix(size);
  }
  return chunks;
}

}  // namespace engram::search
