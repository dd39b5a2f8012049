#include "services/search/index_view.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/util/time_util.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/search/query_decoder.h"

namespace engram::search {
namespace {

common::v1::Precision EncodePrecision(Precision precision) {
  switch (precision) {
    case Precision::kAuto:
      return common::v1::PRECISION_AUTO;
    case Precision::kFloat32:
      return common::v1::PRECISION_FLOAT32;
    case Precision::kInt8:
      return common::v1::PRECISION_INT8;
    case Precision::kInt4:
      return common::v1::PRECISION_INT4;
  }
  return common::v1::PRECISION_UNSPECIFIED;
}

}  // namespace

void EncodeIndex(const FeedFollower& follower, const DatabaseIndex& database,
                 const IndexSpec& spec, const IndexStats& stats,
                 v1::Index& encoded) {
  const IndexName name = database.NameOf(spec.generation);
  Position position = database.position();
  position.sequence = stats.sequence;
  encoded.set_database(follower.database());
  encoded.set_collection(name.collection);
  encoded.set_vector_field(name.vector_field);
  encoded.set_generation(spec.generation);
  encoded.set_fingerprint(spec.fingerprint);
  encoded.set_dimensions(spec.dimensions);
  encoded.set_metric(EncodeMetric(spec.metric));
  encoded.set_state(!follower.HasCaughtUp() ? v1::Index::STATE_LOADING
                    : database.Serves(spec.generation)
                        ? v1::Index::STATE_SERVING
                        : v1::Index::STATE_STANDBY);
  encoded.set_records(stats.records);
  encoded.set_vectors(stats.vectors);
  encoded.set_pending(stats.pending);
  encoded.set_position(position.ToString());
  const std::optional<Position> newest = follower.progress().newest;
  if (newest.has_value()) encoded.set_newest_position(newest->ToString());
  *encoded.mutable_lag() =
      google::protobuf::util::TimeUtil::NanosecondsToDuration(
          absl::ToInt64Nanoseconds(follower.Lag()));
  encoded.set_memory_bytes(stats.memory.total());
  encoded.set_mapped_bytes(stats.memory.mapped);
  encoded.set_graph_vectors(stats.graph_vectors);
  encoded.set_precision(EncodePrecision(stats.precision));
  encoded.set_kind(stats.kind == IndexKind::kHnsw
                       ? common::v1::INDEX_KIND_HNSW
                       : common::v1::INDEX_KIND_FLAT);
  const std::shared_ptr<const AttributeColumns> attributes =
      database.AttributesOf(name.collection);
  if (attributes != nullptr) {
    encoded.set_attribute_bytes(attributes->memory_bytes());
  }
}

absl::StatusOr<ReadyIndex> FindIndex(const FeedFollower& follower,
                                     const v1::GetIndexRequest& request) {
  ASSIGN_OR_RETURN(
      ReadyIndex ready,
      FindReadyIndex(follower, request.collection(), request.vector_field()));
  if (request.generation() == 0) return ready;
  const IndexName wanted =
      ready.database->NameOf(ready.index->spec().generation);
  for (const std::shared_ptr<Index>& index : ready.database->indexes()) {
    if (index->spec().generation != request.generation()) continue;
    const IndexName name = ready.database->NameOf(request.generation());
    if (name.collection != wanted.collection ||
        name.vector_field != wanted.vector_field) {
      continue;
    }
    ready.index = index;
    return ready;
  }
  return MakeError(absl::StatusCode::kNotFound,
                   common::v1::ERROR_REASON_GENERATION_UNKNOWN,
                   absl::StrCat("vector field \"", wanted.vector_field,
                                "\" of collection \"", wanted.collection,
                                "\" has no generation ", request.generation()),
                   {{"collection", wanted.collection},
                    {"vector_field", wanted.vector_field}});
}

void EncodeMemory(const IndexMemory& memory, int64_t attribute_bytes,
                  google::protobuf::RepeatedPtrField<v1::MemoryPart>& parts) {
  const std::pair<const char*, int64_t> all[] = {
      {"vectors", memory.vectors},   {"graph", memory.graph},
      {"codes", memory.codes},       {"records", memory.records},
      {"passages", memory.passages}, {"attributes", attribute_bytes}};
  for (const auto& [name, bytes] : all) {
    v1::MemoryPart& part = *parts.Add();
    part.set_name(name);
    part.set_bytes(bytes);
  }
  std::stable_sort(parts.begin(), parts.end(),
                   [](const v1::MemoryPart& a, const v1::MemoryPart& b) {
                     return a.bytes() > b.bytes();
                   });
}

v1::IndexCoverage EncodeCoverage(
    const storage::v1::GetCoverageResponse& coverage,
    const std::string& vector_field, int64_t indexed) {
  v1::IndexCoverage encoded;
  encoded.set_records(coverage.records());
  encoded.set_indexed(indexed);
  for (const storage::v1::VectorFieldCoverage& field :
       coverage.vector_fields()) {
    if (field.vector_field() != vector_field) continue;
    encoded.set_pending(field.pending());
    encoded.set_without_text(field.without_text());
    int64_t failed = 0;
    for (const storage::v1::FailureCount& failure : field.failures()) {
      failed += failure.records();
    }
    encoded.set_failed(failed);
  }
  return encoded;
}

}  // namespace engram::search
