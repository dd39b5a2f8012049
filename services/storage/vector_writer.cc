#include "services/storage/vector_writer.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/feed.pb.h"
#include "libs/position/position.h"
#include "libs/status/status_macros.h"
#include "services/storage/outbox_table.h"

namespace engram::storage {
namespace {

static_assert(std::endian::native == std::endian::little,
              "vectors travel and are stored little-endian");

constexpr absl::string_view kSelectEntry = R"sql(
SELECT row FROM _outbox
WHERE entry = ? AND generation = ? AND content_hash = ?)sql";
constexpr absl::string_view kDeleteEntry =
    "DELETE FROM _outbox WHERE entry = ?";

// Returns what is wrong with a vector, or nothing.
std::optional<std::string> FindVectorProblem(absl::string_view bytes,
                                             const Generation& generation) {
  const size_t expected = sizeof(float) * generation.dimensions;
  if (bytes.size() != expected) {
    return absl::StrCat("has ", bytes.size(), " bytes; a vector of ",
                        generation.dimensions, " dimensions has ", expected);
  }
  for (int i = 0; i < generation.dimensions; ++i) {
    float value;
    std::memcpy(&value, bytes.data() + i * sizeof(float), sizeof(float));
    if (!std::isfinite(value)) {
      return absl::StrCat("component ", i, " is ",
                          std::isnan(value) ? "NaN" : "infinite",
                          "; give finite numbers");
    }
  }
  return std::nullopt;
}

// Scales a vector to unit length: the index takes an inner product for the
// cosine. One of zeros has no direction and stays.
void Normalize(std::string& bytes) {
  const size_t dimensions = bytes.size() / sizeof(float);
  std::vector<float> values(dimensions);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  double square = 0;
  for (const float value : values) square += double{value} * value;
  if (square == 0) return;
  const double scale = 1 / std::sqrt(square);
  for (float& value : values) value = static_cast<float>(value * scale);
  std::memcpy(bytes.data(), values.data(), bytes.size());
}

// Returns the row whose text was embedded, or nothing if the entry is gone.
absl::StatusOr<std::optional<int64_t>> TakeEntry(WriteTransaction& transaction,
                                                 const CheckedPut& put) {
  int64_t row = 0;
  {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     transaction.connection().Cached(kSelectEntry));
    select.BindInt(1, put.entry);
    select.BindInt(2, put.generation);
    select.BindBlob(3, put.content_hash);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return std::nullopt;
    row = select.Int(0);
  }
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   transaction.connection().Cached(kDeleteEntry));
  remove.BindInt(1, put.entry);
  RETURN_IF_ERROR(remove.Run());
  --transaction.effects().outbox_growth;
  return row;
}

absl::StatusOr<std::string> ReadId(WriteTransaction& transaction,
                                   const Collection& collection, int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   transaction.connection().Cached(collection.select_id));
  select.BindInt(1, row);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  // Hiding or deleting a record takes its outbox entries with it.
  if (!found) return absl::DataLossError("an outbox entry without a record");
  return std::string(select.Text(0));
}

// Returns the sequence of the change, or nothing if the put was dropped.
absl::StatusOr<std::optional<int64_t>> WriteOne(WriteTransaction& transaction,
                                                const Catalog& catalog,
                                                const CheckedPut& put) {
  // The schema may have changed since the put was checked.
  const CollectionPtr collection = catalog.FindByGeneration(put.generation);
  if (collection == nullptr) return std::nullopt;
  ASSIGN_OR_RETURN(const std::optional<int64_t> row,
                   TakeEntry(transaction, put));
  if (!row.has_value()) return std::nullopt;
  const Generation& generation =
      FieldOfGeneration(*collection, put.generation).generation;
  ASSIGN_OR_RETURN(const std::string id,
                   ReadId(transaction, *collection, *row));
  RETURN_IF_ERROR(ReplaceVectors(transaction, generation, *row,
                                 transaction.log().head().sequence + 1,
                                 put.content_hash, put.chunks));
  v1::VectorsStored payload;
  payload.set_generation(put.generation);
  ASSIGN_OR_RETURN(
      const int64_t sequence,
      transaction.Append(ChangeKind::kVectorsStored, collection->id, *row, id,
                         payload.SerializeAsString()));
  return sequence;
}

}  // namespace

CheckedPut CheckPut(const Catalog& catalog, const v1::VectorPut& put,
                    absl::string_view path, FieldViolations& violations) {
  const CollectionPtr collection = catalog.FindByGeneration(put.generation());
  CheckedPut checked = {.entry = put.entry(),
                        .generation = put.generation(),
                        .content_hash = put.content_hash()};
  if (put.chunks_size() == 0 || put.chunks_size() > kMaxChunks) {
    violations.Add(absl::StrCat(path, ".chunks"),
                   absl::StrCat("has ", put.chunks_size(),
                                " entries; give 1 to ", kMaxChunks));
    return checked;
  }
  if (collection == nullptr) return checked;
  const VectorField& field = FieldOfGeneration(*collection, put.generation());
  for (int i = 0; i < put.chunks_size(); ++i) {
    const std::optional<std::string> problem =
        FindVectorProblem(put.chunks(i).values(), field.generation);
    if (problem.has_value()) {
      violations.Add(absl::StrCat(path, ".chunks[", i, "].values"), *problem);
      continue;
    }
    std::string& chunk = checked.chunks.emplace_back(put.chunks(i).values());
    if (field.metric == schema::Metric::kCosine) Normalize(chunk);
  }
  return checked;
}

absl::Status WriteVectors(WriteTransaction& transaction,
                          absl::string_view database, const Catalog& catalog,
                          const std::vector<CheckedPut>& puts,
                          std::vector<v1::PutResult>* results) {
  results->clear();
  for (const CheckedPut& put : puts) {
    ASSIGN_OR_RETURN(const std::optional<int64_t> sequence,
                     WriteOne(transaction, catalog, put));
    v1::PutResult& result = results->emplace_back();
    if (!sequence.has_value()) {
      result.set_outcome(v1::PutResult::OUTCOME_DROPPED);
      continue;
    }
    result.set_outcome(v1::PutResult::OUTCOME_STORED);
    result.set_position(
        Position{std::string(database), transaction.log().epoch(), *sequence}
            .ToString());
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
