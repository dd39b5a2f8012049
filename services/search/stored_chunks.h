#ifndef ENGRAM_SERVICES_SEARCH_STORED_CHUNKS_H_
#define ENGRAM_SERVICES_SEARCH_STORED_CHUNKS_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
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

// `DataLoss` if columns of `part` that belong together differ in length, or
// name what is not there.
absl::Status CheckColumns(const storage::v1::SnapshotRecords& part);

// Calls `use` with what each record has of `stored`: its place in the run, the
// sequence of its vectors, and they. They are of a part that is checked.
absl::Status ForEachRecord(
    const storage::v1::StoredVectors& stored,
    absl::FunctionRef<absl::Status(int record, int64_t sequence,
                                   StoredChunks chunks)>
        use);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_STORED_CHUNKS_H_
