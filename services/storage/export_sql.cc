// SQL that SQLite's shell runs: the table and its rows, in one transaction, so
// that a file which was cut off leaves nothing behind. Run twice it leaves what
// it left the first time, and a file of what changed since brings the table up
// to date.

#include <sqlite3.h>

#include <charconv>
#include <cmath>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "services/storage/collection_table.h"
#include "services/storage/export_format.h"

namespace engram::storage {
namespace {

void AppendText(absl::string_view text, std::string* out) {
  out->push_back('\'');
  for (const char c : text) {
    if (c == '\'') out->push_back('\'');
    out->push_back(c);
  }
  out->push_back('\'');
}

// Below this, SQLite (3.40) may not read the number that digits stand for.
constexpr double kSmallest = 1e-290;

void AppendDigits(double value, int precision, std::string* out) {
  char digits[32];  // 19 digits, sign, point and exponent.
  const auto result = std::to_chars(digits, digits + sizeof(digits), value,
                                    std::chars_format::scientific, precision);
  out->append(digits, result.ptr);
}

// 17 digits name a double, and, unlike the fewest that do, leave room for how
// SQLite rounds.
void AppendDouble(double value, std::string* out) {
  constexpr int kShift = 512;
  if (value == 0 || std::abs(value) >= kSmallest) {
    return AppendDigits(value, 16, out);
  }
  // The product with a power of two is exact.
  AppendDigits(std::ldexp(value, kShift), 16, out);
  out->append(" * ");
  AppendDigits(std::ldexp(1.0, -kShift), 18, out);
}

void AppendValue(const sqlite::Statement& row, int column, std::string* out) {
  switch (row.ColumnType(column)) {
    case SQLITE_INTEGER:
      absl::StrAppend(out, row.Int(column));
      return;
    case SQLITE_FLOAT:
      return AppendDouble(row.Double(column), out);
    case SQLITE_TEXT:
      return AppendText(row.Text(column), out);
    case SQLITE_BLOB:
      absl::StrAppend(out, "x'", absl::BytesToHexString(row.Blob(column)), "'");
      return;
    default:
      out->append("NULL");
  }
}

class SqlFormat : public ExportFormat {
 public:
  SqlFormat(const schema::CollectionSpec& spec, const std::vector<int>& places)
      : columns_(static_cast<int>(places.size())) {
    const std::string table = QuoteIdentifier(spec.name);
    create_ = absl::StrCat("CREATE TABLE IF NOT EXISTS ", table,
                           " (\n  id TEXT PRIMARY KEY NOT NULL");
    insert_ = absl::StrCat("INSERT OR REPLACE INTO ", table, " (id");
    for (const int place : places) {
      const schema::FieldSpec& field = spec.fields[place];
      absl::StrAppend(&create_, ",\n  ", QuoteIdentifier(field.name), " ",
                      ColumnType(field.type));
      absl::StrAppend(&insert_, ", ", QuoteIdentifier(field.name));
    }
    absl::StrAppend(&create_, "\n);\n");
    absl::StrAppend(&insert_, ") VALUES (");
  }

  void Begin(std::string* out) override {
    absl::StrAppend(out, "BEGIN;\n", create_);
  }

  void Write(const sqlite::Statement& row, std::string* out) override {
    out->append(insert_);
    AppendText(row.Text(kIdColumn), out);
    for (int i = 0; i < columns_; ++i) {
      out->append(", ");
      AppendValue(row, kFirstField + i, out);
    }
    out->append(");\n");
  }

  void End(std::string* out) override { out->append("COMMIT;\n"); }

 private:
  const int columns_;
  std::string create_;
  // Up to the first value.
  std::string insert_;
};

}  // namespace

std::unique_ptr<ExportFormat> NewSqlFormat(const schema::CollectionSpec& spec,
                                           std::vector<int> fields) {
  return std::make_unique<SqlFormat>(spec, fields);
}

}  // namespace engram::storage
