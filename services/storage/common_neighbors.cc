#include "services/storage/common_neighbors.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/edge_reader.h"
#include "services/storage/graph_query.h"
#include "services/storage/neighborhood.h"
#include "services/storage/read_target.h"

namespace engram::storage {
namespace {

constexpr int kDefaultOthers = 100;
constexpr int kMaxOthers = 1000;
// Of one pair.
constexpr size_t kMaxShared = 1000;

// What an element of a list takes beside its own bytes.
constexpr size_t kElementBytes = 6;

struct Degree {
  int64_t edges_out = 0;
  int64_t edges_in = 0;
  int64_t neighbors = 0;
};

Degree DegreeOf(const Neighborhood& around) {
  return {.edges_out = around.edges_out,
          .edges_in = around.edges_in,
          .neighbors = static_cast<int64_t>(around.neighbors.size())};
}

// One call, in one state of the file.
class CommonNeighborsCall {
 public:
  CommonNeighborsCall(EdgeReader& edges, std::string id, int limit,
                      const GraphLimits& limits,
                      v1::GetCommonNeighborsResponse* response)
      : edges_(edges),
        id_(std::move(id)),
        limit_(limit),
        limits_(limits),
        response_(*response) {}

  // Without `others` looks for some.
  absl::Status Run(std::vector<std::string> others);

 private:
  // A node two edges away, and how many neighbours it shares.
  using Candidate = std::pair<int64_t, absl::string_view>;
  using SharedCounts = absl::flat_hash_map<std::string, int64_t>;

  absl::Status ReadOwn();
  absl::StatusOr<std::vector<std::string>> Suggest();
  // Counts what nodes share with this one; as far as the limits allow.
  absl::StatusOr<SharedCounts> CountShared();
  // Describes one; false, and the answer as it was, if the limits forbid it.
  absl::StatusOr<bool> AddOther(const std::string& other);
  // The own neighbours that are among those of another, as places in `own_`.
  std::vector<size_t> SharedWith(const Neighborhood& other) const;
  // Of an own neighbour; nothing if the limits forbid to look.
  absl::StatusOr<std::optional<Degree>> DegreeOfOwn(size_t place);

  EdgeReader& edges_;
  const std::string id_;
  const int limit_;
  const GraphLimits& limits_;
  v1::GetCommonNeighborsResponse& response_;

  // The node's neighbours, sorted, their places, and what is known of them.
  std::vector<std::string> own_;
  absl::flat_hash_map<absl::string_view, size_t> places_;
  std::vector<std::optional<Degree>> degrees_;
  size_t answer_bytes_ = 0;
};

absl::Status CommonNeighborsCall::Run(std::vector<std::string> others) {
  edges_.Allow(limits_.edges);
  RETURN_IF_ERROR(ReadOwn());
  // Of a part of its neighbours nothing follows.
  if (response_.truncated()) return absl::OkStatus();
  if (others.empty()) {
    ASSIGN_OR_RETURN(others, Suggest());
    edges_.Allow(limits_.edges);
  }
  for (const std::string& other : others) {
    ASSIGN_OR_RETURN(const bool added, AddOther(other));
    if (added) continue;
    response_.set_truncated(true);
    break;
  }
  return absl::OkStatus();
}

absl::Status CommonNeighborsCall::ReadOwn() {
  ASSIGN_OR_RETURN(const Neighborhood around,
                   ReadNeighborhood(edges_, id_, limits_.held_bytes));
  response_.set_truncated(!around.complete);
  response_.set_neighbors(static_cast<int64_t>(around.neighbors.size()));
  own_.assign(around.neighbors.begin(), around.neighbors.end());
  std::sort(own_.begin(), own_.end());
  for (size_t i = 0; i < own_.size(); ++i) places_[own_[i]] = i;
  degrees_.resize(own_.size());
  return absl::OkStatus();
}

absl::StatusOr<CommonNeighborsCall::SharedCounts>
CommonNeighborsCall::CountShared() {
  SharedCounts counts;
  size_t bytes = 0;
  for (size_t place = 0; place < own_.size(); ++place) {
    ASSIGN_OR_RETURN(const Neighborhood around,
                     ReadNeighborhood(edges_, own_[place], limits_.held_bytes));
    if (!around.complete || bytes > limits_.held_bytes) {
      response_.set_truncated(true);
      break;
    }
    degrees_[place] = DegreeOf(around);
    for (const std::string& other : around.neighbors) {
      if (other == id_ || places_.contains(other)) continue;
      if (++counts[other] == 1) bytes += HeldBytes(other);
    }
  }
  return counts;
}

absl::StatusOr<std::vector<std::string>> CommonNeighborsCall::Suggest() {
  ASSIGN_OR_RETURN(const SharedCounts counts, CountShared());
  std::vector<Candidate> candidates;
  candidates.reserve(counts.size());
  for (const auto& [other, shared] : counts) {
    candidates.emplace_back(-shared, other);
  }
  const size_t wanted = std::min<size_t>(candidates.size(), limit_);
  std::partial_sort(candidates.begin(), candidates.begin() + wanted,
                    candidates.end());
  if (wanted < candidates.size()) response_.set_truncated(true);
  std::vector<std::string> others;
  for (size_t i = 0; i < wanted; ++i) {
    others.emplace_back(candidates[i].second);
  }
  return others;
}

std::vector<size_t> CommonNeighborsCall::SharedWith(
    const Neighborhood& other) const {
  std::vector<size_t> shared;
  for (const std::string& node : other.neighbors) {
    const auto place = places_.find(node);
    if (place != places_.end()) shared.push_back(place->second);
  }
  std::sort(shared.begin(), shared.end());
  return shared;
}

absl::StatusOr<std::optional<Degree>> CommonNeighborsCall::DegreeOfOwn(
    size_t place) {
  std::optional<Degree>& degree = degrees_[place];
  if (degree.has_value()) return degree;
  ASSIGN_OR_RETURN(const Neighborhood around,
                   ReadNeighborhood(edges_, own_[place], limits_.held_bytes));
  if (around.complete) degree = DegreeOf(around);
  return degree;
}

absl::StatusOr<bool> CommonNeighborsCall::AddOther(const std::string& other) {
  ASSIGN_OR_RETURN(const Neighborhood around,
                   ReadNeighborhood(edges_, other, limits_.held_bytes));
  if (!around.complete) return false;
  const std::vector<size_t> shared = SharedWith(around);
  v1::CommonNeighbors out;
  out.set_id(other);
  out.set_linked(places_.contains(other));
  out.set_neighbors(static_cast<int64_t>(around.neighbors.size()));
  out.set_shared_neighbors(static_cast<int64_t>(shared.size()));
  double adamic_adar = 0;
  for (const size_t place : shared) {
    ASSIGN_OR_RETURN(const std::optional<Degree> degree, DegreeOfOwn(place));
    if (!degree.has_value()) return false;
    // At least 2: the two that share it.
    adamic_adar += 1 / std::log(static_cast<double>(degree->neighbors));
    if (out.shared_size() == kMaxShared) continue;
    v1::NodeDegree& in_out = *out.add_shared();
    in_out.set_id(own_[place]);
    in_out.set_edges_out(degree->edges_out);
    in_out.set_edges_in(degree->edges_in);
    in_out.set_neighbors(degree->neighbors);
  }
  out.set_adamic_adar(adamic_adar);
  answer_bytes_ += out.ByteSizeLong() + kElementBytes;
  if (answer_bytes_ > limits_.answer_bytes && response_.others_size() > 0) {
    return false;
  }
  *response_.add_others() = std::move(out);
  return true;
}

// The nodes to compare with, checked.
std::vector<std::string> DecodeOthers(
    const v1::GetCommonNeighborsRequest& request, FieldViolations& violations) {
  CheckNodes(request.others(), 0, "others", violations);
  for (int i = 0; i < request.others_size(); ++i) {
    if (!request.id().empty() && request.others(i) == request.id()) {
      violations.Add(absl::StrCat("others[", i, "]"),
                     "is the node itself; leave it out");
    }
  }
  return {request.others().begin(), request.others().end()};
}

}  // namespace

absl::Status GetCommonNeighbors(Database& database,
                                const v1::GetCommonNeighborsRequest& request,
                                const CallBounds& bounds,
                                v1::GetCommonNeighborsResponse* response,
                                const GraphLimits& limits) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindGraph(database, request.collection()));
  FieldViolations violations;
  filter::SharedParameters parameters(request.parameters());
  CheckNode(request.id(), "id", violations);
  std::vector<std::string> others = DecodeOthers(request, violations);
  const int limit = DecodeLimit(request.limit(), kDefaultOthers, kMaxOthers,
                                "limit", violations);
  const EdgeFilter filter =
      DecodeEdgeFilter(target.collection->spec, request.kinds(),
                       request.edge_filter(), parameters, violations);
  parameters.CheckAllUsed(violations);
  RETURN_IF_ERROR(violations.ToStatus());
  const StatementGuard guard(target.connection(), bounds);
  EdgeReader edges(target.connection(), *target.collection, filter,
                   EdgeReader::Columns::kEnds, database.now_us(), bounds);
  RETURN_IF_ERROR(guard.Explain(
      CommonNeighborsCall(edges, request.id(), limit, limits, response)
          .Run(std::move(others))));
  ASSIGN_OR_RETURN(*response->mutable_position(), target.ReadPosition());
  return absl::OkStatus();
}

}  // namespace engram::storage
