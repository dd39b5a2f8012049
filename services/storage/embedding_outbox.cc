#include "services/storage/embedding_outbox.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/schema/vector_text.h"
#include "libs/sqlite/transaction.h"
#include "libs/status/status_macros.h"
#include "services/storage/column_io.h"

namespace engram::storage {
namespace {

// `+` keeps SQLite from the index by generation, which is not in the order of
// the entries.
constexpr absl::string_view kSelectNew = R"sql(
SELECT entry, row, content_hash FROM _outbox
WHERE entry > ? AND +generation = ? ORDER BY entry LIMIT ?)sql";
constexpr absl::string_view kSelectEntry =
    "SELECT generation, row, content_hash FROM _outbox WHERE entry = ?";
constexpr absl::string_view kSelectNewest =
    "SELECT coalesce(max(entry), 0) FROM _outbox";

// Returns the record's id and its text, or nothing if there is no text.
absl::StatusOr<std::optional<std::pair<std::string, std::string>>> ReadText(
    sqlite::Connection& reader, const Collection& collection,
    const VectorField& field, int64_t row) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   reader.Cached(field.select_sources));
  select.BindInt(1, row);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  std::vector<ColumnValue> sources;
  for (size_t i = 0; i < field.sources.size(); ++i) {
    sources.push_back(ReadColumn(select, static_cast<int>(i) + 1));
  }
  std::optional<std::string> text = schema::VectorText(
      collection.spec, *collection.spec.FindVector(field.name), sources);
  if (!text.has_value()) return std::nullopt;
  return std::make_pair(std::string(select.Text(0)), *std::move(text));
}

void EncodeChunking(const chunk::Options& options, v1::Chunking* out) {
  switch (options.method) {
    case chunk::Method::kNone:
      break;
    case chunk::Method::kTokens:
      out->set_method(v1::Chunking::METHOD_TOKENS);
      break;
    case chunk::Method::kParagraphs:
      out->set_method(v1::Chunking::METHOD_PARAGRAPHS);
      break;
    case chunk::Method::kMarkdown:
      out->set_method(v1::Chunking::METHOD_MARKDOWN);
      break;
    case chunk::Method::kCode:
      out->set_method(v1::Chunking::METHOD_CODE);
      break;
  }
  out->set_size(options.size);
  out->set_overlap(options.overlap);
  out->set_headings(options.headings);
}

absl::StatusOr<std::vector<std::string>> ReadTextHashes(
    sqlite::Connection& reader, const Generation& generation, int64_t row) {
  std::vector<std::string> hashes;
  if (!generation.chunked) return hashes;
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   reader.Cached(generation.select_text_hashes));
  select.BindInt(1, VectorKey(row, 0));
  select.BindInt(2, VectorKey(row, kMaxChunks - 1));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return hashes;
    hashes.emplace_back(select.Blob(0));
  }
}

}  // namespace

absl::Status EmbeddingOutbox::Lease(sqlite::Connection& reader,
                                    LeaseRequest& request,
                                    v1::LeasePendingResponse& response) {
  const uint64_t news = news_.load();
  // Entries and texts of one state of the file, so that they belong together.
  ASSIGN_OR_RETURN(
      sqlite::Transaction snapshot,
      sqlite::Transaction::Begin(reader, sqlite::Transaction::Kind::kRead));
  ASSIGN_OR_RETURN(const int64_t schema_version, ReadSchemaVersion(reader));
  absl::MutexLock lock(&mutex_);
  // A schema is being applied; its commit wakes those who wait.
  if (schema_version != catalog_->schema_version()) return absl::OkStatus();
  ExpireLocked(request.now);
  RETURN_IF_ERROR(LeaseReturned(reader, request, response));
  bool wants_all = true;
  for (const CollectionPtr& collection : catalog_->List()) {
    for (const VectorField& field : collection->vectors) {
      if (field.supplied()) continue;
      if (!request.fingerprints.contains(field.generation.fingerprint)) {
        wants_all = false;
        continue;
      }
      RETURN_IF_ERROR(LeaseNew(reader,
                               {&field.generation, &field, collection.get()},
                               request, response));
    }
  }
  if (wants_all && !IsFull(request)) exhausted_at_ = news;
  return absl::OkStatus();
}

bool EmbeddingOutbox::IsFull(const LeaseRequest& request) const {
  return request.entries <= 0 || request.bytes <= 0 ||
         leases_.size() >= max_leases_;
}

absl::Status EmbeddingOutbox::LeaseReturned(
    sqlite::Connection& reader, LeaseRequest& request,
    v1::LeasePendingResponse& response) {
  for (auto it = returned_.begin(); it != returned_.end();) {
    if (IsFull(request)) return absl::OkStatus();
    const int64_t entry = *it;
    ASSIGN_OR_RETURN(sqlite::Statement select, reader.Cached(kSelectEntry));
    select.BindInt(1, entry);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    // An entry may have been answered, or its text changed, meanwhile.
    const CollectionPtr collection =
        found ? catalog_->FindByGeneration(select.Int(0)) : nullptr;
    if (collection == nullptr) {
      it = returned_.erase(it);
      continue;
    }
    const VectorField& field = FieldOfGeneration(*collection, select.Int(0));
    if (!request.fingerprints.contains(field.generation.fingerprint)) {
      ++it;
      continue;
    }
    ASSIGN_OR_RETURN(
        const bool leased,
        LeaseOne(reader, {&field.generation, &field, collection.get()}, entry,
                 select.Int(1), select.Blob(2), request, response));
    if (!leased) return absl::OkStatus();
    it = returned_.erase(it);
  }
  return absl::OkStatus();
}

absl::Status EmbeddingOutbox::LeaseNew(sqlite::Connection& reader,
                                       const Wanted& wanted,
                                       LeaseRequest& request,
                                       v1::LeasePendingResponse& response) {
  if (IsFull(request)) return absl::OkStatus();
  int64_t& cursor = cursors_[wanted.generation->id];
  ASSIGN_OR_RETURN(const int64_t newest, reader.QueryInt(kSelectNewest));
  const int64_t limit = std::min<int64_t>(
      request.entries, static_cast<int64_t>(max_leases_ - leases_.size()));
  ASSIGN_OR_RETURN(sqlite::Statement select, reader.Cached(kSelectNew));
  select.BindInt(1, cursor);
  select.BindInt(2, wanted.generation->id);
  select.BindInt(3, limit);
  for (int64_t found_entries = 0; found_entries < limit; ++found_entries) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) {
      cursor = std::max(cursor, newest);
      return absl::OkStatus();
    }
    ASSIGN_OR_RETURN(const bool leased,
                     LeaseOne(reader, wanted, select.Int(0), select.Int(1),
                              select.Blob(2), request, response));
    if (!leased) return absl::OkStatus();
    cursor = select.Int(0);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> EmbeddingOutbox::LeaseOne(
    sqlite::Connection& reader, const Wanted& wanted, int64_t entry,
    int64_t row, absl::string_view content_hash, LeaseRequest& request,
    v1::LeasePendingResponse& response) {
  ASSIGN_OR_RETURN(auto text,
                   ReadText(reader, *wanted.collection, *wanted.field, row));
  // Written together with the record, so this means a damaged file; the other
  // texts need not wait for its repair.
  if (!text.has_value()) return true;
  ASSIGN_OR_RETURN(std::vector<std::string> hashes,
                   ReadTextHashes(reader, *wanted.generation, row));
  auto bytes = static_cast<int64_t>(text->second.size());
  for (const std::string& hash : hashes) {
    bytes += static_cast<int64_t>(hash.size());
  }
  if (bytes > request.bytes && response.entries_size() > 0) {
    request.bytes = 0;
    return false;
  }
  request.bytes -= bytes;
  --request.entries;
  leases_[entry] = request.expire;
  v1::OutboxEntry& out = *response.add_entries();
  out.set_database(database_);
  out.set_entry(entry);
  out.set_collection(wanted.collection->name());
  out.set_id(std::move(text->first));
  out.set_generation(wanted.generation->id);
  out.set_fingerprint(wanted.generation->fingerprint);
  out.set_model(wanted.generation->model);
  out.set_text(std::move(text->second));
  out.set_content_hash(std::string(content_hash));
  if (wanted.generation->chunked) {
    EncodeChunking(wanted.field->chunking, out.mutable_chunking());
    for (std::string& hash : hashes) {
      out.add_stored_text_hashes(std::move(hash));
    }
  }
  return true;
}

void EmbeddingOutbox::Release(const std::vector<int64_t>& entries) {
  absl::MutexLock lock(&mutex_);
  for (const int64_t entry : entries) {
    leases_.erase(entry);
    returned_.erase(entry);
  }
}

bool EmbeddingOutbox::ExpireLeases(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  return ExpireLocked(now);
}

bool EmbeddingOutbox::ExpireLocked(absl::Time now) {
  bool expired = false;
  for (auto it = leases_.begin(); it != leases_.end();) {
    const auto lease = it++;
    if (lease->second > now) continue;
    returned_.insert(lease->first);
    leases_.erase(lease);
    expired = true;
  }
  return expired;
}

bool EmbeddingOutbox::MayHavePending() const {
  absl::MutexLock lock(&mutex_);
  return exhausted_at_ != news_.load() || !returned_.empty();
}

}  // namespace engram::storage
