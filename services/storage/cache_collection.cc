#include "services/storage/cache_collection.h"

#include <initializer_list>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "libs/schema/field_reader.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"

namespace engram::storage {

using schema::FieldType;

// The value comes last, so that what is read of a row without it need not go
// through it.
const absl::string_view kDefaultCacheDocument =
    R"yaml(# Values by key, some for a time; made by the first CacheService/Set. The record's
# id is the key.
collection: cache
id: required
fields:
  category:   {type: string, index: true}
  created_at: {type: timestamp, required: true, default: now}
  used_at:    {type: timestamp, required: true, default: now, index: true}
  expires_at: {type: timestamp}
  hits:       {type: int, required: true, default: 0, min: 0}
  value:      {type: json}
expire: {field: expires_at}
touch:
  on: get
  set: {hits: "+1", used_at: now}
)yaml";

namespace {

absl::Status AttributeMissing(const Collection& collection,
                              absl::string_view attribute,
                              absl::string_view declaration) {
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_ATTRIBUTE_MISSING,
      absl::StrCat("collection \"", collection.name(),
                   "\" is no cache: it lacks `", attribute, "`; declare ",
                   declaration),
      {{"collection", collection.name()}, {"attribute", attribute}});
}

int FindField(const schema::CollectionSpec& spec, absl::string_view name,
              std::initializer_list<FieldType> types) {
  const int place = spec.FieldIndex(name);
  if (place < 0) return -1;
  return absl::c_linear_search(types, spec.fields[place].type) ? place : -1;
}

int FindValue(const schema::CollectionSpec& spec) {
  return FindField(spec, "value",
                   {FieldType::kJson, FieldType::kText, FieldType::kString,
                    FieldType::kBytes});
}

bool ExpiresByField(const schema::CollectionSpec& spec) {
  return spec.expire.has_value() && spec.expire->field == "expires_at";
}

// The same of a field that every Set gives a value.
int FindWritable(const Collection& collection, absl::string_view name,
                 FieldType type) {
  const int place = FindField(collection.spec, name, {type});
  if (place < 0) return -1;
  const schema::FieldSpec& field = collection.spec.fields[place];
  return schema::WhyComputed(field).empty() && !field.immutable ? place : -1;
}

std::string ColumnOf(const CacheCollection& cache, int place) {
  return QuoteIdentifier(cache.collection->spec.fields[place].name);
}

void CompileSql(CacheCollection& cache) {
  const Collection& collection = *cache.collection;
  const std::string value = ColumnOf(cache, cache.value);
  cache.bytes = absl::StrCat("length(CAST(id AS BLOB)) + ifnull(length(CAST(",
                             value, " AS BLOB)), 0)");
  const std::string visible =
      absl::StrCat(" FROM ", QuoteIdentifier(collection.name()),
                   " WHERE id = ?1 AND (_expires_us IS NULL OR _expires_us > "
                   "?2)",
                   LiveRecords(collection.spec, " AND "));
  cache.select_entry = absl::StrCat(
      "SELECT _row, ", value, ", _expires_us, ",
      cache.created_at < 0
          ? "_updated_us"
          : absl::StrCat("ifnull(", ColumnOf(cache, cache.created_at),
                         ", _updated_us)"),
      ", ", cache.category < 0 ? "NULL" : ColumnOf(cache, cache.category), ", ",
      cache.hits < 0 ? "0" : ColumnOf(cache, cache.hits), visible);
  cache.select_found = absl::StrCat("SELECT 1", visible);
  cache.used = "_updated_us";
  if (cache.used_at >= 0) {
    const std::string used_at = ColumnOf(cache, cache.used_at);
    cache.used = collection.spec.fields[cache.used_at].required
                     ? used_at
                     : absl::StrCat("ifnull(", used_at, ", _updated_us)");
  }
}

}  // namespace

int FindCacheValue(const schema::CollectionSpec& spec) {
  return ExpiresByField(spec) ? FindValue(spec) : -1;
}

absl::StatusOr<CacheCollectionPtr> MakeCacheCollection(
    CollectionPtr collection) {
  CacheCollection cache;
  cache.value = FindValue(collection->spec);
  if (cache.value < 0) {
    return AttributeMissing(
        *collection, "value",
        "a field `value` of type json, text, string or bytes");
  }
  if (!ExpiresByField(collection->spec)) {
    return AttributeMissing(*collection, "expire",
                            "a timestamp `expires_at` and, beside the fields, "
                            "`expire: {field: expires_at}`");
  }
  cache.expires_at = collection->spec.FieldIndex("expires_at");
  cache.category = FindField(collection->spec, "category",
                             {FieldType::kString, FieldType::kText});
  cache.created_at =
      FindWritable(*collection, "created_at", FieldType::kTimestamp);
  cache.used_at = FindWritable(*collection, "used_at", FieldType::kTimestamp);
  cache.hits = FindWritable(*collection, "hits", FieldType::kInt);
  cache.collection = std::move(collection);
  CompileSql(cache);
  return std::make_shared<const CacheCollection>(std::move(cache));
}

absl::Status CategoryMissing(const CacheCollection& cache) {
  return AttributeMissing(*cache.collection, "category",
                          "a field `category` of type string or text");
}

}  // namespace engram::storage
