// Files of JSON objects: one a line, and a list of them.

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "services/storage/export_format.h"

namespace engram::storage {
namespace {

using schema::FieldSpec;
using schema::FieldType;

void AppendInt(const FieldSpec& field, int64_t value, std::string* out) {
  constexpr int64_t kExactLimit = int64_t{1} << 53;
  const bool is_text =
      field.render_string || value <= -kExactLimit || value >= kExactLimit;
  absl::StrAppend(out, is_text ? "\"" : "", value, is_text ? "\"" : "");
}

void AppendDouble(double value, std::string* out) {
  google::protobuf::Value number;
  number.set_number_value(value);
  json::AppendJson(number, out);
}

// A value that there is.
void AppendValue(const FieldSpec& field, const sqlite::Statement& row,
                 int column, std::string* out) {
  switch (field.type) {
    case FieldType::kString:
    case FieldType::kText:
    case FieldType::kRef:
      return json::AppendQuoted(row.Text(column), out);
    case FieldType::kInt:
      return AppendInt(field, row.Int(column), out);
    case FieldType::kDouble:
      return AppendDouble(row.Double(column), out);
    case FieldType::kBool:
      absl::StrAppend(out, row.Int(column) != 0 ? "true" : "false");
      return;
    case FieldType::kTimestamp:
      absl::StrAppend(out, "\"", schema::FormatTimestamp(row.Int(column)),
                      "\"");
      return;
    case FieldType::kJson:
    case FieldType::kStrings:
      // JSON on one line as it is.
      absl::StrAppend(out, row.Text(column));
      return;
    case FieldType::kBytes:
      absl::StrAppend(out, "\"", absl::Base64Escape(row.Blob(column)), "\"");
      return;
  }
}

class JsonObjects {
 public:
  JsonObjects(const schema::CollectionSpec& spec,
              const std::vector<int>& places) {
    for (const int place : places) {
      Field& field = fields_.emplace_back();
      field.spec = &spec.fields[place];
      field.key = absl::StrCat(",\"", field.spec->name, "\":");
    }
  }

  void Append(const sqlite::Statement& row, std::string* out) const {
    out->append("{\"id\":");
    json::AppendQuoted(row.Text(ExportFormat::kIdColumn), out);
    int column = ExportFormat::kFirstField;
    for (const Field& field : fields_) {
      if (!row.IsNull(column)) {
        out->append(field.key);
        AppendValue(*field.spec, row, column, out);
      } else if (FillsWhenAbsent(*field.spec)) {
        absl::StrAppend(out, field.key, "null");
      }
      ++column;
    }
    out->push_back('}');
  }

 private:
  struct Field {
    const FieldSpec* spec;
    // With what stands around it. Names need no escapes.
    std::string key;
  };
  std::vector<Field> fields_;
};

class JsonLinesFormat : public ExportFormat {
 public:
  JsonLinesFormat(const schema::CollectionSpec& spec,
                  const std::vector<int>& fields)
      : objects_(spec, fields) {}

  void Begin(std::string*) override {}
  void Write(const sqlite::Statement& row, std::string* out) override {
    objects_.Append(row, out);
    out->push_back('\n');
  }
  void End(std::string*) override {}

 private:
  const JsonObjects objects_;
};

class JsonFormat : public ExportFormat {
 public:
  JsonFormat(const schema::CollectionSpec& spec, const std::vector<int>& fields)
      : objects_(spec, fields) {}

  void Begin(std::string* out) override { out->append("["); }
  void Write(const sqlite::Statement& row, std::string* out) override {
    out->append(std::exchange(first_, false) ? "\n" : ",\n");
    objects_.Append(row, out);
  }
  void End(std::string* out) override { out->append(first_ ? "]\n" : "\n]\n"); }

 private:
  const JsonObjects objects_;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<ExportFormat> NewJsonLinesFormat(
    const schema::CollectionSpec& spec, std::vector<int> fields) {
  return std::make_unique<JsonLinesFormat>(spec, fields);
}

std::unique_ptr<ExportFormat> NewJsonFormat(const schema::CollectionSpec& spec,
                                            std::vector<int> fields) {
  return std::make_unique<JsonFormat>(spec, fields);
}

}  // namespace engram::storage
