#ifndef ENGRAM_SERVICES_STORAGE_RECORD_READER_H_
#define ENGRAM_SERVICES_STORAGE_RECORD_READER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/record.pb.h"
#include "google/protobuf/field_mask.pb.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/statement.h"
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

// Reads records of one collection; only the columns of `fields` are read from
// disk. For use during one call, on one thread.
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
  // of this id, or it is deleted or has expired.
  absl::StatusOr<std::optional<int64_t>> ReadById(absl::string_view id,
                                                  v1::Record* record);

  // The same without a transaction around it, of the newest commit; nothing
  // also if that has another schema than the collection is a part of, in which
  // case even an error may mean no more than this.
  absl::StatusOr<std::optional<int64_t>> ReadNewestById(absl::string_view id,
                                                        v1::Record* record);

  // Reads the record of a row that was found in the same transaction.
  absl::Status ReadByRow(int64_t row, v1::Record* record);

  // The columns that Read needs, as SQL.
  std::string columns() const;

  // Reads the record that `select` stands on, by the columns above.
  absl::Status Read(const sqlite::Statement& select, v1::Record* record);

 private:
  // Binds and runs `select`, which has the columns and parameters of a lookup
  // by id.
  absl::StatusOr<bool> Find(sqlite::Statement& select, absl::string_view id);
  absl::Status FillFields(const sqlite::Statement& select, v1::Record* record);
  absl::Status FillTyped(const sqlite::Statement& select, v1::Record* record);

  sqlite::Connection& connection_;
  const Collection& collection_;
  const std::vector<int>& fields_;
  const Body body_;
  const int64_t now_us_;
  // Kept from one record to the next.
  std::optional<sqlite::Statement> by_id_;
  std::optional<sqlite::Statement> by_row_;
  // Of the record being read, for typed bodies.
  std::vector<schema::FieldView> values_;
};

inline RecordReader::Body BodyOf(bool typed) {
  return typed ? RecordReader::Body::kTyped : RecordReader::Body::kFields;
}

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_READER_H_
