#include "services/storage/record_reader.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

// Columns before the fields: _row, id, _version, _created_us, _updated_us.
constexpr int kOwnColumns = 5;

// A page ends with the record that takes it beyond this: clients take messages
// of 4 MiB.
constexpr size_t kPageBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::vector<int>> DecodeReadMask(
    const Collection& collection, const google::protobuf::FieldMask& mask) {
  const schema::CollectionSpec& spec = collection.spec;
  std::set<int> places;
  FieldViolations violations;
  for (int i = 0; i < mask.paths_size(); ++i) {
    const int place = spec.FieldIndex(mask.paths(i));
    if (place < 0) {
      violations.Add(absl::StrCat("read_mask.paths[", i, "]"),
                     absl::StrCat("collection \"", spec.name,
                                  "\" has no field \"", mask.paths(i), "\""));
    }
    places.insert(place);
  }
  RETURN_IF_ERROR(violations.ToStatus());
  if (mask.paths().empty()) {
    for (size_t i = 0; i < spec.fields.size(); ++i) {
      places.insert(static_cast<int>(i));
    }
  }
  return std::vector<int>(places.begin(), places.end());
}

std::string RecordReader::SelectSql(absl::string_view condition) const {
  std::string sql = "SELECT _row, id, _version, _created_us, _updated_us";
  for (const int place : fields_) {
    absl::StrAppend(&sql, ", ",
                    QuoteIdentifier(collection_.spec.fields[place].name));
  }
  absl::StrAppend(&sql, " FROM ", QuoteIdentifier(collection_.name()),
                  " WHERE ", condition);
  return sql;
}

absl::Status RecordReader::Fill(const sqlite::Statement& select,
                                v1::Record* record) const {
  record->set_id(std::string(select.Text(1)));
  record->set_version(select.Int(2));
  *record->mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(select.Int(3));
  *record->mutable_update_time() =
      TimeUtil::MicrosecondsToTimestamp(select.Int(4));
  auto& fields = *record->mutable_fields()->mutable_fields();
  for (size_t i = 0; i < fields_.size(); ++i) {
    const int column = kOwnColumns + static_cast<int>(i);
    if (select.IsNull(column)) continue;
    const schema::FieldSpec& field = collection_.spec.fields[fields_[i]];
    const absl::Status status =
        EncodeField(field, ReadColumn(select, column), &fields[field.name]);
    if (!status.ok()) {
      return WithContext(status, absl::StrCat("record \"", record->id(), "\""));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> RecordReader::ReadById(absl::string_view id,
                                            v1::Record* record) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection_.Cached(SelectSql("id = ?")));
  select.BindText(1, id);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (found) RETURN_IF_ERROR(Fill(select, record));
  return found;
}

absl::StatusOr<std::optional<int64_t>> RecordReader::ReadPage(
    int64_t row, int limit, v1::RecordServiceListResponse* response) {
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      connection_.Cached(SelectSql("_row > ? ORDER BY _row LIMIT ?")));
  select.BindInt(1, row);
  // One more than wanted tells whether there is a next page.
  select.BindInt(2, int64_t{limit} + 1);
  int64_t last = row;
  size_t bytes = 0;
  for (int i = 0; i < limit && bytes < kPageBytes; ++i) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return std::nullopt;
    last = select.Int(0);
    v1::Record* record = response->add_records();
    RETURN_IF_ERROR(Fill(select, record));
    bytes += record->ByteSizeLong();
  }
  ASSIGN_OR_RETURN(const bool more, select.Step());
  if (!more) return std::nullopt;
  return last;
}

}  // namespace engram::storage
