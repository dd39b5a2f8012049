#include "services/storage/feed_records.h"

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_body.h"
#include "services/storage/record_images.h"

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
  ASSIGN_OR_RETURN(const std::optional<std::string> image,
                   FindImageBefore(connection_, change.collection, change.id,
                                   change.sequence));
  if (!image.has_value()) return false;
  RETURN_IF_ERROR(DecodeImage(collection, change, *image, record));
  return true;
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
  ASSIGN_OR_RETURN(const std::optional<std::string> image,
                   FindImageAfter(connection_, change.collection, change.id,
                                  change.sequence));
  if (!image.has_value()) return false;
  RETURN_IF_ERROR(DecodeImage(collection, change, *image, record));
  return true;
}

absl::Status FeedRecords::Fill(const Collection& collection,
                               v1::Record* record) {
  record->set_id(row_.id);
  record->set_version(row_.version);
  *record->mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(row_.created_us);
  *record->mutable_update_time() =
      TimeUtil::MicrosecondsToTimestamp(row_.updated_us);
  if (row_.expires_us.has_value()) {
    *record->mutable_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(*row_.expires_us);
  }
  const absl::Status status =
      body_ == FeedScope::Body::kTyped
          ? EncodeBody(collection, row_, BodyFields::kAll,
                       record->mutable_typed())
          : FillFields(collection, row_.values, record);
  return status.ok()
             ? status
             : WithContext(status, absl::StrCat("record \"", row_.id, "\""));
}

absl::Status FeedRecords::DecodeImage(const Collection& collection,
                                      const Change& change,
                                      absl::string_view image,
                                      v1::Record* record) {
  if (!record->ParseFromArray(image.data(), static_cast<int>(image.size()))) {
    return absl::DataLossError(absl::StrCat("the image of record \"", change.id,
                                            "\" at change ", change.sequence,
                                            " cannot be read"));
  }
  record->set_id(change.id);
  // Dropped fields have numbers that no other field gets.
  if (body_ == FeedScope::Body::kTyped) return absl::OkStatus();
  const std::string body = std::move(*record->mutable_typed());
  ASSIGN_OR_RETURN(const std::vector<ColumnValue> values,
                   DecodeBody(collection, body, UnreadableFields::kLeaveOut));
  return FillFields(collection, values, record);
}

}  // namespace engram::storage
