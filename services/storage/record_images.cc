#include "services/storage/record_images.h"

#include "absl/strings/str_cat.h"
#include "libs/status/status_macros.h"
#include "services/storage/content_hash.h"
#include "services/storage/record_body.h"

namespace engram::storage {
namespace {

// About what an image takes beside its body.
constexpr int64_t kImageBytes = 64;

constexpr absl::string_view kInsert = R"sql(
INSERT INTO _images (sequence, since, collection, record_key, version,
                     created_us, updated_us, expires_us, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?))sql";
constexpr absl::string_view kForget =
    "DELETE FROM _images WHERE record_key = ? AND collection = ?";
constexpr absl::string_view kPrune = "DELETE FROM _images WHERE sequence <= ?";
constexpr absl::string_view kSelectBefore = R"sql(
SELECT since, version, created_us, updated_us, expires_us, body
FROM _images WHERE sequence = ?)sql";
constexpr absl::string_view kSelectAfter = R"sql(
SELECT since, version, created_us, updated_us, expires_us, body
FROM _images WHERE record_key = ? AND sequence > ?
ORDER BY sequence LIMIT 1)sql";

// One of few bytes, so that the index is small. Two records with the same key
// would be found out by `since` when one is read; what is forgotten with the
// one is lost for the other, once in 2^64.
// Stored. Never change the form.
int64_t KeyOf(int64_t collection, absl::string_view id) {
  return static_cast<int64_t>(
      ContentHash::Of(absl::StrCat(collection, "/", id)).Prefix());
}

void ReadImage(const sqlite::Statement& select, const Change& change,
               RecordImage* image) {
  image->record.row = change.row;
  image->record.id = change.id;
  image->record.sequence = select.Int(0);
  image->record.version = select.Int(1);
  image->record.created_us = select.Int(2);
  image->record.updated_us = select.Int(3);
  image->record.expires_us.reset();
  if (!select.IsNull(4)) image->record.expires_us = select.Int(4);
  const absl::string_view body = select.Blob(5);
  image->body.assign(body.data(), body.size());
}

}  // namespace

absl::StatusOr<int64_t> KeepImage(WriteTransaction& transaction,
                                  const Collection& collection,
                                  const StoredRecord& before) {
  // Its memory is used again.
  thread_local std::string body;
  body.clear();
  RETURN_IF_ERROR(EncodeBody(collection, before, BodyFields::kAll, &body));
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   transaction.connection().Cached(kInsert));
  insert.BindInt(1, transaction.log().head().sequence + 1);
  insert.BindInt(2, before.sequence);
  insert.BindInt(3, collection.id);
  insert.BindInt(4, KeyOf(collection.id, before.id));
  insert.BindInt(5, before.version);
  insert.BindInt(6, before.created_us);
  insert.BindInt(7, before.updated_us);
  if (before.expires_us.has_value()) {
    insert.BindInt(8, *before.expires_us);
  } else {
    insert.BindNull(8);
  }
  insert.BindBlob(9, body);
  RETURN_IF_ERROR(insert.Run());
  return kImageBytes + static_cast<int64_t>(body.size());
}

absl::Status ForgetImages(WriteTransaction& transaction,
                          const Collection& collection, absl::string_view id) {
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   transaction.connection().Cached(kForget));
  remove.BindInt(1, KeyOf(collection.id, id));
  remove.BindInt(2, collection.id);
  return remove.Run();
}

absl::Status PruneImages(sqlite::Connection& connection, int64_t last) {
  ASSIGN_OR_RETURN(sqlite::Statement remove, connection.Cached(kPrune));
  remove.BindInt(1, last);
  return remove.Run();
}

absl::StatusOr<bool> FindImageBefore(sqlite::Connection& connection,
                                     const Change& change, RecordImage* image) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectBefore));
  select.BindInt(1, change.sequence);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (found) ReadImage(select, change, image);
  return found;
}

absl::StatusOr<bool> FindImageAfter(sqlite::Connection& connection,
                                    const Change& change, RecordImage* image) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectAfter));
  select.BindInt(1, KeyOf(change.collection, change.id));
  select.BindInt(2, change.sequence);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  // Another change's where the ones between have no image: those of files from
  // before there were images.
  if (!found || select.Int(0) != change.sequence) return false;
  ReadImage(select, change, image);
  return true;
}

}  // namespace engram::storage
