// The records of an input, one after the other, in the formats that can be
// imported.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_RECORD_SOURCE_H_
#define ENGRAM_TOOLS_ENGRAMCTL_RECORD_SOURCE_H_

#include <cstdint>
#include <istream>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"
#include "libs/schema/collection_spec.h"

namespace engram::engramctl {

// Holds little more than one record at a time.
class RecordSource {
 public:
  // The most that one record may have.
  static constexpr size_t kMaxRecordBytes = 16 << 20;

  virtual ~RecordSource() = default;

  // Goes to the next record; false at the end. An error means that where the
  // next record begins cannot be told.
  virtual absl::StatusOr<bool> Next() = 0;

  // Reads the record's fields, and its id under the key that has it. An error
  // says what is wrong with this record; the next may be good.
  virtual absl::Status Read(google::protobuf::Struct* fields) = 0;

  // The record as the input has it, until the next call of Next.
  virtual absl::string_view text() const = 0;
  // The line that the record begins in, from 1.
  virtual int64_t line() const = 0;
  // Bytes of the input up to the end of the record.
  virtual int64_t bytes() const = 0;
};

enum class RecordFormat { kJsonLines, kJson, kCsv };

// The format of a file by its name: `.json` and `.csv`, else JSON Lines.
RecordFormat FormatOf(absl::string_view path);

// Reads one JSON object a line, a JSON array of objects, or CSV (RFC 4180)
// whose first line names the fields. `in` and `spec`, the collection's schema,
// must outlive the source. Fails if the CSV's header names what is no field and
// not `id_field`.
//
// A cell of CSV is text in the form of its field's type. An empty one is not
// sent, unless it has quotes: then it is an empty text. `\N` without quotes is
// no value, also where a default would take the place of what is not sent.
absl::StatusOr<std::unique_ptr<RecordSource>> OpenRecordSource(
    RecordFormat format, std::istream& in, const schema::CollectionSpec& spec,
    const std::string& id_field);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_RECORD_SOURCE_H_
