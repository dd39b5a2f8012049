// Comma-separated values (RFC 4180) with a header.
//
// A cell without quotes that is empty is no value; `""` is an empty text; `\N`
// without quotes says that there is no value, where an empty cell would get the
// field's default. tools/engramctl/csv_source.cc reads them so.

#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "services/storage/export_format.h"

namespace engram::storage {
namespace {

using schema::FieldSpec;
using schema::FieldType;

constexpr absl::string_view kNoValue = "\\N";
constexpr absl::string_view kNewline = "\r\n";

bool NeedsQuotes(absl::string_view text) {
  // Blanks at the ends, which some programs cut off.
  return text.empty() || text == kNoValue ||
         text.find_first_of(",\"\r\n") != absl::string_view::npos ||
         absl::ascii_isspace(text.front()) || absl::ascii_isspace(text.back());
}

void AppendText(absl::string_view text, std::string* out) {
  if (!NeedsQuotes(text)) {
    absl::StrAppend(out, text);
    return;
  }
  out->push_back('"');
  for (const char c : text) {
    if (c == '"') out->push_back('"');
    out->push_back(c);
  }
  out->push_back('"');
}

// A value that there is.
void AppendValue(const FieldSpec& field, const sqlite::Statement& row,
                 int column, std::string* out) {
  switch (field.type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kRef:
    case FieldType::kJson:
    case FieldType::kStrings:
      return AppendText(row.Text(column), out);
    case FieldType::kInt:
      absl::StrAppend(out, row.Int(column));
      return;
    case FieldType::kDouble: {
      char digits[32];  // The shortest form has at most 24 characters.
      const auto result =
          std::to_chars(digits, digits + sizeof(digits), row.Double(column));
      out->append(digits, result.ptr);
      return;
    }
    case FieldType::kBool:
      absl::StrAppend(out, row.Int(column) != 0 ? "true" : "false");
      return;
    case FieldType::kTimestamp:
      absl::StrAppend(out, schema::FormatTimestamp(row.Int(column)));
      return;
    case FieldType::kBytes:
      return AppendText(absl::Base64Escape(row.Blob(column)), out);
  }
}

class CsvFormat : public ExportFormat {
 public:
  CsvFormat(const schema::CollectionSpec& spec,
            const std::vector<int>& places) {
    for (const int place : places) fields_.push_back(&spec.fields[place]);
  }

  void Begin(std::string* out) override {
    out->append("id");
    for (const FieldSpec* field : fields_) {
      absl::StrAppend(out, ",", field->name);
    }
    absl::StrAppend(out, kNewline);
  }

  void Write(const sqlite::Statement& row, std::string* out) override {
    AppendText(row.Text(kIdColumn), out);
    int column = kFirstField;
    for (const FieldSpec* field : fields_) {
      out->push_back(',');
      if (!row.IsNull(column)) {
        AppendValue(*field, row, column, out);
      } else if (FillsWhenAbsent(*field)) {
        absl::StrAppend(out, kNoValue);
      }
      ++column;
    }
    absl::StrAppend(out, kNewline);
  }

  void End(std::string*) override {}

 private:
  std::vector<const FieldSpec*> fields_;
};

}  // namespace

std::unique_ptr<ExportFormat> NewCsvFormat(const schema::CollectionSpec& spec,
                                           std::vector<int> fields) {
  return std::make_unique<CsvFormat>(spec, fields);
}

}  // namespace engram::storage
