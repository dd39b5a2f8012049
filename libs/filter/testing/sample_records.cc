#include "libs/filter/testing/sample_records.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/struct.pb.h"
#include "libs/filter/evaluate.h"
#include "libs/json/json.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/status_macros.h"

namespace engram::filter::testing {
namespace {

using schema::Blob;
using schema::FieldType;
using schema::FieldValue;

constexpr absl::string_view kElements =
    "SELECT row FROM elements WHERE value = ?";

std::string Column(int place) {
  return absl::StrCat("\"", SampleFields()[place].name, "\"");
}

SqlNames Names() {
  static const auto* const rows = new auto([](int place) {
    return std::string(place == PlaceOf("labels") ? kElements : "");
  });
  return {Column, *rows};
}

absl::string_view ColumnType(const SampleField& field) {
  switch (field.type) {
    case FieldType::kInt:
    case FieldType::kBool:
    case FieldType::kTimestamp:
      return "INTEGER";
    case FieldType::kDouble:
      return "REAL";
    case FieldType::kBytes:
      return "BLOB";
    default:
      return field.nocase ? "TEXT COLLATE NOCASE" : "TEXT";
  }
}

void Bind(sqlite::Statement& statement, int parameter,
          const FieldValue& value) {
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    statement.BindInt(parameter, *whole);
  } else if (const auto* number = std::get_if<double>(&value)) {
    statement.BindDouble(parameter, *number);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    statement.BindText(parameter, *text);
  } else if (const auto* blob = std::get_if<Blob>(&value)) {
    statement.BindBlob(parameter, blob->bytes);
  } else {
    statement.BindNull(parameter);
  }
}

void BindAll(sqlite::Statement& statement, const Sql& sql) {
  for (size_t i = 0; i < sql.parameters.size(); ++i) {
    Bind(statement, static_cast<int>(i) + 1, sql.parameters[i]);
  }
}

FieldValue Read(const sqlite::Statement& statement, int column) {
  switch (statement.ColumnType(column)) {
    case SQLITE_INTEGER:
      return statement.Int(column);
    case SQLITE_FLOAT:
      return statement.Double(column);
    case SQLITE_TEXT:
      return std::string(statement.Text(column));
    case SQLITE_BLOB:
      return Blob{std::string(statement.Blob(column))};
    default:
      return FieldValue();
  }
}

std::string Show(const FieldValue& value) {
  if (const auto* number = std::get_if<double>(&value)) {
    char text[40];
    snprintf(text, sizeof(text), "double %.17g", *number);
    return text;
  }
  if (const auto* whole = std::get_if<int64_t>(&value)) {
    return absl::StrCat("int ", *whole);
  }
  return schema::ShowValue(FieldType::kString, value);
}

std::string ShowSql(const Sql& sql) {
  std::string text = absl::StrCat(sql.text, " with [");
  for (const FieldValue& parameter : sql.parameters) {
    absl::StrAppend(&text, Show(parameter), ", ");
  }
  return text + "]";
}

std::string ShowRecord(const Record& record) {
  std::string text;
  for (size_t place = 0; place < record.size(); ++place) {
    if (record[place].index() == 0) continue;
    absl::StrAppend(&text, SampleFields()[place].name, "=", Show(record[place]),
                    " ");
  }
  return text;
}

std::vector<FieldValue> Ints() {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  constexpr int64_t kTwoTo53 = int64_t{1} << 53;
  return {int64_t{0}, int64_t{1},  FieldValue(), int64_t{-1}, int64_t{2},
          int64_t{7}, kTwoTo53,    kTwoTo53 + 1, kMax,        kMax - 1,
          -kMax - 1,  int64_t{60}, -kMax};
}

std::vector<FieldValue> Doubles() {
  return {0.0,
          0.5,
          FieldValue(),
          -2.5,
          1.0,
          7.0,
          1e308,
          -1e308,
          0.1,
          2.675,
          1e-300,
          9007199254740992.0,
          9223372036854775808.0,
          -9223372036854775808.0,
          0.49999999999999994,
          -0.5,
          3.0000000000000004};
}

std::vector<FieldValue> Strings() {
  return {"",
          "a",
          FieldValue(),
          "A",
          "abc",
          "aBc",
          "ab%",
          "a_b",
          "\xC3\xBC",
          "Z_",
          "z",
          "[",
          "'; DROP TABLE records; --",
          "\"quoted\" \\",
          "ab\xF4\x8F\xBF\xBF",
          "ab\xED\x9F\xBF\x21",
          "5",
          "true",
          "\n\t\x01",
          "ab\x7F"};
}

std::vector<FieldValue> Timestamps() {
  return {kNowUs,
          kNowUs - 7 * int64_t{86'400'000'000},
          FieldValue(),
          int64_t{0},
          int64_t{-1},
          int64_t{253'402'300'799'999'999},
          int64_t{-62'135'596'800'000'000},
          kNowUs + 1};
}

std::vector<FieldValue> Jsons() {
  return {R"({})",
          R"({"a":5,"b":"x","c":true,"d":null})",
          FieldValue(),
          R"({"a":{"b":[1,2.5,"three",[4]]}})",
          R"({"a":0.5,"list":["sql","SQL","a\"b","\u0001"]})",
          R"({"a":"5","list":[]})",
          R"({"a":false,"list":"sql"})",
          R"({"a":null,"list":{"k":"sql"}})",
          R"({"a":[5],"odd key":"\\","":1})",
          R"({"a":1e+300,"b":"abc","type":"text","value":"sql"})",
          R"({"a":-0,"b":"aBc","c":false})",
          R"([1,"sql",{"a":2}])",
          R"("just text")",
          R"(12)",
          R"({"a":9007199254740991,"b":"\u00e9"})"};
}

std::vector<FieldValue> Lists() {
  return {R"(["sql","cpp"])",
          R"([])",
          FieldValue(),
          R"(["SQL"])",
          R"(["a\"b","x,",",z"])",
          R"([",","'; DROP TABLE records; --"])",
          R"(["\\","ü","\u0001"])",
          R"([""])"};
}

}  // namespace

const std::vector<SampleField>& SampleFields() {
  static const auto* const fields = new std::vector<SampleField>{
      {"title", FieldType::kString},
      {"name", FieldType::kText, /*nocase=*/true},
      {"value", FieldType::kString},
      {"owner", FieldType::kRef},
      {"count", FieldType::kInt},
      {"size", FieldType::kInt},
      {"min", FieldType::kInt},
      {"score", FieldType::kDouble},
      {"weight", FieldType::kDouble},
      {"ready", FieldType::kBool},
      {"hidden", FieldType::kBool},
      {"created", FieldType::kTimestamp},
      {"updated", FieldType::kTimestamp},
      {"metadata", FieldType::kJson},
      {"json", FieldType::kJson},
      {"hash", FieldType::kBytes},
      {"tags", FieldType::kStrings},
      {"labels", FieldType::kStrings},
      {"type", FieldType::kStrings, /*nocase=*/true},
      {"prefix", FieldType::kString},
      {"new.count", FieldType::kInt},
  };
  return *fields;
}

int PlaceOf(absl::string_view name) {
  const auto& fields = SampleFields();
  for (size_t place = 0; place < fields.size(); ++place) {
    if (fields[place].name == name) return static_cast<int>(place);
  }
  return -1;
}

std::optional<Name> SampleScope::Find(absl::string_view name) const {
  const int place = PlaceOf(name);
  if (place < 0) return std::nullopt;
  const SampleField& field = SampleFields()[place];
  return Name{field.type, place, field.nocase};
}

std::vector<std::string> SampleScope::Names() const {
  std::vector<std::string> names;
  for (const SampleField& field : SampleFields()) {
    names.emplace_back(field.name);
  }
  return names;
}

const std::vector<FieldValue>& TellingValues(FieldType type) {
  static const auto* const ints = new auto(Ints());
  static const auto* const doubles = new auto(Doubles());
  static const auto* const strings = new auto(Strings());
  static const auto* const timestamps = new auto(Timestamps());
  static const auto* const jsons = new auto(Jsons());
  static const auto* const lists = new auto(Lists());
  static const auto* const bools =
      new std::vector<FieldValue>{int64_t{1}, int64_t{0}, FieldValue()};
  static const auto* const bytes = new std::vector<FieldValue>{
      Blob{""}, Blob{std::string("\0\xFF", 2)}, FieldValue(), Blob{"abc"}};
  switch (type) {
    case FieldType::kInt:
      return *ints;
    case FieldType::kDouble:
      return *doubles;
    case FieldType::kBool:
      return *bools;
    case FieldType::kTimestamp:
      return *timestamps;
    case FieldType::kJson:
      return *jsons;
    case FieldType::kBytes:
      return *bytes;
    case FieldType::kStrings:
      return *lists;
    default:
      return *strings;
  }
}

std::vector<Record> TellingRecords(int count) {
  std::vector<Record> records(count);
  for (int k = 0; k < count; ++k) {
    size_t step = 1;
    for (const SampleField& field : SampleFields()) {
      const auto& values = TellingValues(field.type);
      // Two fields of one type go round at different paces.
      records[k].push_back(values[(k * step + step / 7) % values.size()]);
      step += 4;
    }
  }
  return records;
}

SampleTable::SampleTable(std::unique_ptr<sqlite::Connection> connection,
                         std::vector<Record> records)
    : connection_(std::move(connection)), records_(std::move(records)) {}

absl::StatusOr<std::unique_ptr<SampleTable>> SampleTable::Create(
    const std::string& path, std::vector<Record> records) {
  ASSIGN_OR_RETURN(auto connection,
                   sqlite::Connection::Open(path, sqlite::Access::kReadWrite,
                                            sqlite::Durability::kNormal));
  auto table =
      absl::WrapUnique(new SampleTable(std::move(connection), records));
  std::string create = "CREATE TABLE records (_row INTEGER PRIMARY KEY";
  std::string indexes;
  const int fields = static_cast<int>(SampleFields().size());
  for (int place = 0; place < fields; ++place) {
    const SampleField& field = SampleFields()[place];
    absl::StrAppend(&create, ", ", Column(place), " ", ColumnType(field));
    if (field.type == FieldType::kJson) continue;
    absl::StrAppend(&indexes, "CREATE INDEX \"by ", field.name,
                    "\" ON records (", Column(place), ");");
  }
  RETURN_IF_ERROR(table->connection_->Execute(
      absl::StrCat("BEGIN;", create, ") STRICT;", indexes,
                   "CREATE TABLE elements (value TEXT, row INTEGER, "
                   "PRIMARY KEY (value, row)) STRICT, WITHOUT ROWID")));
  for (size_t i = 0; i < records.size(); ++i) {
    RETURN_IF_ERROR(table->Insert(static_cast<int64_t>(i) + 1));
  }
  RETURN_IF_ERROR(table->connection_->Execute("COMMIT"));
  return table;
}

absl::Status SampleTable::Insert(int64_t row) {
  const Record& record = records_[row - 1];
  std::string sql = "INSERT INTO records VALUES (?";
  for (size_t i = 0; i < record.size(); ++i) sql += ", ?";
  ASSIGN_OR_RETURN(auto insert, connection_->Cached(sql + ")"));
  insert.BindInt(1, row);
  for (size_t i = 0; i < record.size(); ++i) {
    Bind(insert, static_cast<int>(i) + 2, record[i]);
  }
  RETURN_IF_ERROR(insert.Run());
  ASSIGN_OR_RETURN(auto elements,
                   connection_->Cached("INSERT OR IGNORE INTO elements "
                                       "SELECT value, ? FROM json_each(?)"));
  elements.BindInt(1, row);
  Bind(elements, 2, record[PlaceOf("labels")]);
  return elements.Run();
}

Sql SampleTable::Compile(const Node& node) const {
  return CompileSql(node, Names(), kNowUs);
}

absl::StatusOr<std::vector<int64_t>> SampleTable::Select(const Sql& where) {
  ASSIGN_OR_RETURN(auto select, connection_->Prepare(absl::StrCat(
                                    "SELECT _row FROM records WHERE (",
                                    where.text, ") ORDER BY _row")));
  BindAll(select, where);
  std::vector<int64_t> rows;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return rows;
    rows.push_back(select.Int(0));
  }
}

absl::StatusOr<std::string> SampleTable::Plan(const Sql& where) {
  ASSIGN_OR_RETURN(auto explain, connection_->Prepare(absl::StrCat(
                                     "EXPLAIN QUERY PLAN SELECT _row FROM "
                                     "records WHERE (",
                                     where.text, ")")));
  BindAll(explain, where);
  std::string plan;
  for (;;) {
    ASSIGN_OR_RETURN(const bool found, explain.Step());
    if (!found) return plan;
    absl::StrAppend(&plan, explain.Text(3), "\n");
  }
}

absl::Status SampleTable::CheckCondition(const Node& node) {
  RETURN_IF_ERROR(CompareRows(node, Compile(node)));
  if (UsesNow(node)) return absl::OkStatus();
  return CompareRows(node, {CompileSqlText(node, Column), {}});
}

absl::Status SampleTable::CompareRows(const Node& node, const Sql& sql) {
  ASSIGN_OR_RETURN(const std::vector<int64_t> rows, Select(sql));
  auto next = rows.begin();
  for (size_t i = 0; i < records_.size(); ++i) {
    const auto row = static_cast<int64_t>(i) + 1;
    const bool found = next != rows.end() && *next == row;
    if (found) ++next;
    const bool matches = Matches(
        node,
        [&](int place) -> const FieldValue& { return records_[i][place]; },
        kNowUs);
    if (matches == found) continue;
    return absl::InternalError(
        absl::StrCat("Matches says ", matches, ", SQLite ", found, " by ",
                     ShowSql(sql), "\nof ", ShowRecord(records_[i])));
  }
  return absl::OkStatus();
}

absl::Status SampleTable::CheckValue(const Node& node) {
  RETURN_IF_ERROR(CompareValues(node, Compile(node)));
  if (UsesNow(node)) return absl::OkStatus();
  return CompareValues(node, {CompileSqlText(node, Column), {}});
}

absl::Status SampleTable::CompareValues(const Node& node, const Sql& sql) {
  ASSIGN_OR_RETURN(auto select,
                   connection_->Prepare(absl::StrCat(
                       "SELECT (", sql.text, ") FROM records ORDER BY _row")));
  BindAll(select, sql);
  for (const Record& record : records_) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::InternalError("a row is gone");
    const FieldValue computed = Read(select, 0);
    const FieldValue evaluated = Evaluate(
        node, [&](int place) -> const FieldValue& { return record[place]; },
        kNowUs);
    if (computed == evaluated) continue;
    return absl::InternalError(absl::StrCat(
        "Evaluate says ", Show(evaluated), ", SQLite ", Show(computed), " by ",
        ShowSql(sql), "\nof ", ShowRecord(record)));
  }
  return absl::OkStatus();
}

absl::Status CheckInput(absl::string_view input) {
  static const auto* const directory = new engram::testing::TempDirectory();
  static const auto* const table = new auto(
      *SampleTable::Create(directory->File("sample.db"), TellingRecords(24)));
  const size_t line = input.find('\n');
  const absl::string_view text = input.substr(0, line);
  google::protobuf::Struct parameters;
  thread_local json::Parser parser;
  if (line != absl::string_view::npos &&
      !parser.ParseObject(input.substr(line + 1), &parameters).ok()) {
    parameters.Clear();
  }
  const SampleScope scope;
  if (const auto node = ParseFilter(text, scope, parameters); node.ok()) {
    RETURN_IF_ERROR((*table)->CheckCondition(*node));
  }
  for (const FieldType type :
       {FieldType::kString, FieldType::kInt, FieldType::kDouble,
        FieldType::kBool, FieldType::kTimestamp, FieldType::kJson,
        FieldType::kBytes, FieldType::kStrings}) {
    const auto node = ParseExpression(text, scope, type, parameters);
    if (node.ok()) RETURN_IF_ERROR((*table)->CheckValue(*node));
  }
  return absl::OkStatus();
}

}  // namespace engram::filter::testing
