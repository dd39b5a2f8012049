#include "services/storage/aggregate_scan.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/filter/json_path.h"
#include "libs/filter/sql.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"
#include "services/storage/json_text.h"
#include "services/storage/record_condition.h"
#include "services/storage/time_bucket.h"

namespace engram::storage {
namespace {

using filter::Type;

constexpr double kMicrosecondsPerSecond = 1'000'000;

// What SQLite takes of one statement: its expressions are bounded one by one,
// but a request has many.
constexpr size_t kMaxSqlBytes = size_t{8} << 20;
constexpr size_t kMaxSqlParameters = 32'766;

// Groups of one record between two looks at the bounds: with several strings
// fields it is in one for each combination.
constexpr int kGroupsBetweenChecks = 4096;

// The SELECT, and which of its columns hold what.
struct Select {
  struct Figure {
    int value = -1;
    int weight = -1;
  };

  std::vector<std::string> columns;
  std::vector<ColumnValue> parameters;
  std::vector<int> keys;
  std::vector<Figure> figures;
  std::string sql;
};

class SelectWriter {
 public:
  SelectWriter(const Collection& collection, int64_t now_us)
      : collection_(collection), now_us_(now_us) {}

  Select Write(const AggregatePlan& plan) {
    for (const AggregateKey& key : plan.keys) {
      select_.keys.push_back(Column(key.value));
    }
    for (const AggregateFigure& figure : plan.figures) {
      Select::Figure columns;
      if (figure.value.has_value()) columns.value = Column(*figure.value);
      if (figure.weight.has_value()) columns.weight = Column(*figure.weight);
      select_.figures.push_back(columns);
    }
    // Records are counted even where nothing of them is read.
    if (select_.columns.empty()) select_.columns.push_back("1");
    const RecordCondition condition =
        CompileCondition(collection_, plan.filter, Deleted::kHidden, now_us_);
    select_.parameters.insert(select_.parameters.end(),
                              condition.parameters.begin(),
                              condition.parameters.end());
    select_.sql = absl::StrCat("SELECT ", absl::StrJoin(select_.columns, ", "),
                               " FROM ", QuoteIdentifier(collection_.name()),
                               " WHERE ", condition.sql);
    return std::move(select_);
  }

 private:
  // The place of the column that holds what the expression is.
  int Column(const filter::Node& node) {
    const auto column = [&](int place) {
      return PlaceColumn(collection_.spec, "", place);
    };
    const auto no_elements = [](int) { return std::string(); };
    filter::Sql sql = filter::CompileSql(
        node, {.column = column, .rows_with_element = no_elements}, now_us_);
    if (sql.parameters.empty()) {
      const auto found =
          std::find(select_.columns.begin(), select_.columns.end(), sql.text);
      if (found != select_.columns.end()) {
        return static_cast<int>(found - select_.columns.begin());
      }
    }
    select_.columns.push_back(std::move(sql.text));
    for (ColumnValue& value : sql.parameters) {
      select_.parameters.push_back(std::move(value));
    }
    return static_cast<int>(select_.columns.size()) - 1;
  }

  const Collection& collection_;
  const int64_t now_us_;
  Select select_;
};

Cell ReadCell(const sqlite::Statement& row, int column) {
  if (column < 0) return Cell();
  switch (row.ColumnType(column)) {
    case SQLITE_INTEGER:
      return row.Int(column);
    case SQLITE_FLOAT:
      return row.Double(column);
    case SQLITE_TEXT:
      return row.Text(column);
    case SQLITE_BLOB:
      return row.Blob(column);
    default:
      return Cell();
  }
}

// The different elements of a strings value.
std::vector<std::string> ElementsOf(const Cell& cell) {
  std::vector<std::string> elements;
  const auto* list = std::get_if<absl::string_view>(&cell);
  if (list == nullptr || !IsJsonList(*list)) return elements;
  for (const absl::string_view element : ListElements(*list)) {
    if (auto text = filter::JsonString(element)) {
      elements.push_back(*std::move(text));
    }
  }
  std::sort(elements.begin(), elements.end());
  elements.erase(std::unique(elements.begin(), elements.end()), elements.end());
  return elements;
}

// Adds one record after the other.
class RecordAdder {
 public:
  RecordAdder(const AggregatePlan& plan, const Select& select,
              const CallBounds& bounds, GroupTable& groups)
      : plan_(plan),
        select_(select),
        bounds_(bounds),
        groups_(groups),
        keys_(plan.keys.size()),
        elements_(plan.keys.size()),
        inputs_(plan.figures.size()) {}

  absl::Status Add(const sqlite::Statement& row) {
    for (size_t i = 0; i < keys_.size(); ++i) ReadKey(row, i);
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Select::Figure& columns = select_.figures[i];
      inputs_[i] = {ReadCell(row, columns.value),
                    ReadCell(row, columns.weight)};
    }
    return AddFrom(0);
  }

 private:
  void ReadKey(const sqlite::Statement& row, size_t place) {
    const AggregateKey& key = plan_.keys[place];
    Cell& cell = keys_[place];
    cell = ReadCell(row, select_.keys[place]);
    if (key.value.type == Type::kStrings) elements_[place] = ElementsOf(cell);
    const auto* whole = std::get_if<int64_t>(&cell);
    if (whole == nullptr) return;
    if (key.value.type == Type::kTimestamp) {
      cell = BucketStart(key.bucket, *whole);
    } else if (key.value.type == Type::kDuration) {
      cell = static_cast<double>(*whole) / kMicrosecondsPerSecond;
    }
  }

  // Adds the record to each group that the elements of the keys from `place` on
  // put it into.
  absl::Status AddFrom(size_t place) {
    while (place < keys_.size() &&
           plan_.keys[place].value.type != Type::kStrings) {
      ++place;
    }
    if (place == keys_.size()) {
      if (++added_ % kGroupsBetweenChecks == 0) {
        RETURN_IF_ERROR(bounds_.Check());
      }
      return groups_.Add(keys_, inputs_);
    }
    for (const std::string& element : elements_[place]) {
      keys_[place] = absl::string_view(element);
      RETURN_IF_ERROR(AddFrom(place + 1));
    }
    return absl::OkStatus();
  }

  const AggregatePlan& plan_;
  const Select& select_;
  const CallBounds& bounds_;
  GroupTable& groups_;
  // Of the record being added.
  std::vector<Cell> keys_;
  std::vector<std::vector<std::string>> elements_;
  std::vector<GroupTable::Input> inputs_;
  int64_t added_ = 0;
};

absl::Status AddAll(sqlite::Statement& rows, RecordAdder& adder) {
  while (true) {
    ASSIGN_OR_RETURN(const bool found, rows.Step());
    if (!found) return absl::OkStatus();
    RETURN_IF_ERROR(adder.Add(rows));
  }
}

}  // namespace

absl::Status ScanIntoGroups(sqlite::Connection& connection,
                            const Collection& collection,
                            const AggregatePlan& plan, const CallBounds& bounds,
                            int64_t now_us, GroupTable& groups) {
  const Select select = SelectWriter(collection, now_us).Write(plan);
  if (select.sql.size() > kMaxSqlBytes ||
      select.parameters.size() > kMaxSqlParameters) {
    return InvalidField("aggregations",
                        "are too long together, with the filter, to be run; "
                        "shorten the lists in them");
  }
  const StatementGuard guard(connection, bounds);
  // Not cached: such texts are seldom the same, and a scan costs far more.
  ASSIGN_OR_RETURN(sqlite::Statement rows, connection.Prepare(select.sql));
  BindAll(rows, 1, select.parameters);
  RecordAdder adder(plan, select, bounds, groups);
  return guard.Explain(AddAll(rows, adder));
}

}  // namespace engram::storage
