#include "services/storage/feed_records.h"

#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_body.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

absl::Status FillFields(const Collection& collection,
                        const std::vector<ColumnValue>& values,
                        v1::Record* record) {
  auto& fields = *record->mutable_fields()->mutable_fields();
  for (size_t place = 0; place < values.size(); ++place) {
    if (std::holds_alternative<std::monostate>(values[place])) continue;
    const schema::FieldSpec& field = collection.spec.fields[place];
    RETURN_IF_ERROR(EncodeField(field, values[place], &fields[field.name]));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> FeedRecords::ReadBefore(const Collection& collection,
                                             const Change& change,
                                             v1::Record* record) {
  ASSIGN_OR_RETURN(const bool found,
                   FindImageBefore(connection_, change, &image_));
  if (found) RETURN_IF_ERROR(FillImage(collection, record));
  return found;
}

absl::StatusOr<bool> FeedRecords::ReadAfter(const Collection& collection,
                                            const Change& change,
                                            v1::Record* record) {
  {
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     connection_.Cached(collection.select_by_row));
    select.BindInt(1, change.row);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (found) Scan(select);
    // The row as it is now is that change's.
    if (found && row_.sequence == change.sequence) {
      RETURN_IF_ERROR(Fill(collection, record));
      return true;
    }
  }
  ASSIGN_OR_RETURN(const bool found,
                   FindImageAfter(connection_, change, &image_));
  if (found) RETURN_IF_ERROR(FillImage(collection, record));
  return found;
}

absl::Status FeedRecords::Fill(const Collection& collection,
                               v1::Record* record) {
  FillHead(row_, record);
  const absl::Status status =
      body_ == FeedScope::Body::kTyped
          ? EncodeBody(collection, row_, BodyFields::kAll,
                       record->mutable_typed())
          : FillFields(collection, row_.values, record);
  return status.ok()
             ? status
             : WithContext(status, absl::StrCat("record \"", row_.id, "\""));
}

absl::Status FeedRecords::FillImage(const Collection& collection,
                                    v1::Record* record) {
  FillHead(image_.record, record);
  if (body_ == FeedScope::Body::kTyped) {
    // Dropped fields have numbers that no other field gets.
    record->set_typed(image_.body);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(
      const std::vector<ColumnValue> values,
      DecodeBody(collection, image_.body, UnreadableFields::kLeaveOut));
  return FillFields(collection, values, record);
}

void FeedRecords::FillHead(const StoredRecord& from, v1::Record* record) const {
  record->set_id(from.id);
  record->set_version(from.version);
  *record->mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(from.created_us);
  *record->mutable_update_time() =
      TimeUtil::MicrosecondsToTimestamp(from.updated_us);
  if (from.expires_us.has_value()) {
    *record->mutable_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(*from.expires_us);
  }
}

}  // namespace engram::storage
