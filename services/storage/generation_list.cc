#include "services/storage/generation_list.h"

#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "google/protobuf/util/time_util.h"
#include "libs/status/status_macros.h"
#include "services/storage/generation_codec.h"
#include "services/storage/generation_progress.h"
#include "services/storage/generation_target.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

constexpr absl::string_view kSelectCreated =
    "SELECT created_us FROM _generations WHERE generation = ?";

v1::GenerationStatus::State StateOf(const Generation& generation,
                                    int64_t missing) {
  if (generation.serves) return v1::GenerationStatus::STATE_SERVING;
  if (missing > 0) return v1::GenerationStatus::STATE_FILLING;
  return generation.retired_us.has_value() ? v1::GenerationStatus::STATE_RETIRED
                                           : v1::GenerationStatus::STATE_READY;
}

absl::Status AddGeneration(Database& database, ReadView& view, absl::Time now,
                           const Collection& collection,
                           const Generation& generation,
                           v1::ListGenerationsResponse* response) {
  sqlite::Connection& reader = view.connection();
  ASSIGN_OR_RETURN(const GenerationProgress progress,
                   ReadProgress(reader, generation, database.now_us()));
  v1::GenerationStatus& out = *response->add_generations();
  out.set_collection(collection.name());
  out.set_vector_field(generation.spec.name);
  *out.mutable_generation() = ToProto(generation);
  out.set_state(StateOf(generation, progress.missing));
  out.set_declared(generation.declared);
  out.set_awaits_cutover(generation.awaits_cutover &&
                         generation.spec.cutover == schema::Cutover::kAuto);
  out.set_embedded(progress.embedded);
  out.set_pending(progress.pending);
  out.set_failed(progress.failed);
  out.set_missing(progress.missing);
  const double rate = database.outbox().RateOf(generation.id, now);
  out.set_rate(rate);
  if (rate > 0 && progress.missing > 0) {
    *out.mutable_remaining() = TimeUtil::SecondsToDuration(
        std::llround(static_cast<double>(progress.missing) / rate));
  }
  ASSIGN_OR_RETURN(sqlite::Statement created, reader.Cached(kSelectCreated));
  created.BindInt(1, generation.id);
  RETURN_IF_ERROR(created.Step().status());
  *out.mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(created.Int(0));
  if (!generation.retired_us.has_value()) return absl::OkStatus();
  *out.mutable_retire_time() =
      TimeUtil::MicrosecondsToTimestamp(*generation.retired_us);
  if (generation.declared) return absl::OkStatus();
  *out.mutable_drop_time() = TimeUtil::MicrosecondsToTimestamp(
      *generation.retired_us +
      absl::ToInt64Microseconds(database.rollback_period()));
  return absl::OkStatus();
}

}  // namespace

absl::Status ListGenerations(Database& database, absl::Time now,
                             const v1::ListGenerationsRequest& request,
                             v1::ListGenerationsResponse* response) {
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  std::vector<CollectionPtr> collections;
  if (!request.collection().empty()) {
    ASSIGN_OR_RETURN(collections.emplace_back(),
                     view.Get(request.collection()));
  } else {
    for (const CollectionPtr& newest : database.catalog().List()) {
      ASSIGN_OR_RETURN(CollectionPtr collection, view.FindById(newest->id));
      // Null if it was created just now.
      if (collection != nullptr) collections.push_back(std::move(collection));
    }
  }
  for (const CollectionPtr& collection : collections) {
    const VectorField* wanted = nullptr;
    if (!request.vector_field().empty()) {
      ASSIGN_OR_RETURN(wanted,
                       FindVectorField(*collection, request.vector_field()));
    }
    for (const VectorField& field : collection->vectors) {
      if (wanted != nullptr && &field != wanted) continue;
      std::map<int64_t, const Generation*> by_id;
      for (const Generation& generation : field.generations) {
        by_id[generation.id] = &generation;
      }
      for (const auto& [id, generation] : by_id) {
        RETURN_IF_ERROR(AddGeneration(database, view, now, *collection,
                                      *generation, response));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
