#include "services/storage/record_reader.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/collection_table.h"
#include "services/storage/column_io.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

// Columns before the fields: _row, id, _version, _created_us, _updated_us,
// _expires_us.
constexpr int kOwnColumns = 6;

// A page ends with the record that takes it beyond this: clients take messages
// of 4 MiB.
constexpr size_t kPageBytes = 1 << 20;

}  // namespace

std::vector<int> DecodeMask(const Collection& collection,
                            const google::protobuf::FieldMask& mask,
                            absl::string_view path,
                            FieldViolations& violations) {
  const schema::CollectionSpec& spec = collection.spec;
  std::set<int> places;
  for (int i = 0; i < mask.paths_size(); ++i) {
    // What every answer has.
    if (mask.paths(i) == "id") continue;
    const int place = spec.FieldIndex(mask.paths(i));
    if (place < 0) {
      violations.Add(absl::StrCat(path, ".paths[", i, "]"),
                     absl::StrCat("collection \"", spec.name,
                                  "\" has no field \"", mask.paths(i), "\""));
    }
    places.insert(place);
  }
  if (mask.paths().empty()) {
    for (size_t i = 0; i < spec.fields.size(); ++i) {
      places.insert(static_cast<int>(i));
    }
  }
  return std::vector<int>(places.begin(), places.end());
}

absl::StatusOr<std::vector<int>> DecodeReadMask(
    const Collection& collection, const google::protobuf::FieldMask& mask) {
  FieldViolations violations;
  std::vector<int> places =
      DecodeMask(collection, mask, "read_mask", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return places;
}

std::string RecordReader::SelectSql(absl::string_view condition) const {
  std::string sql =
      absl::StrCat("SELECT _row, id, _version, _created_us, _updated_us, ",
                   collection_.expires() ? "_expires_us" : "NULL");
  for (const int place : fields_) {
    absl::StrAppend(&sql, ", ",
                    QuoteIdentifier(collection_.spec.fields[place].name));
  }
  absl::StrAppend(&sql, " FROM ", QuoteIdentifier(collection_.name()),
                  " WHERE ");
  if (collection_.keeps_deleted()) {
    absl::StrAppend(&sql, "_deleted_us IS NULL AND ");
  }
  if (collection_.expires()) {
    absl::StrAppend(&sql, "(_expires_us IS NULL OR _expires_us > ?1) AND ");
  }
  absl::StrAppend(&sql, condition);
  return sql;
}

absl::Status RecordReader::Fill(const sqlite::Statement& select,
                                v1::Record* record) {
  record->set_id(std::string(select.Text(1)));
  record->set_version(select.Int(2));
  *record->mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(select.Int(3));
  *record->mutable_update_time() =
      TimeUtil::MicrosecondsToTimestamp(select.Int(4));
  if (!select.IsNull(5)) {
    *record->mutable_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(select.Int(5));
  }
  const absl::Status status = body_ == Body::kTyped
                                  ? FillTyped(select, record)
                                  : FillFields(select, record);
  if (status.ok()) return status;
  return WithContext(status, absl::StrCat("record \"", record->id(), "\""));
}

absl::Status RecordReader::FillFields(const sqlite::Statement& select,
                                      v1::Record* record) {
  auto& fields = *record->mutable_fields()->mutable_fields();
  for (size_t i = 0; i < fields_.size(); ++i) {
    const int column = kOwnColumns + static_cast<int>(i);
    if (select.IsNull(column)) continue;
    const schema::FieldSpec& field = collection_.spec.fields[fields_[i]];
    RETURN_IF_ERROR(
        EncodeField(field, ReadColumn(select, column), &fields[field.name]));
  }
  return absl::OkStatus();
}

absl::Status RecordReader::FillTyped(const sqlite::Statement& select,
                                     v1::Record* record) {
  values_.clear();
  for (size_t i = 0; i < fields_.size(); ++i) {
    values_.push_back(ReadColumn(select, kOwnColumns + static_cast<int>(i)));
  }
  return schema::EncodeTyped(collection_.spec, collection_.typed, fields_,
                             values_, record->mutable_typed());
}

absl::StatusOr<std::optional<int64_t>> RecordReader::ReadById(
    absl::string_view id, v1::Record* record) {
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection_.Cached(SelectSql("id = ?2")));
  if (collection_.expires()) select.BindInt(1, now_us_);
  select.BindText(2, id);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  RETURN_IF_ERROR(Fill(select, record));
  return select.Int(0);
}

absl::StatusOr<std::optional<int64_t>> RecordReader::ReadPage(
    int64_t row, int limit, v1::RecordServiceListResponse* response) {
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      connection_.Cached(SelectSql("_row > ?2 ORDER BY _row LIMIT ?3")));
  if (collection_.expires()) select.BindInt(1, now_us_);
  select.BindInt(2, row);
  // One more than wanted tells whether there is a next page.
  select.BindInt(3, int64_t{limit} + 1);
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
