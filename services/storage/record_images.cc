#include "services/storage/record_images.h"

#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_body.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

constexpr absl::string_view kInsert = R"sql(
INSERT INTO _images (collection, id, sequence, since, record)
VALUES (?, ?, ?, ?, ?))sql";
constexpr absl::string_view kForget =
    "DELETE FROM _images WHERE collection = ? AND id = ?";
// Kinds 2 and 3 are kRecordChanged and kRecordDeleted.
constexpr absl::string_view kPrune = R"sql(
DELETE FROM _images WHERE (collection, id, sequence) IN (
  SELECT collection, id, sequence FROM _changes
  WHERE sequence > ? AND sequence <= ? AND kind IN (2, 3)))sql";
constexpr absl::string_view kSelectBefore = R"sql(
SELECT record FROM _images
WHERE collection = ? AND id = ? AND sequence = ?)sql";
constexpr absl::string_view kSelectAfter = R"sql(
SELECT record, since FROM _images
WHERE collection = ? AND id = ? AND sequence > ?
ORDER BY sequence LIMIT 1)sql";

}  // namespace

absl::StatusOr<int64_t> KeepImage(WriteTransaction& transaction,
                                  const Collection& collection,
                                  const StoredRecord& before) {
  v1::Record image;
  image.set_version(before.version);
  *image.mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(before.created_us);
  *image.mutable_update_time() =
      TimeUtil::MicrosecondsToTimestamp(before.updated_us);
  if (before.expires_us.has_value()) {
    *image.mutable_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(*before.expires_us);
  }
  RETURN_IF_ERROR(
      EncodeBody(collection, before, BodyFields::kAll, image.mutable_typed()));
  const std::string record = image.SerializeAsString();
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   transaction.connection().Cached(kInsert));
  insert.BindInt(1, collection.id);
  insert.BindText(2, before.id);
  insert.BindInt(3, transaction.log().head().sequence + 1);
  insert.BindInt(4, before.sequence);
  insert.BindBlob(5, record);
  RETURN_IF_ERROR(insert.Run());
  return static_cast<int64_t>(before.id.size() + record.size());
}

absl::Status ForgetImages(WriteTransaction& transaction,
                          const Collection& collection, absl::string_view id) {
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   transaction.connection().Cached(kForget));
  remove.BindInt(1, collection.id);
  remove.BindText(2, id);
  return remove.Run();
}

absl::Status PruneImages(sqlite::Connection& connection, int64_t sequence,
                         int64_t last) {
  ASSIGN_OR_RETURN(sqlite::Statement remove, connection.Cached(kPrune));
  remove.BindInt(1, sequence);
  remove.BindInt(2, last);
  return remove.Run();
}

absl::StatusOr<std::optional<std::string>> FindImageBefore(
    sqlite::Connection& connection, int64_t collection, absl::string_view id,
    int64_t sequence) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectBefore));
  select.BindInt(1, collection);
  select.BindText(2, id);
  select.BindInt(3, sequence);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return std::string(select.Blob(0));
}

absl::StatusOr<std::optional<std::string>> FindImageAfter(
    sqlite::Connection& connection, int64_t collection, absl::string_view id,
    int64_t sequence) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectAfter));
  select.BindInt(1, collection);
  select.BindText(2, id);
  select.BindInt(3, sequence);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  // Of another change in between where images are missing: those of changes
  // from before there were images.
  if (!found || select.Int(1) != sequence) return std::nullopt;
  return std::string(select.Blob(0));
}

}  // namespace engram::storage
