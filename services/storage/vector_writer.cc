#include "services/storage/vector_writer.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <map>
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

// Reads what a chunk of a chunked generation is.
void CheckText(const v1::ChunkText& text, absl::string_view path,
               CheckedChunk& chunk, FieldViolations& violations) {
  constexpr size_t kHashBytes = 32;
  if (text.hash().size() != kHashBytes) {
    violations.Add(absl::StrCat(path, ".hash"),
                   absl::StrCat("has ", text.hash().size(),
                                " bytes; a SHA-256 has ", kHashBytes));
  }
  chunk.text_hash = text.hash();
  chunk.range = {text.range().begin(), text.range().end()};
  if (chunk.range.begin < 0 || chunk.range.end <= chunk.range.begin) {
    violations.Add(
        absl::StrCat(path, ".range"),
        absl::StrCat("goes from ", chunk.range.begin, " to ", chunk.range.end,
                     "; give the place of a text that is not empty"));
  }
}

// Returns the row whose text was embedded, or nothing if the entry is gone.
absl::StatusOr<std::optional<int64_t>> TakeEntry(WriteTransaction& transaction,
                                                 const CheckedPut& put) {
  ASSIGN_OR_RETURN(
      const std::optional<PendingEntry> entry,
      FindEntry(transaction, put.entry, put.generation, put.content_hash));
  if (!entry.has_value()) return std::nullopt;
  RETURN_IF_ERROR(
      RemoveOutboxEntry(transaction, put.generation, entry->row).status());
  return entry->row;
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

// The vectors of a put, those that storage has among them.
class PutVectors {
 public:
  // Not to be copied: chunks_ points into stored_.
  PutVectors(PutVectors&&) = default;

  // Reads what `put`, which must outlive this object, refers to.
  static absl::StatusOr<PutVectors> Resolve(WriteTransaction& transaction,
                                            const Generation& generation,
                                            int64_t row,
                                            const CheckedPut& put) {
    PutVectors result(put);
    RETURN_IF_ERROR(result.ReadStored(transaction, generation, row));
    for (size_t i = 0; i < put.chunks.size(); ++i) {
      const CheckedChunk& chunk = put.chunks[i];
      absl::string_view vector = chunk.vector;
      if (vector.empty()) {
        const std::optional<std::string>& stored =
            result.stored_[chunk.text_hash];
        if (!stored.has_value()) {
          return absl::InvalidArgumentError(absl::StrCat(
              "entry ", put.entry, ": chunk ", i,
              " has no vector, and none of its text is stored; send it"));
        }
        vector = *stored;
      }
      result.chunks_.push_back({.vector = vector,
                                .text_hash = chunk.text_hash,
                                .range = chunk.range});
    }
    return result;
  }

  absl::Span<const ChunkVector> chunks() const { return chunks_; }

 private:
  explicit PutVectors(const CheckedPut& put) {
    for (const CheckedChunk& chunk : put.chunks) {
      if (chunk.vector.empty()) stored_[chunk.text_hash];
    }
  }

  absl::Status ReadStored(WriteTransaction& transaction,
                          const Generation& generation, int64_t row) {
    if (stored_.empty()) return absl::OkStatus();
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     transaction.connection().Cached(generation.select_texts));
    select.BindInt(1, VectorKey(row, 0));
    select.BindInt(2, VectorKey(row, kMaxChunks - 1));
    while (true) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) return absl::OkStatus();
      const auto wanted = stored_.find(std::string(select.Blob(0)));
      if (wanted != stored_.end()) {
        wanted->second = std::string(select.Blob(1));
      }
    }
  }

  // By the hash of their texts; nodes, as chunks_ points into them.
  std::map<std::string, std::optional<std::string>> stored_;
  std::vector<ChunkVector> chunks_;
};

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
  const Generation& generation = GetGeneration(*collection, put.generation);
  ASSIGN_OR_RETURN(const std::string id,
                   ReadId(transaction, *collection, *row));
  ASSIGN_OR_RETURN(const PutVectors vectors,
                   PutVectors::Resolve(transaction, generation, *row, put));
  RETURN_IF_ERROR(ReplaceVectors(transaction, generation, *row,
                                 transaction.log().head().sequence + 1,
                                 put.content_hash, vectors.chunks()));
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
  const Generation& generation = GetGeneration(*collection, put.generation());
  const int texts = generation.chunked ? put.chunks_size() : 0;
  if (put.texts_size() != texts) {
    violations.Add(
        absl::StrCat(path, ".texts"),
        absl::StrCat("has ", put.texts_size(), " entries; vector field \"",
                     generation.spec.name,
                     generation.chunked
                         ? "\" is chunked: give one for each chunk"
                         : "\" is not chunked: give none"));
    return checked;
  }
  for (int i = 0; i < put.chunks_size(); ++i) {
    CheckedChunk& chunk = checked.chunks.emplace_back();
    chunk.vector = put.chunks(i).values();
    chunk.text_hash = put.content_hash();
    if (generation.chunked) {
      CheckText(put.texts(i), absl::StrCat(path, ".texts[", i, "]"), chunk,
                violations);
    }
    if (chunk.vector.empty() &&
        (generation.chunked || put.chunks_size() == 1)) {
      continue;
    }
    const std::optional<std::string> problem =
        FindVectorProblem(chunk.vector, generation);
    if (problem.has_value()) {
      violations.Add(absl::StrCat(path, ".chunks[", i, "].values"), *problem);
    } else if (generation.spec.metric == schema::Metric::kCosine) {
      Normalize(chunk.vector);
    }
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
