#ifndef ENGRAM_SERVICES_STORAGE_RECORD_READER_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_READER_H_

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "libs/sqlite/connection.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// The fields to read, as places in CollectionSpec::fields, in the order of the
// schema. `InvalidArgument` naming each path of `mask` that is no field; an
// empty mask is every field.
absl::StatusOr<std::vector<int>> DecodeReadMask(
    const Collection& collection, const google::protobuf::FieldMask& mask);

// Reads records of one collection; only the columns of `fields` are read from
// disk. For use during one call, on one thread; all must outlive it.
class RecordReader {
 public:
  RecordReader(sqlite::Connection& connection, const Collection& collection,
               const std::vector<int>& fields)
      : connection_(connection), collection_(collection), fields_(fields) {}

  // Reads one record into `record`; false if there is none of this id.
  absl::StatusOr<bool> ReadById(absl::string_view id, v1::Record* record);

  // Adds up to `limit` records after `row`, fewer if they are large, in the
  // order they were created, to `response`. Returns the row of the last one if
  // there are more.
  absl::StatusOr<std::optional<int64_t>> ReadPage(
      int64_t row, int limit, v1::RecordServiceListResponse* response);

 private:
  std::string SelectSql(absl::string_view condition) const;
  absl::Status Fill(const sqlite::Statement& select, v1::Record* record) const;

  sqlite::Connection& connection_;
  const Collection& collection_;
  const std::vector<int>& fields_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_READER_H_
