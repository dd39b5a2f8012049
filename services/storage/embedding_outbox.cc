#include "services/storage/embedding_outbox.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "libs/status/status_macros.h"
#include "services/storage/generation_codec.h"
#include "services/storage/generation_text.h"

namespace engram::storage {
namespace {

// `+` keeps SQLite from the index by generation, which is not in the order of
// the entries.
constexpr absl::string_view kSelectFresh = R"sql(
SELECT entry, row, content_hash FROM _outbox
WHERE entry > ? AND +generation = ? AND sequence > 0
ORDER BY entry LIMIT ?)sql";
constexpr absl::string_view kSelectBacklog = R"sql(
SELECT entry, row, content_hash FROM _outbox INDEXED BY _outbox_backlog
WHERE entry > ? AND generation = ? AND sequence = 0
ORDER BY entry LIMIT ?)sql";
constexpr absl::string_view kSelectEntry =
    "SELECT generation, row, content_hash FROM _outbox WHERE entry = ?";
constexpr absl::string_view kSelectNewest =
    "SELECT coalesce(max(entry), 0) FROM _outbox";

// The texts of which the record's stored vectors are, as far as they are of use
// to one whose hash is `content_hash`.
absl::StatusOr<std::vector<std::string>> ReadTextHashes(
    sqlite::Connection& reader, const Generation& generation, int64_t row,
    absl::string_view content_hash) {
  std::vector<std::string> hashes;
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   reader.Cached(generation.select_text_hashes));
  select.BindInt(1, VectorKey(row, 0));
  // More than one vector of a text that is not cut came from elsewhere.
  select.BindInt(2, VectorKey(row, generation.chunked ? kMaxChunks - 1 : 0));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return hashes;
    if (generation.chunked || select.Blob(0) == content_hash) {
      hashes.emplace_back(select.Blob(0));
    }
  }
}

}  // namespace

struct EmbeddingOutbox::Search {
  sqlite::Connection& reader;
  const LeaseRequest& request;
  const OutboxClass outbox_class;
  Queue& queue;
  v1::LeasePendingResponse& response;
  // Of `response`.
  int entries = 0;
  int64_t bytes = 0;
};

absl::Status EmbeddingOutbox::Lease(const LeaseRequest& request,
                                    OutboxClass outbox_class,
                                    LeaseBudget& budget,
                                    v1::LeasePendingResponse& response) {
  // Before the reader, which therefore sees all that they tell of.
  const uint64_t news = news_.load();
  // Entries and texts of one state of the file, so that they belong together.
  ASSIGN_OR_RETURN(const ReadPool::Lease reader, readers_->Acquire());
  absl::MutexLock lock(&mutex_);
  // A schema is being applied; its commit wakes those who wait.
  if (reader.schema_version() != catalog_->schema_version()) {
    return absl::OkStatus();
  }
  ExpireLocked(request.now);
  Queue& queue = queues_[static_cast<size_t>(outbox_class)];
  absl::flat_hash_set<std::string> exhausted;
  std::vector<Wanted> wanted = FindWanted(request, exhausted);
  Search search = {*reader, request, outbox_class, queue, response};
  const auto left = [&]() -> LeaseBudget {
    return {.entries = budget.entries - search.entries,
            .bytes = budget.bytes - search.bytes};
  };
  // First each gets its share, then whoever has more what is left.
  for (const bool shared : {true, false}) {
    std::vector<Wanted> unfinished;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const LeaseBudget share =
          shared ? left().ShareOf(wanted.size() - i) : left();
      ASSIGN_OR_RETURN(const bool has_ended,
                       LeaseGeneration(search, wanted[i], share));
      if (!has_ended) unfinished.push_back(wanted[i]);
    }
    wanted = std::move(unfinished);
  }
  for (const Wanted& generation : wanted) {
    exhausted.erase(generation.generation->fingerprint);
  }
  for (const std::string& fingerprint : exhausted) {
    queue.exhausted_at[fingerprint] = news;
  }
  budget = left();
  return absl::OkStatus();
}

std::vector<EmbeddingOutbox::Wanted> EmbeddingOutbox::FindWanted(
    const LeaseRequest& request,
    absl::flat_hash_set<std::string>& whole) const {
  whole = request.fingerprints;
  std::vector<Wanted> wanted;
  for (const CollectionPtr& collection : catalog_->List()) {
    const bool is_paused = IsPaused(request.pauses, database_,
                                    collection->name(), request.provider);
    for (const VectorField& field : collection->vectors) {
      for (const Generation& generation : field.generations) {
        const std::string& fingerprint = generation.fingerprint;
        if (generation.supplied() ||
            !request.fingerprints.contains(fingerprint)) {
          continue;
        }
        if (is_paused) {
          whole.erase(fingerprint);
        } else {
          wanted.push_back({&generation, collection});
        }
      }
    }
  }
  return wanted;
}

bool EmbeddingOutbox::IsFull(const LeaseBudget& budget) const {
  return budget.empty() || leases_.size() >= max_leases_;
}

absl::StatusOr<bool> EmbeddingOutbox::LeaseGeneration(Search& search,
                                                      const Wanted& wanted,
                                                      LeaseBudget budget) {
  for (const int64_t generation : {wanted.generation->id, int64_t{0}}) {
    const auto returned = search.queue.returned.find(generation);
    if (returned == search.queue.returned.end()) continue;
    ASSIGN_OR_RETURN(const bool has_ended,
                     LeaseReturned(search, wanted, returned->second, budget));
    if (returned->second.empty()) search.queue.returned.erase(returned);
    if (!has_ended) return false;
  }
  return LeaseNew(search, wanted, budget);
}

absl::StatusOr<bool> EmbeddingOutbox::LeaseReturned(Search& search,
                                                    const Wanted& wanted,
                                                    std::set<int64_t>& returned,
                                                    LeaseBudget& budget) {
  for (auto it = returned.begin(); it != returned.end();) {
    if (IsFull(budget)) return false;
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     search.reader.Cached(kSelectEntry));
    select.BindInt(1, *it);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    // An entry may have been answered, or its text changed, meanwhile.
    if (!found) {
      it = returned.erase(it);
      continue;
    }
    if (select.Int(0) != wanted.generation->id) {
      ++it;
      continue;
    }
    ASSIGN_OR_RETURN(
        const bool leased,
        LeaseOne(search, wanted, {*it, select.Int(1), select.Blob(2)}, budget));
    if (!leased) return false;
    it = returned.erase(it);
  }
  return true;
}

absl::StatusOr<bool> EmbeddingOutbox::LeaseNew(Search& search,
                                               const Wanted& wanted,
                                               LeaseBudget& budget) {
  if (IsFull(budget)) return false;
  int64_t& cursor = search.queue.cursors[wanted.generation->id];
  ASSIGN_OR_RETURN(const int64_t newest, search.reader.QueryInt(kSelectNewest));
  // One more, to know whether there are more.
  const int64_t limit = int64_t{1} + budget.entries;
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      search.reader.Cached(search.outbox_class == OutboxClass::kFresh
                               ? kSelectFresh
                               : kSelectBacklog));
  select.BindInt(1, cursor);
  select.BindInt(2, wanted.generation->id);
  select.BindInt(3, limit);
  for (int64_t count = 0; count < limit; ++count) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) {
      cursor = std::max(cursor, newest);
      return true;
    }
    if (IsFull(budget)) return false;
    const int64_t entry = select.Int(0);
    // After a restart, whoever has it may have asked for more time.
    if (!leases_.contains(entry)) {
      ASSIGN_OR_RETURN(
          const bool leased,
          LeaseOne(search, wanted, {entry, select.Int(1), select.Blob(2)},
                   budget));
      if (!leased) return false;
    }
    cursor = entry;
  }
  return false;
}

absl::StatusOr<bool> EmbeddingOutbox::LeaseOne(Search& search,
                                               const Wanted& wanted,
                                               const Entry& entry,
                                               LeaseBudget& budget) {
  ASSIGN_OR_RETURN(std::optional<GenerationText> text,
                   ReadGenerationText(search.reader, *wanted.collection,
                                      *wanted.generation, entry.row));
  // Written together with the record, so this means a damaged file; the other
  // texts need not wait for its repair.
  if (!text.has_value()) return true;
  ASSIGN_OR_RETURN(std::vector<std::string> hashes,
                   ReadTextHashes(search.reader, *wanted.generation, entry.row,
                                  entry.content_hash));
  auto bytes = static_cast<int64_t>(text->text.size());
  for (const std::string& hash : hashes) {
    bytes += static_cast<int64_t>(hash.size());
  }
  if (bytes > budget.bytes && search.response.entries_size() > 0) return false;
  budget.bytes -= bytes;
  --budget.entries;
  search.bytes += bytes;
  ++search.entries;
  leases_[entry.entry] = {.expire = search.request.expire,
                          .lease_id = search.request.lease_id,
                          .generation = wanted.generation->id,
                          .outbox_class = search.outbox_class};
  v1::OutboxEntry& out = *search.response.add_entries();
  out.set_database(database_);
  out.set_entry(entry.entry);
  out.set_collection(wanted.collection->name());
  out.set_id(std::move(text->id));
  out.set_generation(wanted.generation->id);
  out.set_fingerprint(wanted.generation->fingerprint);
  out.set_model(wanted.generation->model);
  out.set_text(std::move(text->text));
  out.set_content_hash(std::string(entry.content_hash));
  if (wanted.generation->chunked) {
    *out.mutable_chunking() = EncodeChunking(wanted.generation->spec.chunking);
  }
  for (std::string& hash : hashes) {
    out.add_stored_text_hashes(std::move(hash));
  }
  return true;
}

std::vector<int64_t> EmbeddingOutbox::Extend(int64_t lease_id,
                                             absl::Span<const int64_t> entries,
                                             absl::Time now,
                                             absl::Time expire) {
  absl::MutexLock lock(&mutex_);
  ExpireLocked(now);
  std::vector<int64_t> lost;
  for (const int64_t entry : entries) {
    const auto found = leases_.find(entry);
    if (found != leases_.end() && found->second.lease_id != lease_id) {
      lost.push_back(entry);
    } else if (found != leases_.end()) {
      found->second.expire = expire;
    } else if (expire > now && leases_.size() < max_leases_) {
      Holder& holder = leases_[entry];
      holder = {.expire = expire, .lease_id = lease_id};
      for (const OutboxClass outbox_class : kOutboxClasses) {
        auto& returned = queues_[static_cast<size_t>(outbox_class)].returned;
        for (auto& [generation, returned_entries] : returned) {
          if (returned_entries.erase(entry) == 0) continue;
          holder.generation = generation;
          holder.outbox_class = outbox_class;
        }
      }
    }
  }
  // What was given back is free at once.
  ExpireLocked(now);
  return lost;
}

bool EmbeddingOutbox::Holds(int64_t lease_id, int64_t entry) const {
  absl::MutexLock lock(&mutex_);
  const auto found = leases_.find(entry);
  return lease_id != 0 && found != leases_.end() &&
         found->second.lease_id == lease_id;
}

void EmbeddingOutbox::Release(absl::Span<const AnsweredEntry> entries,
                              absl::Time now) {
  absl::MutexLock lock(&mutex_);
  for (const AnsweredEntry& answered : entries) {
    leases_.erase(answered.entry);
    if (answered.generation != 0) rates_[answered.generation].Note(now, 1);
  }
}

void EmbeddingOutbox::Postpone(int64_t entry, absl::Time until) {
  absl::MutexLock lock(&mutex_);
  Holder& holder = leases_[entry];
  holder.expire = until;
  holder.lease_id = 0;
}

bool EmbeddingOutbox::ExpireLeases(absl::Time now) {
  absl::MutexLock lock(&mutex_);
  return ExpireLocked(now);
}

bool EmbeddingOutbox::ExpireLocked(absl::Time now) {
  bool expired = false;
  for (auto it = leases_.begin(); it != leases_.end();) {
    const auto lease = it++;
    const Holder& holder = lease->second;
    if (holder.expire > now) continue;
    queues_[static_cast<size_t>(holder.outbox_class)]
        .returned[holder.generation]
        .insert(lease->first);
    leases_.erase(lease);
    expired = true;
  }
  return expired;
}

bool EmbeddingOutbox::MayHavePending(
    const absl::flat_hash_set<std::string>& fingerprints) const {
  const uint64_t news = news_.load();
  absl::MutexLock lock(&mutex_);
  return std::any_of(queues_.begin(), queues_.end(), [&](const Queue& queue) {
    return !queue.returned.empty() ||
           std::any_of(fingerprints.begin(), fingerprints.end(),
                       [&](const std::string& fingerprint) {
                         const auto seen = queue.exhausted_at.find(fingerprint);
                         return seen == queue.exhausted_at.end() ||
                                seen->second != news;
                       });
  });
}

double EmbeddingOutbox::RateOf(int64_t generation, absl::Time now) const {
  absl::MutexLock lock(&mutex_);
  const auto found = rates_.find(generation);
  return found == rates_.end() ? 0 : found->second.PerSecond(now);
}

}  // namespace engram::storage
