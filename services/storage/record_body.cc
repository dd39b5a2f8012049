#include "services/storage/record_body.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "libs/schema/typed_codec.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {

absl::Status EncodeBody(const Collection& collection,
                        const StoredRecord& record, BodyFields fields,
                        std::string* body) {
  const schema::CollectionSpec& spec = collection.spec;
  for (size_t place = 0; place < spec.fields.size(); ++place) {
    if (fields == BodyFields::kStored &&
        !spec.fields[place].generated.empty()) {
      continue;
    }
    const int places[] = {static_cast<int>(place)};
    RETURN_IF_ERROR(schema::EncodeTyped(
        spec, collection.typed, places,
        absl::MakeConstSpan(&record.values[place], 1), body));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<ColumnValue>> DecodeBody(
    const Collection& collection, absl::string_view body,
    UnreadableFields unreadable) {
  std::vector<ColumnValue> values(collection.spec.fields.size());
  absl::Status status;
  RETURN_IF_ERROR(schema::DecodeTyped(
      collection.spec, collection.typed, body,
      [&](int place, absl::StatusOr<ColumnValue> value) {
        if (value.ok()) {
          values[place] = *std::move(value);
        } else if (unreadable == UnreadableFields::kRefuse) {
          status.Update(WithContext(
              value.status(),
              absl::StrCat("field \"", collection.spec.fields[place].name,
                           "\" of the old version")));
        }
      }));
  RETURN_IF_ERROR(status);
  return values;
}

}  // namespace engram::storage
