#ifndef ENGRAM_SERVICES_SEARCH_STORED_CHUNKS_H_
#define ENGRAM_SERVICES_SEARCH_STORED_CHUNKS_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/feed.pb.h"
#include "services/search/index.h"

namespace engram::search {

// The chunks of a record as storage sends them.
struct StoredChunks {
  // One a chunk; they live as long as the message that they are in.
  std::vector<absl::string_view> vectors;
  // Where each lies in the text; none where texts are not cut.
  std::vector<Passage> passages;
};

StoredChunks ChunksOf(const storage::v1::VectorsStored& stored);

// Takes those of `stored` off the front of `values`, which is what is left of
// SnapshotRecords.values. `DataLoss` if they are not there.
absl::StatusOr<StoredChunks> TakeChunks(
    const storage::v1::StoredVectors& stored, absl::string_view* values);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_STORED_CHUNKS_H_
