// Indexes as they travel.

#ifndef ENGRAM_SERVICES_SEARCH_INDEX_VIEW_H_
#define ENGRAM_SERVICES_SEARCH_INDEX_VIEW_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "engram/search/v1/index.pb.h"
#include "engram/storage/v1/vector.pb.h"
#include "google/protobuf/repeated_field.h"
#include "services/search/database_index.h"
#include "services/search/feed_follower.h"
#include "services/search/index.h"
#include "services/search/search_backend.h"

namespace engram::search {

// `stats` are the index's.
void EncodeIndex(const FeedFollower& follower, const DatabaseIndex& database,
                 const IndexSpec& spec, const IndexStats& stats,
                 v1::Index& encoded);

// Finds the index that a request names. FindReadyIndex's errors; `NotFound`,
// reason GENERATION_UNKNOWN, if the vector field has no such generation.
absl::StatusOr<ReadyIndex> FindIndex(const FeedFollower& follower,
                                     const v1::GetIndexRequest& request);

// What the index's memory, and that of its collection's attributes, is made of:
// the largest part first. The parts add up to `index`'s memory_bytes and
// attribute_bytes.
void EncodeMemory(const IndexMemory& memory, int64_t attribute_bytes,
                  google::protobuf::RepeatedPtrField<v1::MemoryPart>& parts);

// What storage counts of `vector_field`, beside the records that the index has.
v1::IndexCoverage EncodeCoverage(
    const storage::v1::GetCoverageResponse& coverage,
    const std::string& vector_field, int64_t indexed);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_INDEX_VIEW_H_
