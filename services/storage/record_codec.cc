#include "services/storage/record_codec.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/schema/nearest_name.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// A name longer than any field's is cut in messages and paths.
constexpr size_t kShownNameBytes = 64;

std::string FieldPath(absl::string_view path, absl::string_view field) {
  return absl::StrCat(path, ".", CutText(field, kShownNameBytes));
}

std::string UnknownField(const schema::CollectionSpec& spec,
                         absl::string_view name) {
  std::vector<absl::string_view> known;
  for (const schema::FieldSpec& field : spec.fields)
    known.push_back(field.name);
  const std::string hint =
      name == "id" ? "; the id stands beside the fields, not among them"
                   : schema::DidYouMean(name, known);
  return absl::StrCat("no field \"", CutText(name, kShownNameBytes),
                      "\" in the collection \"", spec.name, "\"", hint);
}

absl::StatusOr<ColumnValue> DecodeField(const schema::FieldSpec& field,
                                        const google::protobuf::Value& sent) {
  ASSIGN_OR_RETURN(ColumnValue value, schema::DecodeValue(field.type, sent));
  RETURN_IF_ERROR(schema::CheckValue(field, value));
  return value;
}

bool IsWhiteSpace(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isspace);
}

}  // namespace

std::vector<Assignment> DecodeFields(const schema::CollectionSpec& spec,
                                     const google::protobuf::Struct& fields,
                                     absl::string_view path,
                                     FieldViolations& violations) {
  std::vector<Assignment> assignments;
  assignments.reserve(fields.fields_size());
  std::vector<absl::string_view> unknown;
  for (const auto& [name, sent] : fields.fields()) {
    const int index = spec.FieldIndex(name);
    if (index < 0) {
      unknown.push_back(name);
      continue;
    }
    absl::StatusOr<ColumnValue> value = DecodeField(spec.fields[index], sent);
    if (value.ok()) {
      assignments.push_back({index, *std::move(value)});
    } else {
      violations.Add(FieldPath(path, name), value.status().message());
    }
  }
  // A Struct has no order; an answer should not depend on a hash.
  std::sort(unknown.begin(), unknown.end());
  for (const absl::string_view name : unknown) {
    // Looking for near names costs time that a hostile request could multiply.
    violations.Add(FieldPath(path, name),
                   violations.full() ? "" : UnknownField(spec, name));
  }
  std::sort(assignments.begin(), assignments.end(),
            [](const auto& a, const auto& b) { return a.field < b.field; });
  return assignments;
}

std::vector<ColumnValue> CompleteNewRecord(const schema::CollectionSpec& spec,
                                           std::vector<Assignment> sent,
                                           absl::string_view path,
                                           FieldViolations& violations) {
  std::vector<ColumnValue> values;
  values.reserve(spec.fields.size());
  for (const schema::FieldSpec& field : spec.fields) {
    values.push_back(field.default_value);
  }
  for (Assignment& assignment : sent) {
    values[assignment.field] = std::move(assignment.value);
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const schema::FieldSpec& field = spec.fields[i];
    if (!field.required || values[i].index() != 0) continue;
    violations.Add(FieldPath(path, field.name), "is required; give it a value");
  }
  return values;
}

absl::Status EncodeField(const schema::FieldSpec& field,
                         const ColumnValue& value,
                         google::protobuf::Value* out) {
  const absl::Status status = schema::EncodeValue(field.type, value, out);
  return WithContext(status, absl::StrCat("field \"", field.name, "\""));
}

std::optional<std::string> SourceText(absl::Span<const ColumnValue> sources) {
  std::optional<std::string> joined;
  for (const ColumnValue& source : sources) {
    const auto* text = std::get_if<std::string>(&source);
    if (text == nullptr || IsWhiteSpace(*text)) continue;
    if (joined.has_value()) {
      absl::StrAppend(&*joined, "\n", *text);
    } else {
      joined = *text;
    }
  }
  return joined;
}

}  // namespace engram::storage
