#include "services/storage/export_format.h"

#include <utility>

#include "libs/status/errors.h"

namespace engram::storage {

absl::StatusOr<std::unique_ptr<ExportFormat>> NewExportFormat(
    v1::ExportRequest::Format format, const schema::CollectionSpec& spec,
    std::vector<int> fields) {
  switch (format) {
    case v1::ExportRequest::FORMAT_UNSPECIFIED:
    case v1::ExportRequest::FORMAT_JSONL:
      return NewJsonLinesFormat(spec, std::move(fields));
    case v1::ExportRequest::FORMAT_JSON:
      return NewJsonFormat(spec, std::move(fields));
    case v1::ExportRequest::FORMAT_CSV:
      return NewCsvFormat(spec, std::move(fields));
    case v1::ExportRequest::FORMAT_SQL:
      return NewSqlFormat(spec, std::move(fields));
    default:
      return InvalidField("format",
                          "is none that is known; give FORMAT_JSONL, "
                          "FORMAT_JSON, FORMAT_CSV or FORMAT_SQL");
  }
}

bool FillsWhenAbsent(const schema::FieldSpec& field) {
  return field.default_now || field.default_value.index() != 0;
}

}  // namespace engram::storage
