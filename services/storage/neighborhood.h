#ifndef ENGRAM_SERVICES_STORAGE_NEIGHBORHOOD_H_
#define ENGRAM_SERVICES_STORAGE_NEIGHBORHOOD_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "services/storage/edge_reader.h"

namespace engram::storage {

// What is around one node.
struct Neighborhood {
  // The edges that leave it, and that go to it; one to itself is both.
  int64_t edges_out = 0;
  int64_t edges_in = 0;
  // The other nodes that it has an edge with.
  absl::flat_hash_set<std::string> neighbors;
  // Whether this is all there is: the reader's allowance was not spent, and the
  // neighbours did not take more bytes than they may.
  bool complete = true;
};

// The bytes that a node takes in a set of nodes.
inline size_t HeldBytes(absl::string_view id) { return id.size() + 64; }

// Reads the edges of `id`, whose neighbours take up to some `max_bytes`.
absl::StatusOr<Neighborhood> ReadNeighborhood(EdgeReader& edges,
                                              const std::string& id,
                                              size_t max_bytes);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_NEIGHBORHOOD_H_
