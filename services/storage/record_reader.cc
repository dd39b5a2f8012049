#include "services/storage/record_reader.h"

#include <simdjson.h>

#include <numeric>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/wire/wire.h"
#include "services/storage/column_io.h"
#include "services/storage/record_select.h"

namespace engram::storage {
namespace {

// A type whose values answers carry as they are stored.
bool IsPlainText(schema::FieldType type) {
  return type == schema::FieldType::kString ||
         type == schema::FieldType::kText || type == schema::FieldType::kRef;
}

constexpr size_t kUsualBytes = 1024;
// At most, of the parts of a record that are not its id and its fields.
constexpr size_t kHeadBytes = 96;

// The entries of Struct.fields.
constexpr int kEntryKey = 1;
constexpr int kEntryValue = 2;

// Begins the entry of a field whose Value has `size` bytes, which must follow.
void AppendEntryHead(absl::string_view name, size_t size, std::string* out) {
  wire::AppendHead(google::protobuf::Struct::kFieldsFieldNumber,
                   wire::FieldSize(name.size()) + wire::FieldSize(size), out);
  wire::AppendBytes(kEntryKey, name, out);
  wire::AppendHead(kEntryValue, size, out);
}

absl::Status AppendText(const schema::FieldSpec& field, absl::string_view text,
                        std::string* out) {
  // What is not UTF-8 would break the client that parses it.
  if (!simdjson::validate_utf8(text.data(), text.size())) {
    return absl::DataLossError(
        absl::StrCat("field \"", field.name, "\": holds what is not UTF-8"));
  }
  AppendEntryHead(field.name, wire::FieldSize(text.size()), out);
  wire::AppendBytes(google::protobuf::Value::kStringValueFieldNumber, text,
                    out);
  return absl::OkStatus();
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

absl::Status RecordReader::Encode(const sqlite::Statement& select,
                                  std::string* record) {
  const absl::string_view id = select.Text(kRecordId);
  encoded_.clear();
  // Of most records; a string that grows by doubling is copied five times.
  encoded_.reserve(kUsualBytes);
  const bool is_typed = body_ == Body::kTyped;
  const absl::Status status =
      is_typed ? EncodeTyped(select) : EncodeNamed(select);
  if (!status.ok()) {
    return WithContext(status, absl::StrCat("record \"", id, "\""));
  }
  record->clear();
  record->reserve(id.size() + encoded_.size() + kHeadBytes);
  wire::AppendBytes(v1::Record::kIdFieldNumber, id, record);
  wire::AppendBytes(
      is_typed ? v1::Record::kTypedFieldNumber : v1::Record::kFieldsFieldNumber,
      encoded_, record);
  wire::AppendInteger(v1::Record::kVersionFieldNumber,
                      select.Int(kRecordVersion), record);
  wire::AppendTimestamp(v1::Record::kCreateTimeFieldNumber,
                        select.Int(kRecordCreated), record);
  wire::AppendTimestamp(v1::Record::kUpdateTimeFieldNumber,
                        select.Int(kRecordUpdated), record);
  if (!select.IsNull(kRecordExpires)) {
    wire::AppendTimestamp(v1::Record::kExpireTimeFieldNumber,
                          select.Int(kRecordExpires), record);
  }
  return absl::OkStatus();
}

absl::Status RecordReader::EncodeNamed(const sqlite::Statement& select) {
  for (size_t i = 0; i < fields_.size(); ++i) {
    const int column = kRecordColumns + static_cast<int>(i);
    if (select.IsNull(column)) continue;
    const schema::FieldSpec& field = collection_.spec.fields[fields_[i]];
    if (IsPlainText(field.type)) {
      // Most of what is read, without a copy in between.
      RETURN_IF_ERROR(AppendText(field, select.Text(column), &encoded_));
      continue;
    }
    value_.Clear();
    RETURN_IF_ERROR(EncodeField(field, ReadColumn(select, column), &value_));
    AppendEntryHead(field.name, value_.ByteSizeLong(), &encoded_);
    value_.AppendToString(&encoded_);
  }
  return absl::OkStatus();
}

absl::Status RecordReader::EncodeTyped(const sqlite::Statement& select) {
  views_.clear();
  for (size_t i = 0; i < fields_.size(); ++i) {
    views_.push_back(ViewColumn(select, kRecordColumns + static_cast<int>(i)));
  }
  return schema::EncodeTyped(collection_.spec, collection_.typed, fields_,
                             absl::MakeConstSpan(views_), &encoded_);
}

absl::StatusOr<sqlite::Statement> RecordReader::SelectById(
    const std::string& of_all, absl::string_view and_row) const {
  if (fields_.size() == collection_.spec.fields.size()) {
    return connection_.Cached(of_all);
  }
  return connection_.Cached(
      absl::StrCat(SelectByIdSql(collection_, fields_), and_row));
}

absl::StatusOr<std::optional<int64_t>> RecordReader::EncodeById(
    absl::string_view id, std::string* record) {
  if (!by_id_.has_value()) {
    ASSIGN_OR_RETURN(by_id_, SelectById(collection_.select_seen_by_id, ""));
  }
  by_id_->Reset();
  return EncodeFound(*by_id_, id, record);
}

absl::StatusOr<std::optional<int64_t>> RecordReader::EncodeByRowAndId(
    int64_t row, absl::string_view id, std::string* record) {
  if (!by_row_and_id_.has_value()) {
    // SQLite takes the row where it has both.
    ASSIGN_OR_RETURN(
        by_row_and_id_,
        SelectById(collection_.select_seen_by_id_and_row, kAndRow));
  }
  by_row_and_id_->Reset();
  by_row_and_id_->BindInt(3, row);
  return EncodeFound(*by_row_and_id_, id, record);
}

absl::StatusOr<std::optional<int64_t>> RecordReader::EncodeFound(
    sqlite::Statement& select, absl::string_view id, std::string* record) {
  if (collection_.expires()) select.BindInt(1, now_us_);
  select.BindText(2, id);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  RETURN_IF_ERROR(Encode(select, record));
  return select.Int(kRecordRow);
}

absl::StatusOr<std::optional<int64_t>> RecordReader::ReadById(
    absl::string_view id, v1::Record* record) {
  std::string encoded;
  ASSIGN_OR_RETURN(const std::optional<int64_t> row, EncodeById(id, &encoded));
  if (!row.has_value() || record->ParseFromString(encoded)) return row;
  return absl::InternalError(
      absl::StrCat("record \"", id, "\" is no message as it was encoded"));
}

absl::Status RecordReader::EncodeByRow(int64_t row, std::string* record) {
  if (!by_row_.has_value()) {
    ASSIGN_OR_RETURN(by_row_,
                     connection_.Cached(SelectByRowSql(collection_, fields_)));
  }
  by_row_->Reset();
  by_row_->BindInt(1, row);
  ASSIGN_OR_RETURN(const bool found, by_row_->Step());
  if (found) return Encode(*by_row_, record);
  return absl::InternalError(
      absl::StrCat("collection \"", collection_.name(), "\" has no row ", row));
}

}  // namespace engram::storage
