// Records with a field of every type, for tests that ask the evaluator and
// SQLite the same.

#ifndef ENGRAM_LIBS_FILTER_TESTING_SAMPLE_RECORDS_H_
#define ENGRAM_LIBS_FILTER_TESTING_SAMPLE_RECORDS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/filter/filter.h"
#include "libs/filter/sql.h"
#include "libs/schema/field_value.h"
#include "libs/sqlite/connection.h"

namespace engram::filter::testing {

struct SampleField {
  absl::string_view name;
  schema::FieldType type;
  bool nocase = false;
};

// By place. Some are called like keywords, functions and columns of json_each.
const std::vector<SampleField>& SampleFields();
// The place of a field that there is.
int PlaceOf(absl::string_view name);

class SampleScope : public Scope {
 public:
  std::optional<Name> Find(absl::string_view name) const override;
  std::vector<std::string> Names() const override;
};

// The values of one record, by place.
using Record = std::vector<schema::FieldValue>;

// 2026-02-03T04:05:06.789Z, what `now` means here.
inline constexpr int64_t kNowUs = 1'770'091'506'789'000;

// Values of the type that are likely to find mistakes, `monostate` among them.
const std::vector<schema::FieldValue>& TellingValues(schema::FieldType type);

// The k-th record has the k-th telling value in each field, round and round, so
// that each value meets many others.
std::vector<Record> TellingRecords(int count);

// A table of records in a file of its own, indexed in every column that can be,
// the elements of `labels` in a table of theirs.
class SampleTable {
 public:
  static absl::StatusOr<std::unique_ptr<SampleTable>> Create(
      const std::string& path, std::vector<Record> records);

  // OK if SQLite finds the records that Matches does.
  absl::Status CheckCondition(const Node& node);
  // OK if SQLite computes for each record what Evaluate does.
  absl::Status CheckValue(const Node& node);

  // The rows' numbers, from 1.
  absl::StatusOr<std::vector<int64_t>> Select(const Sql& where);
  // What EXPLAIN QUERY PLAN says of the same query.
  absl::StatusOr<std::string> Plan(const Sql& where);

  Sql Compile(const Node& node) const;

 private:
  SampleTable(std::unique_ptr<sqlite::Connection> connection,
              std::vector<Record> records);

  absl::Status Insert(int64_t row);
  absl::Status CompareRows(const Node& node, const Sql& sql);
  absl::Status CompareValues(const Node& node, const Sql& sql);

  const std::unique_ptr<sqlite::Connection> connection_;
  const std::vector<Record> records_;
};

// Parses the first line of `input` as a filter and as an expression of every
// type, the rest being the JSON object of the parameters, and compares what the
// evaluator and SQLite make of it. OK if they agree or the text is refused.
absl::Status CheckInput(absl::string_view input);

}  // namespace engram::filter::testing

#endif  // ENGRAM_LIBS_FILTER_TESTING_SAMPLE_RECORDS_H_
