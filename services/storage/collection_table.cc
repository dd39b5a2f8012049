#include "services/storage/collection_table.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "libs/filter/sql.h"
#include "libs/schema/record_scope.h"
#include "services/storage/spec_expressions.h"

namespace engram::storage {
namespace {

using schema::FieldType;

// Every record's own columns, before its fields. `_row` is never reused, so
// that a vector or a change can name a record for good.
constexpr absl::string_view kOwnColumns =
    "_row INTEGER PRIMARY KEY AUTOINCREMENT,\n"
    "  id TEXT NOT NULL UNIQUE,\n"
    "  _version INTEGER NOT NULL,\n"
    "  _created_us INTEGER NOT NULL,\n"
    "  _updated_us INTEGER NOT NULL,\n"
    "  _sequence INTEGER NOT NULL";

// Indexes share their names with tables. The underscore keeps them apart from
// collections, and the dots, which no name can hold, keep (a, b_c) apart from
// (a_b, c).
std::string IndexName(absl::string_view kind, absl::string_view collection,
                      absl::string_view columns) {
  return absl::StrCat("_", kind, ".", collection, columns.empty() ? "" : ".",
                      columns);
}

// What stands for no value in a unique key: a constant that a STRICT column of
// the field's type refuses, so that no value can be equal to it.
absl::string_view NoValueConstant(FieldType type) {
  return ColumnType(type) == "BLOB" ? "0" : "x''";
}

std::string Collation(const schema::FieldSpec& field) {
  return field.nocase ? " COLLATE NOCASE" : "";
}

// How much a value of the type may hold: 0 is some bytes, 1 a name or the like,
// 2 as much as one pleases.
int SizeRank(FieldType type) {
  switch (type) {
    case FieldType::kInt:
    case FieldType::kBool:
    case FieldType::kTimestamp:
    case FieldType::kDouble:
      return 0;
    // An id has a limit. A string has none, but it is what lists show and
    // filters ask for: behind a text it would cost the text's pages each time.
    case FieldType::kRef:
    case FieldType::kString:
      return 1;
    case FieldType::kText:
    case FieldType::kJson:
    case FieldType::kStrings:
    case FieldType::kBytes:
      break;
  }
  return 2;
}

// The places of the fields in the order of their columns: the small ones first.
// A row that does not fit its page goes on in a chain of others, and SQLite
// walks the chain as far as the last column that it is asked for.
std::vector<int> ColumnOrder(const schema::CollectionSpec& spec) {
  std::vector<int> places(spec.fields.size());
  std::iota(places.begin(), places.end(), 0);
  std::stable_sort(places.begin(), places.end(), [&](int a, int b) {
    return SizeRank(spec.fields[a].type) < SizeRank(spec.fields[b].type);
  });
  return places;
}

// Compiles what a table's definition holds: columns are plain names there.
std::string SqlText(const schema::CollectionSpec& spec,
                    const filter::Node& node) {
  return filter::CompileSqlText(
      node, [&](int place) { return PlaceColumn(spec, "", place); });
}

// Lists the objects of one collection.
class SideObjectLister {
 public:
  SideObjectLister(int64_t collection, const schema::CollectionSpec& spec,
                   absl::Span<const int> numbers)
      : collection_(collection),
        spec_(spec),
        numbers_(numbers),
        table_(QuoteIdentifier(spec.name)) {}

  std::vector<SideObject> List() {
    for (size_t place = 0; place < spec_.fields.size(); ++place) {
      const schema::FieldSpec& field = spec_.fields[place];
      if (!field.indexed) continue;
      if (field.type == FieldType::kStrings) {
        AddElements(place);
      } else {
        AddIndex({.columns = {{.field = field.name}}});
      }
    }
    for (const schema::IndexSpec& index : spec_.indexes) AddIndex(index);
    for (const std::vector<int>& key : spec_.UniqueKeys()) AddUnique(key);
    AddLookups();
    if (spec_.expire.has_value()) AddTimeIndex("expires", "_expires_us");
    if (spec_.soft_delete.has_value()) AddTimeIndex("deleted", "_deleted_us");
    if (spec_.full_text.has_value()) AddText();
    return std::move(objects_);
  }

 private:
  void Add(SideObject object) {
    // `index: true` and a list of indexes may name the same one.
    if (names_.insert(object.name).second) {
      objects_.push_back(std::move(object));
    }
  }

  void AddIndexOn(SideObject::Kind kind, std::string name, std::string summary,
                  absl::string_view terms, absl::string_view condition) {
    const std::string quoted = QuoteIdentifier(name);
    Add({.kind = kind,
         .name = std::move(name),
         .summary = std::move(summary),
         .create = absl::StrCat(
             "CREATE ", kind == SideObject::Kind::kUniqueIndex ? "UNIQUE " : "",
             "INDEX ", quoted, " ON ", table_, " (", terms, ")", condition),
         .drop = absl::StrCat("DROP INDEX ", quoted)});
  }

  void AddIndex(const schema::IndexSpec& index) {
    std::vector<std::string> names, terms;
    for (const schema::IndexSpec::Column& column : index.columns) {
      names.push_back(absl::StrCat(column.descending ? "-" : "", column.field));
      terms.push_back(absl::StrCat(QuoteIdentifier(column.field),
                                   column.descending ? " DESC" : ""));
    }
    if (index.where.empty()) leading_.insert(index.columns[0].field);
    std::string name =
        IndexName("index", spec_.name, absl::StrJoin(names, "."));
    std::string summary = absl::StrCat("index on ", absl::StrJoin(names, ", "));
    std::string condition;
    if (!index.where.empty()) {
      absl::StrAppend(&name, " where ", index.where);
      absl::StrAppend(&summary, " where ", index.where);
      condition = absl::StrCat(
          " WHERE ", SqlText(spec_, ParseCondition(spec_, index.where)));
    }
    AddIndexOn(SideObject::Kind::kIndex, std::move(name), std::move(summary),
               absl::StrJoin(terms, ", "), condition);
  }

  void AddUnique(const std::vector<int>& key) {
    const schema::Missing missing = spec_.MissingIn(key);
    std::vector<std::string> names, terms;
    std::string bound = LiveRecords(spec_, " WHERE ");
    const std::string live = bound;
    for (const int place : key) {
      const schema::FieldSpec& field = spec_.fields[place];
      names.push_back(field.name);
      terms.push_back(UniqueKeyTerm(field, missing));
      if (missing == schema::Missing::kEqual) continue;
      absl::StrAppend(&bound, bound.empty() ? " WHERE " : " AND ",
                      QuoteIdentifier(field.name), " IS NOT NULL");
    }
    const std::string list = absl::StrJoin(terms, ", ");
    AddIndexOn(SideObject::Kind::kUniqueIndex,
               IndexName("unique", spec_.name, absl::StrJoin(names, ".")),
               absl::StrCat("unique key ", absl::StrJoin(names, ", ")), list,
               live);
    objects_.back().find_duplicates = absl::StrCat(
        "SELECT sum(n), min(id) FROM (SELECT count(*) AS n, min(id) AS id "
        "FROM ",
        table_, bound, " GROUP BY ", list, " HAVING count(*) > 1)");
  }

  // What deletes and walks along edges look for has an index in any case.
  void AddLookups() {
    std::vector<std::string> fields;
    for (const schema::FieldSpec& field : spec_.fields) {
      if (field.type == FieldType::kRef) fields.push_back(field.name);
    }
    if (spec_.edges.has_value()) {
      fields.push_back(spec_.edges->source);
      fields.push_back(spec_.edges->target);
    }
    for (const std::string& field : fields) {
      if (!leading_.insert(field).second) continue;
      AddIndexOn(SideObject::Kind::kIndex, IndexName("ref", spec_.name, field),
                 absl::StrCat("index on ", field), QuoteIdentifier(field), "");
    }
  }

  void AddTimeIndex(absl::string_view kind, absl::string_view column) {
    AddIndexOn(
        SideObject::Kind::kIndex, IndexName(kind, spec_.name, ""),
        absl::StrCat("index of what has ",
                     kind == "expires" ? "a time to expire" : "been deleted"),
        column, absl::StrCat(" WHERE ", column, " IS NOT NULL"));
  }

  void AddElements(size_t place) {
    const schema::FieldSpec& field = spec_.fields[place];
    const std::string name = ElementTableName(collection_, numbers_[place]);
    Add({.kind = SideObject::Kind::kElements,
         .name = name,
         .summary = absl::StrCat("index of the elements of ", field.name),
         .create = absl::StrCat("CREATE TABLE ", name, " (value TEXT NOT NULL",
                                Collation(field),
                                ", row INTEGER NOT NULL, "
                                "PRIMARY KEY (value, row)) "
                                "STRICT, WITHOUT ROWID"),
         .drop = absl::StrCat("DROP TABLE ", name),
         .fill = absl::StrCat("INSERT OR IGNORE INTO ", name,
                              " (value, row) SELECT e.value, t._row FROM ",
                              table_, " AS t, json_each(t.",
                              QuoteIdentifier(field.name), ") AS e"),
         .places = {static_cast<int>(place)}});
  }

  void AddText() {
    const schema::FullTextSpec& text = *spec_.full_text;
    std::vector<std::string> names, columns;
    std::vector<int> places;
    for (const schema::FullTextSpec::Column& column : text.columns) {
      names.push_back(column.field);
      columns.push_back(QuoteIdentifier(column.field));
      places.push_back(spec_.FieldIndex(column.field));
    }
    const std::string list = absl::StrJoin(columns, ", ");
    const std::string name = TextTableName(collection_);
    Add({.kind = SideObject::Kind::kText,
         .name = name,
         .summary = absl::StrCat("full text of ", absl::StrJoin(names, ", ")),
         .create = absl::StrCat("CREATE VIRTUAL TABLE ", name, " USING fts5(",
                                list, ", content='", spec_.name,
                                "', content_rowid='_row', tokenize='",
                                Fts5TokenizerName(text), "')"),
         .drop = absl::StrCat("DROP TABLE ", name),
         .fill = absl::StrCat("INSERT INTO ", name, " (rowid, ", list,
                              ") SELECT _row, ", list, " FROM ", table_,
                              LiveRecords(spec_, " WHERE ")),
         .places = std::move(places)});
  }

  const int64_t collection_;
  const schema::CollectionSpec& spec_;
  const absl::Span<const int> numbers_;
  const std::string table_;
  std::vector<SideObject> objects_;
  std::set<std::string> names_;
  // Fields that an index of all records begins with.
  std::set<std::string> leading_;
};

}  // namespace

std::string QuoteIdentifier(absl::string_view name) {
  // Nearly always, and statements are made of many.
  if (!absl::StrContains(name, '"')) return absl::StrCat("\"", name, "\"");
  return absl::StrCat("\"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\"");
}

absl::string_view ColumnType(FieldType type) {
  switch (type) {
    case FieldType::kInt:
    case FieldType::kBool:
    case FieldType::kTimestamp:
      return "INTEGER";
    case FieldType::kDouble:
      return "REAL";
    case FieldType::kBytes:
      return "BLOB";
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kJson:
    case FieldType::kStrings:
    case FieldType::kRef:
      break;
  }
  return "TEXT";
}

std::string ColumnDefinition(const schema::CollectionSpec& spec,
                             const schema::FieldSpec& field) {
  std::string definition =
      absl::StrCat(QuoteIdentifier(field.name), " ", ColumnType(field.type),
                   Collation(field));
  if (field.type == FieldType::kRef) {
    absl::StrAppend(&definition, " REFERENCES ", QuoteIdentifier(field.target),
                    " (id) DEFERRABLE INITIALLY DEFERRED");
  }
  if (!field.generated.empty()) {
    absl::StrAppend(&definition, " GENERATED ALWAYS AS (",
                    SqlText(spec, ParseGenerated(spec, field)), ") VIRTUAL");
  }
  return definition;
}

std::string CreateTableSql(const schema::CollectionSpec& spec,
                           absl::string_view table) {
  std::string create = absl::StrCat("CREATE TABLE ", QuoteIdentifier(table),
                                    " (\n  ", kOwnColumns);
  if (spec.expire.has_value())
    absl::StrAppend(&create, ",\n  ", kExpiresColumn);
  if (spec.soft_delete.has_value()) {
    absl::StrAppend(&create, ",\n  ", kDeletedColumn);
  }
  for (const int place : ColumnOrder(spec)) {
    absl::StrAppend(&create, ",\n  ",
                    ColumnDefinition(spec, spec.fields[place]));
  }
  return absl::StrCat(create, "\n) STRICT");
}

std::vector<SideObject> SideObjects(int64_t collection,
                                    const schema::CollectionSpec& spec,
                                    absl::Span<const int> numbers) {
  return SideObjectLister(collection, spec, numbers).List();
}

std::string PlaceColumn(const schema::CollectionSpec& spec,
                        absl::string_view table, int place) {
  const auto name = [&]() -> std::string {
    switch (place) {
      case schema::kIdPlace:
        return "id";
      case schema::kVersionPlace:
        return "_version";
      case schema::kCreateTimePlace:
        return "_created_us";
      case schema::kUpdateTimePlace:
        return "_updated_us";
      case schema::kExpireTimePlace:
        // A column only where records expire.
        return spec.expire.has_value() ? "_expires_us" : "NULL";
      default:
        return QuoteIdentifier(spec.fields[place].name);
    }
  }();
  if (table.empty() || name == "NULL") return name;
  return absl::StrCat(table, ".", name);
}

std::string ElementTableName(int64_t collection, int number) {
  return absl::StrCat("_elements_", collection, "_", number);
}

std::string TextTableName(int64_t collection) {
  return absl::StrCat("_text_", collection);
}

std::string Fts5TokenizerName(const schema::FullTextSpec& text) {
  return text.tokenizer == "porter" ? "porter unicode61" : text.tokenizer;
}

std::string UniqueKeyTerm(const schema::FieldSpec& field,
                          schema::Missing missing) {
  // SQLite takes NULLs for distinct.
  if (missing == schema::Missing::kDistinct) {
    return absl::StrCat(QuoteIdentifier(field.name), Collation(field));
  }
  return absl::StrCat("ifnull(", QuoteIdentifier(field.name), ", ",
                      NoValueConstant(field.type), ")", Collation(field));
}

std::string UniqueKeyParameter(const schema::FieldSpec& field,
                               schema::Missing missing) {
  if (missing == schema::Missing::kDistinct) return "?";
  return absl::StrCat("ifnull(?, ", NoValueConstant(field.type), ")");
}

std::string LiveRecords(const schema::CollectionSpec& spec,
                        absl::string_view before) {
  if (!spec.soft_delete.has_value()) return "";
  return absl::StrCat(before, "_deleted_us IS NULL");
}

}  // namespace engram::storage
