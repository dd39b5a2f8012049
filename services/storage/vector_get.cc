#include "services/storage/vector_get.h"

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/generation_progress.h"
#include "services/storage/generation_target.h"
#include "services/storage/read_target.h"
#include "services/storage/seen_row.h"

namespace engram::storage {
namespace {

constexpr int kMaxIds = 1000;
constexpr size_t kMaxAnswerBytes = size_t{3} << 20;

// Whether the record waits (0) or failed (1) in a generation.
constexpr absl::string_view kSelectState = R"sql(
SELECT 0 FROM _outbox WHERE generation = ?1 AND row = ?2
UNION ALL SELECT 1 FROM _failures WHERE generation = ?1 AND row = ?2)sql";

absl::Status CheckIds(const v1::GetVectorsRequest& request) {
  if (request.ids_size() > 0 && request.ids_size() <= kMaxIds) {
    return absl::OkStatus();
  }
  return InvalidField("ids", absl::StrCat("has ", request.ids_size(),
                                          " entries; give 1 to ", kMaxIds));
}

absl::StatusOr<v1::RecordVectors::State> FindState(
    sqlite::Connection& connection, const Generation& generation,
    const BackfillRange& backfill, int64_t row, bool has_vectors) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectState));
  select.BindInt(1, generation.id);
  select.BindInt(2, row);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (found) {
    return select.Int(0) == 0 ? v1::RecordVectors::STATE_PENDING
                              : v1::RecordVectors::STATE_FAILED;
  }
  if (has_vectors) return v1::RecordVectors::STATE_EMBEDDED;
  return backfill.Holds(row) ? v1::RecordVectors::STATE_PENDING
                             : v1::RecordVectors::STATE_WITHOUT_TEXT;
}

// Returns the bytes of the vectors.
absl::StatusOr<size_t> ReadChunks(sqlite::Connection& connection,
                                  const Generation& generation, int64_t row,
                                  v1::RecordVectors* out) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Cached(generation.select));
  select.BindInt(1, VectorKey(row, 0));
  select.BindInt(2, VectorKey(row, kMaxChunks - 1));
  size_t bytes = 0;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return bytes;
    const absl::string_view vector = select.Blob(1);
    out->add_chunks()->set_values(vector.data(), vector.size());
    bytes += vector.size();
    if (!generation.chunked) continue;
    common::v1::TextRange& range = *out->add_ranges();
    range.set_begin(select.Int(2));
    range.set_end(select.Int(3));
  }
}

}  // namespace

absl::Status GetRecordVectors(Database& database,
                              const v1::GetVectorsRequest& request,
                              v1::GetVectorsResponse* response) {
  ASSIGN_OR_RETURN(const ReadTarget target,
                   FindReadTarget(database, request.collection()));
  RETURN_IF_ERROR(CheckIds(request));
  ASSIGN_OR_RETURN(const VectorField* const field,
                   FindVectorField(*target.collection, request.vector_field()));
  const Generation* chosen = &field->serving();
  if (request.generation() != 0) {
    ASSIGN_OR_RETURN(chosen, FindGeneration(*target.collection, *field,
                                            request.generation()));
  }
  const Generation& generation = *chosen;
  ASSIGN_OR_RETURN(const BackfillRange backfill,
                   ReadBackfill(target.connection(), generation.id));
  response->set_generation(generation.id);
  response->set_fingerprint(generation.fingerprint);
  const int64_t now_us = database.now_us();
  size_t bytes = 0;
  for (const std::string& id : request.ids()) {
    v1::RecordVectors& record = *response->add_records();
    record.set_id(id);
    record.set_state(v1::RecordVectors::STATE_RECORD_UNKNOWN);
    ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                     FindSeenRow(target, id, now_us));
    if (!row.has_value()) continue;
    ASSIGN_OR_RETURN(const size_t added, ReadChunks(target.connection(),
                                                    generation, *row, &record));
    bytes += added;
    if (bytes > kMaxAnswerBytes && response->records_size() > 1) {
      response->mutable_records()->RemoveLast();
      break;
    }
    ASSIGN_OR_RETURN(const auto state,
                     FindState(target.connection(), generation, backfill, *row,
                               !record.chunks().empty()));
    record.set_state(state);
  }
  ASSIGN_OR_RETURN(*response->mutable_position(), target.ReadPosition());
  return absl::OkStatus();
}

}  // namespace engram::storage
