#include "services/storage/record_codec.h"

#include <variant>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"

namespace engram::storage {

absl::Status EncodeField(const schema::FieldSpec& field,
                         const ColumnValue& value,
                         google::protobuf::Value* out) {
  if (const auto* number = std::get_if<int64_t>(&value);
      number != nullptr && field.render_string) {
    out->set_string_value(absl::StrCat(*number));
    return absl::OkStatus();
  }
  absl::Status status = schema::EncodeValue(field.type, value, out);
  if (status.ok()) return status;
  return WithContext(status, absl::StrCat("field \"", field.name, "\""));
}

}  // namespace engram::storage
