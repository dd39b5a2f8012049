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

bool SourcesDiffer(const Generation& generation, const StoredRecord& before,
                   const StoredRecord& after) {
  return std::any_of(
      generation.sources.begin(), generation.sources.end(),
      [&](int place) { return before.values[place] != after.values[place]; });
}

std::optional<std::string> TextOf(const Collection& collection,
                                  const Generation& generation,
                                  const StoredRecord& record) {
  std::vector<ColumnValue> sources;
  sources.reserve(generation.sources.size());
  for (const int place : generation.sources) {
    sources.push_back(record.values[place]);
  }
  return schema::VectorText(collection.spec, generation.spec, sources);
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
  return ForEachGeneration(
      collection, [&](const Generation& generation) -> absl::Status {
        if (generation.supplied()) return absl::OkStatus();
        if (before != nullptr && !SourcesDiffer(generation, *before, after)) {
          return absl::OkStatus();
        }
        const std::optional<std::string> text =
            TextOf(collection, generation, after);
        if (!text.has_value()) {
          if (before == nullptr) return absl::OkStatus();
          ASSIGN_OR_RETURN(const bool cleared,
                           RemoveVectors(transaction, generation, after.row));
          if (cleared) change.add_cleared_generations(generation.id);
          return absl::OkStatus();
        }
        const ContentHash hash = ContentHash::Of(*text);
        bool pending = true;
        if (before == nullptr) {
          RETURN_IF_ERROR(AddOutboxEntry(transaction, generation.id, after.row,
                                         hash, after.sequence));
        } else {
          ASSIGN_OR_RETURN(pending,
                           UpdateOutboxEntry(transaction, generation, after.row,
                                             hash, after.sequence));
        }
        if (pending) change.add_pending_generations(generation.id);
        return absl::OkStatus();
      });
}

absl::Status ClearSupplied(WriteTransaction& transaction,
                           const Collection& collection, int64_t row,
                           absl::Span<const SuppliedVectors> vectors,
                           v1::RecordChanged& change) {
  for (const SuppliedVectors& sent : vectors) {
    if (!sent.chunks.empty()) continue;
    const Generation& generation = collection.vectors[sent.field].serving();
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
    const Generation& generation = collection.vectors[sent.field].serving();
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
  const Generation& generation = collection.vectors[vectors.field].serving();
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
  return ForEachGeneration(
      collection, [&](const Generation& generation) -> absl::Status {
        RETURN_IF_ERROR(
            RemoveOutboxEntry(transaction, generation.id, record.row).status());
        ASSIGN_OR_RETURN(const bool has_vectors,
                         HasAnyVectors(transaction, generation, record.row));
        if (has_vectors) transaction.CountVectors(generation.id, -1);
        return absl::OkStatus();
      });
}

absl::Status UnhideVectors(WriteTransaction& transaction,
                           const Collection& collection,
                           const StoredRecord& record,
                           v1::RecordChanged& change) {
  return ForEachGeneration(
      collection, [&](const Generation& generation) -> absl::Status {
        ASSIGN_OR_RETURN(const bool has_vectors,
                         HasAnyVectors(transaction, generation, record.row));
        if (has_vectors) transaction.CountVectors(generation.id, 1);
        if (generation.supplied()) return absl::OkStatus();
        const std::optional<std::string> text =
            TextOf(collection, generation, record);
        if (!text.has_value()) return absl::OkStatus();
        ASSIGN_OR_RETURN(
            const bool pending,
            UpdateOutboxEntry(transaction, generation, record.row,
                              ContentHash::Of(*text), record.sequence));
        if (pending) change.add_pending_generations(generation.id);
        return absl::OkStatus();
      });
}

absl::Status TellVectors(WriteTransaction& transaction,
                         const Collection& collection,
                         const StoredRecord& record,
                         const v1::RecordChanged& change) {
  const auto& pending = change.pending_generations();
  return ForEachGeneration(
      collection, [&](const Generation& generation) -> absl::Status {
        if (std::count(pending.begin(), pending.end(), generation.id) > 0) {
          return absl::OkStatus();
        }
        ASSIGN_OR_RETURN(const bool has_vectors,
                         HasAnyVectors(transaction, generation, record.row));
        if (!has_vectors) return absl::OkStatus();
        // The feed sends vectors only with the change whose sequence they have.
        RETURN_IF_ERROR(RenumberVectors(transaction, generation, record.row,
                                        transaction.log().head().sequence + 1));
        return AppendStored(transaction, collection, record, generation.id);
      });
}

absl::Status ForgetVectors(WriteTransaction& transaction,
                           const Collection& collection,
                           const StoredRecord& record) {
  return ForEachGeneration(
      collection, [&](const Generation& generation) -> absl::Status {
        if (record.deleted_us.has_value()) {
          return RemoveHiddenVectors(transaction, generation, record.row);
        }
        return RemoveVectors(transaction, generation, record.row).status();
      });
}

}  // namespace engram::storage
