#ifndef ENGRAM_SERVICES_STORAGE_FEED_RECORDS_H_
#define ENGRAM_SERVICES_STORAGE_FEED_RECORDS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/sqlite/connection.h"
#include "services/storage/catalog.h"
#include "services/storage/change_log.h"
#include "services/storage/feed_scope.h"
#include "services/storage/record_images.h"
#include "services/storage/stored_record.h"

namespace engram::storage {

// Records as the feed tells them: with the fields of the schema as it is now,
// whatever it was then. For use during one read, on one thread.
class FeedRecords {
 public:
  // `connection` must outlive this object.
  FeedRecords(sqlite::Connection& connection, FeedScope::Body body)
      : connection_(connection), body_(body) {}

  // Reads the record of `change` as it was right before it, and right after.
  // False if there was none, or if it is not known any more.
  absl::StatusOr<bool> ReadBefore(const Collection& collection,
                                  const Change& change, v1::Record* record);
  absl::StatusOr<bool> ReadAfter(const Collection& collection,
                                 const Change& change, v1::Record* record);

  // Reads the row that `select`, whose columns are Collection::columns, is at,
  // and writes it as a record.
  void Scan(const sqlite::Statement& select) { ReadStoredRecord(select, row_); }
  const StoredRecord& row() const { return row_; }
  absl::Status Fill(const Collection& collection, v1::Record* record);

 private:
  absl::Status FillImage(const Collection& collection, v1::Record* record);
  // All but the fields.
  void FillHead(const StoredRecord& from, v1::Record* record) const;

  sqlite::Connection& connection_;
  const FeedScope::Body body_;
  // The row, and the image, that was read last.
  StoredRecord row_;
  RecordImage image_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_FEED_RECORDS_H_
