#include "services/search/stored_chunks.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"

namespace engram::search {
namespace {

using Ranges = google::protobuf::RepeatedPtrField<common::v1::TextRange>;

// Of `count` ranges, from `first` on. A text has less than 4 GiB.
std::vector<Passage> PassagesOf(const Ranges& ranges, int first, int count) {
  std::vector<Passage> passages;
  passages.reserve(count);
  for (int i = first; i < first + count; ++i) {
    passages.push_back({.begin = static_cast<uint32_t>(ranges[i].begin()),
                        .end = static_cast<uint32_t>(ranges[i].end())});
  }
  return passages;
}

bool HasPlace(int record, const storage::v1::SnapshotRecords& part) {
  return record >= 0 && record < part.rows_size();
}

int ChunksOfRecord(const storage::v1::StoredVectors& stored, int i) {
  return stored.chunks().empty() ? 1 : stored.chunks(i);
}

int64_t CountChunks(const storage::v1::StoredVectors& stored) {
  int64_t chunks = 0;
  for (int i = 0; i < stored.records_size(); ++i) {
    chunks += ChunksOfRecord(stored, i);
  }
  return chunks;
}

absl::Status CheckVectors(const storage::v1::StoredVectors& stored,
                          const storage::v1::SnapshotRecords& part) {
  const int records = stored.records_size();
  bool fits = stored.sequences_size() == records &&
              (stored.chunks().empty() || stored.chunks_size() == records);
  for (const int record : stored.records()) {
    fits = fits && HasPlace(record, part);
  }
  for (const int chunks : stored.chunks()) fits = fits && chunks > 0;
  if (!fits) {
    return absl::DataLossError(absl::StrCat(
        "the snapshot's vectors of generation ", stored.generation(),
        " are of ", records, " records, with ", stored.sequences_size(),
        " sequences and ", stored.chunks_size(),
        " numbers of chunks, of a run of ", part.rows_size()));
  }
  const int64_t chunks = CountChunks(stored);
  const auto bytes = static_cast<int64_t>(stored.values().size());
  const bool has_values = chunks == 0 ? bytes == 0 : bytes % chunks == 0;
  if (!has_values ||
      (!stored.ranges().empty() && stored.ranges_size() != chunks)) {
    return absl::DataLossError(
        absl::StrCat("the snapshot holds ", bytes, " bytes and ",
                     stored.ranges_size(), " places in texts for ", chunks,
                     " vectors of generation ", stored.generation()));
  }
  return absl::OkStatus();
}

}  // namespace

StoredChunks ChunksOf(const storage::v1::VectorsStored& stored) {
  StoredChunks chunks{.passages =
                          PassagesOf(stored.ranges(), 0, stored.ranges_size())};
  for (const common::v1::Vector& chunk : stored.chunks()) {
    chunks.vectors.push_back(chunk.values());
  }
  return chunks;
}

absl::Status CheckColumns(const storage::v1::SnapshotRecords& part) {
  const int records = part.rows_size();
  bool fits = part.ids_size() == records && part.sequences_size() == records &&
              (part.attributes().empty() || part.attributes_size() == records);
  for (const storage::v1::SnapshotExpiry& expiry : part.expiries()) {
    fits = fits && HasPlace(expiry.record(), part);
  }
  for (const storage::v1::PendingVector& pending : part.pending()) {
    fits = fits && HasPlace(pending.record(), part);
  }
  if (!fits) {
    return absl::DataLossError(absl::StrCat(
        "the snapshot holds ", records, " rows, ", part.ids_size(), " ids, ",
        part.sequences_size(), " sequences and ", part.attributes_size(),
        " records' attributes, or names a record that is not there"));
  }
  for (const storage::v1::StoredVectors& stored : part.vectors()) {
    RETURN_IF_ERROR(CheckVectors(stored, part));
  }
  return absl::OkStatus();
}

absl::Status ForEachRecord(
    const storage::v1::StoredVectors& stored,
    absl::FunctionRef<absl::Status(int record, int64_t sequence,
                                   StoredChunks chunks)>
        use) {
  absl::string_view values = stored.values();
  const auto size = static_cast<size_t>(
      values.size() / std::max<int64_t>(1, CountChunks(stored)));
  int first = 0;
  for (int i = 0; i < stored.records_size(); ++i) {
    const int count = ChunksOfRecord(stored, i);
    StoredChunks chunks;
    if (!stored.ranges().empty()) {
      chunks.passages = PassagesOf(stored.ranges(), first, count);
    }
    first += count;
    chunks.vectors.reserve(count);
    for (int chunk = 0; chunk < count; ++chunk) {
      chunks.vectors.push_back(values.substr(0, size));
      values.remove_prefix(size);
    }
    RETURN_IF_ERROR(
        use(stored.records(i), stored.sequences(i), std::move(chunks)));
  }
  return absl::OkStatus();
}

}  // namespace engram::search
