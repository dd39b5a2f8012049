#include "services/storage/record_select.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/storage/collection_table.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSchemaVersion =
    ", (SELECT max(version) FROM _schema_migrations)";

std::string Columns(const Collection& collection,
                    const std::vector<int>& fields) {
  std::string sql =
      absl::StrCat("SELECT _row, id, _version, _created_us, _updated_us, ",
                   collection.expires() ? "_expires_us" : "NULL");
  for (const int place : fields) {
    absl::StrAppend(&sql, ", ",
                    QuoteIdentifier(collection.spec.fields[place].name));
  }
  return sql;
}

std::string FromById(const Collection& collection) {
  return absl::StrCat(" FROM ", QuoteIdentifier(collection.name()),
                      " WHERE id = ?2", LiveRecords(collection.spec, " AND "),
                      collection.expires()
                          ? " AND (_expires_us IS NULL OR _expires_us > ?1)"
                          : "");
}

}  // namespace

std::string SelectByRowSql(const Collection& collection,
                           const std::vector<int>& fields) {
  return absl::StrCat(Columns(collection, fields), " FROM ",
                      QuoteIdentifier(collection.name()), " WHERE _row = ?");
}

std::string SelectByIdSql(const Collection& collection,
                          const std::vector<int>& fields) {
  return absl::StrCat(Columns(collection, fields), FromById(collection));
}

std::string SelectNewestByIdSql(const Collection& collection,
                                const std::vector<int>& fields) {
  return absl::StrCat(Columns(collection, fields), kSchemaVersion,
                      FromById(collection));
}

}  // namespace engram::storage
