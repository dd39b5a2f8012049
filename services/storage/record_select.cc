#include "services/storage/record_select.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "services/storage/collection_table.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSchemaVersion =
    ", (SELECT max(version) FROM _schema_migrations)";

std::string FromById(const Collection& collection) {
  return absl::StrCat(" FROM ", QuoteIdentifier(collection.name()),
                      " WHERE id = ?2", LiveRecords(collection.spec, " AND "),
                      collection.expires()
                          ? " AND (_expires_us IS NULL OR _expires_us > ?1)"
                          : "");
}

}  // namespace

std::string RecordColumns(const Collection& collection,
                          const std::vector<int>& fields) {
  // Most reads are of all: their text is there, and to make it from the fields
  // would take as long as to decode the record.
  if (fields.size() == collection.spec.fields.size()) return collection.columns;
  std::string sql =
      absl::StrCat("_row, id, _version, _created_us, _updated_us, NULL, ",
                   collection.expires() ? "_expires_us" : "NULL", ", NULL");
  for (const int place : fields) {
    absl::StrAppend(&sql, ", ",
                    QuoteIdentifier(collection.spec.fields[place].name));
  }
  return sql;
}

std::string SelectByRowSql(const Collection& collection,
                           const std::vector<int>& fields) {
  return absl::StrCat("SELECT ", RecordColumns(collection, fields), " FROM ",
                      QuoteIdentifier(collection.name()), " WHERE _row = ?");
}

std::string SelectByIdSql(const Collection& collection,
                          const std::vector<int>& fields) {
  return absl::StrCat("SELECT ", RecordColumns(collection, fields),
                      FromById(collection));
}

std::string SelectNewestByIdSql(const Collection& collection,
                                const std::vector<int>& fields) {
  return absl::StrCat("SELECT ", RecordColumns(collection, fields),
                      kSchemaVersion, FromById(collection));
}

std::string SelectNewestByIdSql(const Collection& collection) {
  return absl::StrCat("SELECT ", collection.columns, kSchemaVersion,
                      FromById(collection));
}

}  // namespace engram::storage
