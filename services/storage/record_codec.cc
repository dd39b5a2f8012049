#include "services/storage/record_codec.h"

#include <algorithm>
#include <variant>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"

namespace engram::storage {
namespace {

bool IsWhiteSpace(absl::string_view text) {
  return std::all_of(text.begin(), text.end(), absl::ascii_isspace);
}

}  // namespace

absl::Status EncodeField(const schema::FieldSpec& field,
                         const ColumnValue& value,
                         google::protobuf::Value* out) {
  if (const auto* number = std::get_if<int64_t>(&value);
      number != nullptr && field.render_string) {
    out->set_string_value(absl::StrCat(*number));
    return absl::OkStatus();
  }
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
