#include "services/storage/record_vectors.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "libs/schema/vector_text.h"
#include "libs/status/status_macros.h"
#include "services/storage/content_hash.h"
#include "services/storage/outbox_table.h"

namespace engram::storage {
namespace {

bool SourcesDiffer(const VectorField& field, const StoredRecord& before,
                   const StoredRecord& after) {
  return std::any_of(
      field.sources.begin(), field.sources.end(),
      [&](int place) { return before.values[place] != after.values[place]; });
}

std::optional<std::string> TextOf(const Collection& collection,
                                  const VectorField& field,
                                  const StoredRecord& record) {
  std::vector<ColumnValue> sources;
  sources.reserve(field.sources.size());
  for (const int place : field.sources) {
    sources.push_back(record.values[place]);
  }
  return schema::VectorText(collection.spec,
                            *collection.spec.FindVector(field.name), sources);
}

// What the vectors of a client are told apart by.
ContentHash HashOf(const SuppliedVectors& vectors) {
  std::string bytes;
  for (const std::string& chunk : vectors.chunks) bytes += chunk;
  return ContentHash::Of(bytes);
}

absl::Status AppendStored(WriteTransaction& transaction,
                          const Collection& collection,
                          const StoredRecord& record, int64_t generation) {
  v1::VectorsStored payload;
  payload.set_generation(generation);
  return transaction
      .Append(ChangeKind::kVectorsStored, collection.id, record.row, record.id,
              payload.SerializeAsString())
      .status();
}

}  // namespace

absl::Status UpdateTextVectors(WriteTransaction& transaction,
                               const Collection& collection,
                               const StoredRecord* before,
                               const StoredRecord& after,
                               v1::RecordChanged& change) {
  for (const VectorField& field : collection.vectors) {
    if (field.supplied()) continue;
    if (before != nullptr && !SourcesDiffer(field, *before, after)) continue;
    const Generation& generation = field.generation;
    const std::optional<std::string> text = TextOf(collection, field, after);
    if (!text.has_value()) {
      if (before == nullptr) continue;
      ASSIGN_OR_RETURN(const bool cleared,
                       RemoveVectors(transaction, generation, after.row));
      if (cleared) change.add_cleared_generations(generation.id);
      continue;
    }
    const ContentHash hash = ContentHash::Of(*text);
    bool pending = true;
    if (before == nullptr) {
      RETURN_IF_ERROR(AddOutboxEntry(transaction, generation.id, after.row,
                                     hash, after.sequence));
    } else {
      ASSIGN_OR_RETURN(
          pending, UpdateOutboxEntry(transaction, generation, after.row, hash,
                                     after.sequence));
    }
    if (pending) change.add_pending_generations(generation.id);
  }
  return absl::OkStatus();
}

absl::Status ClearSupplied(WriteTransaction& transaction,
                           const Collection& collection, int64_t row,
                           absl::Span<const SuppliedVectors> vectors,
                           v1::RecordChanged& change) {
  for (const SuppliedVectors& sent : vectors) {
    if (!sent.chunks.empty()) continue;
    const Generation& generation = collection.vectors[sent.field].generation;
    ASSIGN_OR_RETURN(const bool cleared,
                     RemoveVectors(transaction, generation, row));
    if (cleared) change.add_cleared_generations(generation.id);
  }
  return absl::OkStatus();
}

absl::Status StoreSupplied(WriteTransaction& transaction,
                           const Collection& collection,
                           const StoredRecord& record,
                           absl::Span<const SuppliedVectors> vectors) {
  for (const SuppliedVectors& sent : vectors) {
    if (sent.chunks.empty()) continue;
    const Generation& generation = collection.vectors[sent.field].generation;
    std::vector<ChunkVector> chunks;
    for (const std::string& chunk : sent.chunks) {
      chunks.push_back({.vector = chunk});
    }
    RETURN_IF_ERROR(ReplaceVectors(transaction, generation, record.row,
                                   transaction.log().head().sequence + 1,
                                   HashOf(sent).bytes(), chunks));
    RETURN_IF_ERROR(
        AppendStored(transaction, collection, record, generation.id));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> HasSupplied(WriteTransaction& transaction,
                                 const Collection& collection, int64_t row,
                                 const SuppliedVectors& vectors) {
  const Generation& generation = collection.vectors[vectors.field].generation;
  if (vectors.chunks.empty()) {
    ASSIGN_OR_RETURN(const bool has_any,
                     HasAnyVectors(transaction, generation, row));
    return !has_any;
  }
  return HasVectorsOf(transaction, generation, row, HashOf(vectors).bytes());
}

absl::Status HideVectors(WriteTransaction& transaction,
                         const Collection& collection,
                         const StoredRecord& record) {
  for (const VectorField& field : collection.vectors) {
    const int64_t generation = field.generation.id;
    RETURN_IF_ERROR(
        RemoveOutboxEntry(transaction, generation, record.row).status());
    ASSIGN_OR_RETURN(const bool has_vectors,
                     HasAnyVectors(transaction, field.generation, record.row));
    if (has_vectors) transaction.CountVectors(generation, -1);
  }
  return absl::OkStatus();
}

absl::Status UnhideVectors(WriteTransaction& transaction,
                           const Collection& collection,
                           const StoredRecord& record,
                           v1::RecordChanged& change) {
  for (const VectorField& field : collection.vectors) {
    const Generation& generation = field.generation;
    ASSIGN_OR_RETURN(const bool has_vectors,
                     HasAnyVectors(transaction, generation, record.row));
    if (has_vectors) transaction.CountVectors(generation.id, 1);
    if (field.supplied()) continue;
    const std::optional<std::string> text = TextOf(collection, field, record);
    if (!text.has_value()) continue;
    ASSIGN_OR_RETURN(
        const bool pending,
        UpdateOutboxEntry(transaction, generation, record.row,
                          ContentHash::Of(*text), record.sequence));
    if (pending) change.add_pending_generations(generation.id);
  }
  return absl::OkStatus();
}

absl::Status TellVectors(WriteTransaction& transaction,
                         const Collection& collection,
                         const StoredRecord& record,
                         const v1::RecordChanged& change) {
  const auto& pending = change.pending_generations();
  for (const VectorField& field : collection.vectors) {
    const Generation& generation = field.generation;
    if (std::count(pending.begin(), pending.end(), generation.id) > 0) continue;
    ASSIGN_OR_RETURN(const bool has_vectors,
                     HasAnyVectors(transaction, generation, record.row));
    if (!has_vectors) continue;
    // The feed sends vectors only with the change whose sequence they have.
    RETURN_IF_ERROR(RenumberVectors(transaction, generation, record.row,
                                    transaction.log().head().sequence + 1));
    RETURN_IF_ERROR(
        AppendStored(transaction, collection, record, generation.id));
  }
  return absl::OkStatus();
}

absl::Status ForgetVectors(WriteTransaction& transaction,
                           const Collection& collection,
                           const StoredRecord& record) {
  for (const VectorField& field : collection.vectors) {
    if (record.deleted_us.has_value()) {
      RETURN_IF_ERROR(
          RemoveHiddenVectors(transaction, field.generation, record.row));
    } else {
      RETURN_IF_ERROR(
          RemoveVectors(transaction, field.generation, record.row).status());
    }
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
