// How records are written into a file.

#ifndef ENGRAM_SERVICES_STORAGE_EXPORT_FORMAT_H_
#define ENGRAM_SERVICES_STORAGE_EXPORT_FORMAT_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/schema/collection_spec.h"
#include "libs/sqlite/statement.h"

namespace engram::storage {

// Writes the text of a file: Begin, then each record, then End.
class ExportFormat {
 public:
  // Columns of a record's row before its fields: _row, id.
  static constexpr int kIdColumn = 1;
  static constexpr int kFirstField = 2;

  virtual ~ExportFormat() = default;

  virtual void Begin(std::string* out) = 0;
  // `row` is at a record, whose columns are those above and then the fields
  // that the format was made for.
  virtual void Write(const sqlite::Statement& row, std::string* out) = 0;
  virtual void End(std::string* out) = 0;
};

// Makes the writer of a format for some fields of a collection, by their
// places. `spec` must outlive it. `InvalidArgument` for no known format.
//
// JSONL, JSON and CSV are such that an import of the file makes the same
// records: a value that is missing is told from one that is left out, where a
// default would take its place.
absl::StatusOr<std::unique_ptr<ExportFormat>> NewExportFormat(
    v1::ExportRequest::Format format, const schema::CollectionSpec& spec,
    std::vector<int> fields);

// The parts of NewExportFormat, in files of their own.
std::unique_ptr<ExportFormat> NewJsonLinesFormat(
    const schema::CollectionSpec& spec, std::vector<int> fields);
std::unique_ptr<ExportFormat> NewJsonFormat(const schema::CollectionSpec& spec,
                                            std::vector<int> fields);
std::unique_ptr<ExportFormat> NewCsvFormat(const schema::CollectionSpec& spec,
                                           std::vector<int> fields);
std::unique_ptr<ExportFormat> NewSqlFormat(const schema::CollectionSpec& spec,
                                           std::vector<int> fields);

// Whether a new record gets a value for the field where none is sent, so that
// a missing one must be.
bool FillsWhenAbsent(const schema::FieldSpec& field);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_EXPORT_FORMAT_H_
