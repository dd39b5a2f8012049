#include "services/storage/node_degrees.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/edge_reader.h"
#include "services/storage/graph_query.h"
#include "services/storage/neighborhood.h"
#include "services/storage/read_target.h"

namespace engram::storage {
namespace {

absl::Status Count(EdgeReader& edges, const v1::GetDegreesRequest& request,
                   const GraphLimits& limits,
                   v1::GetDegreesResponse* response) {
  edges.Allow(limits.counted_edges);
  for (const std::string& id : request.ids()) {
    ASSIGN_OR_RETURN(const Neighborhood around,
                     ReadNeighborhood(edges, id, limits.held_bytes));
    if (edges.spent()) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the nodes up to \"", CutText(id, 64), "\" have more than ",
          limits.counted_edges, " edges; ask for fewer nodes a call"));
    }
    if (!around.complete) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "node \"", CutText(id, 64), "\" has more neighbours than ",
          limits.held_bytes >> 20,
          " MiB hold; count those of some `kinds`, or by an `edge_filter`"));
    }
    v1::NodeDegree& degree = *response->add_degrees();
    degree.set_id(id);
    degree.set_edges_out(around.edges_out);
    degree.set_edges_in(around.edges_in);
    degree.set_neighbors(static_cast<int64_t>(around.neighbors.size()));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status GetDegrees(Database& database,
                        const v1::GetDegreesRequest& request,
                        const CallBounds& bounds,
                        v1::GetDegreesResponse* response,
                        const GraphLimits& limits) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindGraph(database, request.collection()));
  FieldViolations violations;
  filter::SharedParameters parameters(request.parameters());
  CheckNodes(request.ids(), 1, "ids", violations);
  const EdgeFilter filter =
      DecodeEdgeFilter(target.collection->spec, request.kinds(),
                       request.edge_filter(), parameters, violations);
  parameters.CheckAllUsed(violations);
  RETURN_IF_ERROR(violations.ToStatus());
  const StatementGuard guard(target.connection(), bounds);
  EdgeReader edges(target.connection(), *target.collection, filter,
                   EdgeReader::Columns::kEnds, database.now_us(), bounds);
  RETURN_IF_ERROR(guard.Explain(Count(edges, request, limits, response)));
  ASSIGN_OR_RETURN(*response->mutable_position(), target.ReadPosition());
  return absl::OkStatus();
}

}  // namespace engram::storage
