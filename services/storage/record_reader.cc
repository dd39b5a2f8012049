#include "services/storage/record_reader.h"

#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/column_io.h"
#include "services/storage/record_select.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

// A type whose values answers carry as they are stored.
bool IsPlainText(schema::FieldType type) {
  return type == schema::FieldType::kString ||
         type == schema::FieldType::kText || type == schema::FieldType::kRef;
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
  if (mask.paths().empty()) {
    std::vector<int> all(spec.fields.size());
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  std::vector<bool> wanted(spec.fields.size());
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

std::string RecordReader::columns() const {
  return RecordColumns(collection_, fields_);
}

absl::Status RecordReader::Read(const sqlite::Statement& select,
                                v1::Record* record) {
  const absl::string_view id = select.Text(kRecordId);
  record->set_id(id.data(), id.size());
  record->set_version(select.Int(kRecordVersion));
  *record->mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(select.Int(kRecordCreated));
  *record->mutable_update_time() =
      TimeUtil::MicrosecondsToTimestamp(select.Int(kRecordUpdated));
  if (!select.IsNull(kRecordExpires)) {
    *record->mutable_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(select.Int(kRecordExpires));
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
    const int column = kRecordColumns + static_cast<int>(i);
    if (select.IsNull(column)) continue;
    const schema::FieldSpec& field = collection_.spec.fields[fields_[i]];
    google::protobuf::Value& value = fields[field.name];
    if (IsPlainText(field.type)) {
      // Most of what is read, without a copy in between.
      const absl::string_view text = select.Text(column);
      value.set_string_value(text.data(), text.size());
      continue;
    }
    RETURN_IF_ERROR(EncodeField(field, ReadColumn(select, column), &value));
  }
  return absl::OkStatus();
}

absl::Status RecordReader::FillTyped(const sqlite::Statement& select,
                                     v1::Record* record) {
  values_.clear();
  for (size_t i = 0; i < fields_.size(); ++i) {
    values_.push_back(ViewColumn(select, kRecordColumns + static_cast<int>(i)));
  }
  return schema::EncodeTyped(collection_.spec, collection_.typed, fields_,
                             absl::MakeConstSpan(values_),
                             record->mutable_typed());
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
    ASSIGN_OR_RETURN(by_id_,
                     connection_.Cached(SelectByIdSql(collection_, fields_)));
  }
  by_id_->Reset();
  ASSIGN_OR_RETURN(const bool found, Find(*by_id_, id));
  if (!found) return std::nullopt;
  RETURN_IF_ERROR(Read(*by_id_, record));
  return by_id_->Int(kRecordRow);
}

absl::StatusOr<std::optional<int64_t>> RecordReader::ReadNewestById(
    absl::string_view id, v1::Record* record) {
  const bool is_whole = fields_.size() == collection_.spec.fields.size();
  ASSIGN_OR_RETURN(
      sqlite::Statement select,
      is_whole ? connection_.Cached(collection_.select_newest_by_id)
               : connection_.Cached(SelectNewestByIdSql(collection_, fields_)));
  ASSIGN_OR_RETURN(const bool found, Find(select, id));
  const int version = kRecordColumns + static_cast<int>(fields_.size());
  if (!found || select.Int(version) != collection_.schema_version) {
    return std::nullopt;
  }
  RETURN_IF_ERROR(Read(select, record));
  return select.Int(kRecordRow);
}

absl::Status RecordReader::ReadByRow(int64_t row, v1::Record* record) {
  if (!by_row_.has_value()) {
    ASSIGN_OR_RETURN(by_row_,
                     connection_.Cached(SelectByRowSql(collection_, fields_)));
  }
  by_row_->Reset();
  by_row_->BindInt(1, row);
  ASSIGN_OR_RETURN(const bool found, by_row_->Step());
  if (found) return Read(*by_row_, record);
  return absl::InternalError(
      absl::StrCat("collection \"", collection_.name(), "\" has no row ", row));
}

}  // namespace engram::storage
