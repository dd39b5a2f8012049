#include "services/storage/record_reader.h"

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

constexpr absl::string_view kSchemaVersion =
    ", (SELECT max(version) FROM _schema_migrations)";

// `SELECT` and the columns of a record.
std::string SelectRecord(const Collection& collection,
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

// `FROM` and what finds a record that is seen: ?1 is when it has expired, ?2
// its id.
std::string FromById(const Collection& collection) {
  return absl::StrCat(" FROM ", QuoteIdentifier(collection.name()),
                      " WHERE id = ?2", LiveRecords(collection.spec, " AND "),
                      collection.expires()
                          ? " AND (_expires_us IS NULL OR _expires_us > ?1)"
                          : "");
}

}  // namespace

absl::StatusOr<std::vector<int>> DecodeReadMask(
    const Collection& collection, const google::protobuf::FieldMask& mask) {
  FieldViolations violations;
  std::vector<int> places =
      DecodeMask(collection, mask, "read_mask", violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return places;
}

std::vector<int> DecodeMask(const Collection& collection,
                            const google::protobuf::FieldMask& mask,
                            absl::string_view path,
                            FieldViolations& violations) {
  const schema::CollectionSpec& spec = collection.spec;
  std::vector<bool> wanted(spec.fields.size(), mask.paths().empty());
  for (int i = 0; i < mask.paths_size(); ++i) {
    // What every answer has.
    if (mask.paths(i) == "id") continue;
    const int place = spec.FieldIndex(mask.paths(i));
    if (place >= 0) {
      wanted[place] = true;
      continue;
    }
    violations.Add(absl::StrCat(path, ".paths[", i, "]"),
                   absl::StrCat("collection \"", spec.name,
                                "\" has no field \"", mask.paths(i), "\""));
  }
  std::vector<int> places;
  for (size_t place = 0; place < wanted.size(); ++place) {
    if (wanted[place]) places.push_back(static_cast<int>(place));
  }
  return places;
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

absl::StatusOr<bool> RecordReader::Find(sqlite::Statement& select,
                                        absl::string_view id) {
  if (collection_.expires()) select.BindInt(1, now_us_);
  select.BindText(2, id);
  return select.Step();
}

absl::StatusOr<std::optional<int64_t>> RecordReader::ReadById(
    absl::string_view id, v1::Record* record) {
  if (!by_id_.has_value()) {
    ASSIGN_OR_RETURN(by_id_, connection_.Cached(absl::StrCat(
                                 SelectRecord(collection_, fields_),
                                 FromById(collection_))));
  }
  by_id_->Reset();
  ASSIGN_OR_RETURN(const bool found, Find(*by_id_, id));
  if (!found) return std::nullopt;
  RETURN_IF_ERROR(Fill(*by_id_, record));
  return by_id_->Int(0);
}

absl::StatusOr<std::optional<int64_t>> RecordReader::ReadNewestById(
    absl::string_view id, v1::Record* record) {
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      connection_.Cached(absl::StrCat(SelectRecord(collection_, fields_),
                                      kSchemaVersion, FromById(collection_))));
  ASSIGN_OR_RETURN(const bool found, Find(select, id));
  const int version = kOwnColumns + static_cast<int>(fields_.size());
  if (!found || select.Int(version) != collection_.schema_version) {
    return std::nullopt;
  }
  RETURN_IF_ERROR(Fill(select, record));
  return select.Int(0);
}

absl::Status RecordReader::ReadByRow(int64_t row, v1::Record* record) {
  if (!by_row_.has_value()) {
    ASSIGN_OR_RETURN(
        by_row_, connection_.Cached(absl::StrCat(
                     SelectRecord(collection_, fields_), " FROM ",
                     QuoteIdentifier(collection_.name()), " WHERE _row = ?")));
  }
  by_row_->Reset();
  by_row_->BindInt(1, row);
  ASSIGN_OR_RETURN(const bool found, by_row_->Step());
  if (found) return Fill(*by_row_, record);
  return absl::InternalError(
      absl::StrCat("collection \"", collection_.name(), "\" has no row ", row));
}

}  // namespace engram::storage
