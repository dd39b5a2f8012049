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
#include "google/protobuf/struct.pb.h"
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
//
// Records are encoded from the columns, as answers carry them: to make messages
// of their many small values first would take longer than to read them.
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

  // Encodes one record into `record`, an engram.storage.v1.Record; returns its
  // row, nothing if there is none of this id, or it is deleted or has expired.
  absl::StatusOr<std::optional<int64_t>> EncodeById(absl::string_view id,
                                                    std::string* record);

  // The same, quicker, of a record that may have this row; nothing if it has
  // another.
  absl::StatusOr<std::optional<int64_t>> EncodeByRowAndId(int64_t row,
                                                          absl::string_view id,
                                                          std::string* record);

  // The same as EncodeById, as a message.
  absl::StatusOr<std::optional<int64_t>> ReadById(absl::string_view id,
                                                  v1::Record* record);

  // Encodes the record of a row that was found in the same transaction.
  absl::Status EncodeByRow(int64_t row, std::string* record);

  // The columns that Encode needs, as SQL.
  std::string columns() const;

  // Encodes the record that `select` stands on, by the columns above.
  absl::Status Encode(const sqlite::Statement& select, std::string* record);

 private:
  // Takes the text `of_all` where it reads every field; else makes that of its
  // fields, which ends with `and_row`.
  absl::StatusOr<sqlite::Statement> SelectById(const std::string& of_all,
                                               absl::string_view and_row) const;
  // Runs `select`, which is reset.
  absl::StatusOr<std::optional<int64_t>> EncodeFound(sqlite::Statement& select,
                                                     absl::string_view id,
                                                     std::string* record);
  absl::Status EncodeNamed(const sqlite::Statement& select);
  absl::Status EncodeTyped(const sqlite::Statement& select);

  sqlite::Connection& connection_;
  const Collection& collection_;
  const std::vector<int>& fields_;
  const Body body_;
  const int64_t now_us_;
  // Kept from one record to the next.
  std::optional<sqlite::Statement> by_id_;
  std::optional<sqlite::Statement> by_row_and_id_;
  std::optional<sqlite::Statement> by_row_;
  // The fields of the record being encoded.
  std::string encoded_;
  google::protobuf::Value value_;
  std::vector<schema::FieldView> views_;
};

inline RecordReader::Body BodyOf(bool typed) {
  return typed ? RecordReader::Body::kTyped : RecordReader::Body::kFields;
}

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_RECORD_READER_H_
