#include "services/storage/cache_reader.h"

#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"
#include "services/storage/record_codec.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

// Keys that one page looks at: some 10 ms.
constexpr int kMaxScannedKeys = 10'000;

// Columns of CacheCollection::select_entry.
enum EntryColumn { kRow, kValue, kExpires, kCreated, kCategory, kHits };

// The cache as a transaction has it; null if it has none.
absl::StatusOr<CacheCollectionPtr> CacheIn(ReadView& view,
                                           const CacheCollection& cache) {
  if (view.schema_version() == cache.collection->schema_version) {
    // The caller keeps it.
    return CacheCollectionPtr(CacheCollectionPtr(), &cache);
  }
  ASSIGN_OR_RETURN(CollectionPtr collection, view.FindByName(cache.name()));
  if (collection == nullptr) return CacheCollectionPtr();
  return MakeCacheCollection(std::move(collection));
}

// Runs a statement that looks for the key in the newest commit. `read` gets the
// row, or is not called.
absl::StatusOr<bool> ReadOne(
    Database& database, const CacheCollection& cache,
    std::string CacheCollection::*sql, absl::string_view key,
    absl::FunctionRef<absl::Status(const CacheCollection&,
                                   const sqlite::Statement&)>
        read) {
  const int64_t now_us = database.now_us();
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  ASSIGN_OR_RETURN(const CacheCollectionPtr as, CacheIn(view, cache));
  if (as == nullptr) return false;
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   view.connection().Cached((*as).*sql));
  select.BindText(1, key);
  select.BindInt(2, now_us);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return false;
  RETURN_IF_ERROR(read(*as, select));
  return true;
}

absl::Status FillEntry(const CacheCollection& cache,
                       const sqlite::Statement& row, v1::CacheEntry* entry) {
  const schema::FieldSpec& value = cache.collection->spec.fields[cache.value];
  RETURN_IF_ERROR(
      EncodeField(value, ReadColumn(row, kValue), entry->mutable_value()));
  if (!row.IsNull(kExpires)) {
    *entry->mutable_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(row.Int(kExpires));
  }
  *entry->mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(row.Int(kCreated));
  entry->set_category(std::string(row.Text(kCategory)));
  entry->set_hits(row.Int(kHits));
  return absl::OkStatus();
}

// The rows after WHERE, without those that are deleted but kept.
std::string LiveRows(const CacheCollection& cache) {
  return absl::StrCat(" FROM ", QuoteIdentifier(cache.name()),
                      LiveRecords(cache.collection->spec, " WHERE "));
}

std::string CategoryColumn(const CacheCollection& cache) {
  if (cache.category < 0) return "''";
  return absl::StrCat(
      "ifnull(",
      QuoteIdentifier(cache.collection->spec.fields[cache.category].name),
      ", '')");
}

// Whether a row of (id, expires, category) is one of those wanted.
bool IsWanted(const KeysWanted& wanted, const sqlite::Statement& row,
              int64_t now_us) {
  const bool has_expired = !row.IsNull(1) && row.Int(1) <= now_us;
  return (wanted.include_expired || !has_expired) &&
         (wanted.category.empty() || row.Text(2) == wanted.category) &&
         wanted.pattern.Matches(row.Text(0));
}

absl::StatusOr<std::optional<std::string>> TakeWanted(
    sqlite::Statement& select, const KeysWanted& wanted, int64_t now_us,
    google::protobuf::RepeatedPtrField<std::string>* keys) {
  const std::string& last = wanted.pattern.last();
  std::string looked_at;
  for (int i = 0; i < kMaxScannedKeys && keys->size() < wanted.limit; ++i) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found || (!last.empty() && select.Text(0) > last)) return std::nullopt;
    looked_at = std::string(select.Text(0));
    if (IsWanted(wanted, select, now_us)) *keys->Add() = looked_at;
  }
  return looked_at;
}

void AddCategory(const sqlite::Statement& row,
                 v1::CacheServiceStatsResponse* response) {
  response->set_entries(response->entries() + row.Int(1));
  response->set_expired(response->expired() + row.Int(2));
  response->set_bytes(response->bytes() + row.Int(3));
  if (row.Int(1) == 0 || response->categories_size() >= kMaxCategories) return;
  v1::CacheCategory& category = *response->add_categories();
  category.set_category(std::string(row.Text(0)));
  category.set_entries(row.Int(1));
  category.set_bytes(row.Int(4));
  category.set_hits(row.Int(5));
}

}  // namespace

absl::StatusOr<bool> ReadCacheEntry(Database& database,
                                    const CacheCollection& cache,
                                    absl::string_view key,
                                    v1::CacheEntry* entry) {
  const auto read = [&](const CacheCollection& as,
                        const sqlite::Statement& select) {
    const auto& touch = as.collection->spec.touch;
    if (touch.has_value() && touch->on_get) {
      database.Touch(as.collection->id, select.Int(kRow));
    }
    entry->set_key(std::string(key));
    return FillEntry(as, select, entry);
  };
  return ReadOne(database, cache, &CacheCollection::select_entry, key, read);
}

absl::StatusOr<bool> HasCacheEntry(Database& database,
                                   const CacheCollection& cache,
                                   absl::string_view key) {
  return ReadOne(database, cache, &CacheCollection::select_found, key,
                 [](const CacheCollection&, const sqlite::Statement&) {
                   return absl::OkStatus();
                 });
}

absl::StatusOr<std::optional<std::string>> ReadCacheKeys(
    Database& database, const CacheCollection& cache, const KeysWanted& wanted,
    const CallBounds& bounds,
    google::protobuf::RepeatedPtrField<std::string>* keys) {
  const int64_t now_us = database.now_us();
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  ASSIGN_OR_RETURN(const CacheCollectionPtr as, CacheIn(view, cache));
  if (as == nullptr) return std::nullopt;
  const StatementGuard guard(view.connection(), bounds);
  const bool begins = wanted.after.empty();
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      view.connection().Cached(absl::StrCat(
          "SELECT id, _expires_us, ", CategoryColumn(*as), " FROM ",
          QuoteIdentifier(as->name()), " WHERE id ", begins ? ">=" : ">", " ?1",
          LiveRecords(as->collection->spec, " AND "), " ORDER BY id")));
  select.BindText(1, begins ? wanted.pattern.first() : wanted.after);
  absl::StatusOr<std::optional<std::string>> last =
      TakeWanted(select, wanted, now_us, keys);
  if (!last.ok()) return guard.Explain(last.status());
  return last;
}

absl::Status ReadCacheStats(Database& database, const CacheCollection& cache,
                            const CallBounds& bounds,
                            v1::CacheServiceStatsResponse* response) {
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  ASSIGN_OR_RETURN(const CacheCollectionPtr as, CacheIn(view, cache));
  if (as == nullptr) return absl::OkStatus();
  const StatementGuard guard(view.connection(), bounds);
  // Entries, those expired, bytes of both, bytes and hits of the first.
  const std::string hits =
      as->hits < 0
          ? "0"
          : QuoteIdentifier(as->collection->spec.fields[as->hits].name);
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      view.connection().Cached(absl::StrCat(
          "SELECT category, sum(lives), sum(NOT lives), sum(bytes), "
          "sum(bytes * lives), sum(hits * lives) FROM (SELECT ",
          CategoryColumn(*as),
          " AS category, _expires_us IS NULL OR "
          "_expires_us > ?1 AS lives, ",
          as->bytes, " AS bytes, ifnull(", hits, ", 0) AS hits", LiveRows(*as),
          ") GROUP BY category "
          "ORDER BY category")));
  select.BindInt(1, database.now_us());
  while (true) {
    const absl::StatusOr<bool> found = select.Step();
    if (!found.ok()) return guard.Explain(found.status());
    if (!*found) return absl::OkStatus();
    AddCategory(select, response);
  }
}

}  // namespace engram::storage
