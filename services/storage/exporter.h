#ifndef ENGRAM_SERVICES_STORAGE_EXPORTER_H_
#define ENGRAM_SERVICES_STORAGE_EXPORTER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/record.pb.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"
#include "services/storage/export_format.h"
#include "services/storage/record_condition.h"

namespace engram::storage {

// Reads a collection as a file, piece by piece, each in a short transaction of
// its own. Its records are those that there are when their turn comes, of the
// rows that there were at the start; what is created later is not in it, and
// what is deleted before its turn is not either.
//
// Not thread-safe.
class Exporter {
 public:
  // A piece has as many bytes at most.
  static constexpr size_t kPieceBytes = 256 << 10;

  // Checks the request. `database` must outlive this object. `OutOfRange`,
  // reason `EPOCH_CHANGED`, if the log never had the position `since`.
  static absl::StatusOr<std::unique_ptr<Exporter>> Create(
      Database& database, const v1::ExportRequest& request);

  // Returns the next piece; nothing after the last. One may be empty, where
  // many records did not meet the filter. `Aborted`, reason `SCHEMA_CHANGED`,
  // if a schema was applied since the start.
  absl::StatusOr<std::optional<v1::ExportResponse>> Next(
      const CallBounds& bounds);

 private:
  explicit Exporter(Database* database) : database_(database) {}

  absl::Status ReadStart(const v1::ExportRequest& request);
  // Adds records to `text_` until a piece is full, or many were looked at.
  absl::Status ReadRecords(const CallBounds& bounds);
  // Adds those of one range of rows; true if the piece is full.
  absl::StatusOr<bool> ReadRange(sqlite::Connection& reader, int64_t last);
  // Goes on to the first row after `row_` that there is.
  absl::Status SkipGap(sqlite::Connection& reader);

  Database* const database_;
  CollectionPtr collection_;
  int64_t schema_version_ = 0;
  RecordCondition condition_;
  std::string select_;
  std::string position_;
  std::unique_ptr<ExportFormat> format_;

  // Where the scan stands: all rows up to this one were read, of those up to
  // `last_row_`.
  int64_t row_ = 0;
  int64_t last_row_ = 0;
  bool begun_ = false;
  bool ended_ = false;
  // What of the file was made and not yet returned, and the records in all that
  // was made.
  std::string text_;
  int64_t records_ = 0;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_EXPORTER_H_
