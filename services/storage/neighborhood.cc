#include "services/storage/neighborhood.h"

#include "absl/types/span.h"
#include "libs/status/status_macros.h"

namespace engram::storage {

absl::StatusOr<Neighborhood> ReadNeighborhood(EdgeReader& edges,
                                              const std::string& id,
                                              size_t max_bytes) {
  Neighborhood around;
  size_t bytes = 0;
  const auto add = [&](const EdgeView& edge) -> absl::StatusOr<bool> {
    if (edge.far == id || !around.neighbors.emplace(edge.far).second) {
      return true;
    }
    bytes += HeldBytes(edge.far);
    if (bytes > max_bytes) around.complete = false;
    return around.complete;
  };
  RETURN_IF_ERROR(edges.Visit(EdgeEnd::kSource, absl::MakeConstSpan(&id, 1),
                              [&](const EdgeView& edge) {
                                ++around.edges_out;
                                return add(edge);
                              }));
  if (!around.complete) return around;
  RETURN_IF_ERROR(edges.Visit(EdgeEnd::kTarget, absl::MakeConstSpan(&id, 1),
                              [&](const EdgeView& edge) {
                                ++around.edges_in;
                                return add(edge);
                              }));
  if (edges.spent()) around.complete = false;
  return around;
}

}  // namespace engram::storage
