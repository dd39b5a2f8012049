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
#include "libs/status/errors.h"
#include "services/storage/catalog.h"
#include "services/storage/record_codec.h"

namespace engram::storage {

// The fields to read, as places in CollectionSpec::fields, in the order of the
// schema. `InvalidArgument` naming each path of `mask` that is no field; an
// empty mask is every field, one of only `id` is none.
absl::StatusOr<std::vector<int>> DecodeReadMask(
    const Collection& collection, const google::protobuf::FieldMask& mask);
// The same of a mask in the field `path` of a request. After a violation what
// is returned is of no use.
std::vector<int> DecodeMask(const Collection& collection,
                            const google::protobuf::FieldMask& mask,
                            absl::string_view path,
                            FieldViolations& violations);

// Reads records of one collection, without those that are deleted or have
// expired; only the columns of `fields` are read from disk. For use during one
// call, on one thread.
class RecordReader {
 public:
  // How answers carry a record's fields.
  enum class Body { kFields, kTyped };

  // All must outlive this object. `now_us` is when a record has expired.
  RecordReader(sqlite::Connection& connection, const Collection& collection,
               const std::vector<int>& fields, Body body, int64_t now_us)
      : connection_(connection),
        collection_(collection),
        fields_(fields),
        body_(body),
        now_us_(now_us) {}

  // Reads one record into `record`; returns its row, nothing if there is none
  // of this id.
  absl::StatusOr<std::optional<int64_t>> ReadById(absl::string_view id,
                                                  v1::Record* record);

  // Adds up to `limit` records after `row` to `response`, by row; fewer if they
  // are large. Returns the last one's row if there may be more, else nothing.
  absl::StatusOr<std::optional<int64_t>> ReadPage(
      int64_t row, int limit, v1::RecordServiceListResponse* response);

 private:
  // The statement that reads the records which meet `condition`, an SQL
  // expression whose parameters are numbered from ?2.
  std::string SelectSql(absl::string_view condition) const;
  absl::Status Fill(const sqlite::Statement& select, v1::Record* record);
  absl::Status FillFields(const sqlite::Statement& select, v1::Record* record);
  absl::Status FillTyped(const sqlite::Statement& select, v1::Record* record);

  sqlite::Connection& connection_;
  const Collection& collection_;
  const std::vector<int>& fields_;
  const Body body_;
  const int64_t now_us_;
  // Of the record being read, for typed bodies.
  std::vector<ColumnValue> values_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_READER_H_
