#include "services/storage/text_index.h"

#include "absl/strings/str_cat.h"
#include "libs/schema/nearest_name.h"

namespace engram::storage {

absl::Status CheckHasTextIndex(absl::string_view database,
                               const Collection& collection) {
  if (collection.text_index.has_value()) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kFailedPrecondition,
      common::v1::ERROR_REASON_ATTRIBUTE_MISSING,
      absl::StrCat("collection \"", collection.name(),
                   "\" is not searched for words; list fields of it under "
                   "full_text in its schema"),
      {{"database", database},
       {"collection", collection.name()},
       {"attribute", "full_text"}});
}

std::vector<std::string> TextColumns(const Collection& collection) {
  std::vector<std::string> columns;
  for (const int place : collection.text_index->fields) {
    columns.push_back(collection.spec.fields[place].name);
  }
  return columns;
}

int DecodeTextField(const Collection& collection, absl::string_view field,
                    absl::string_view path, FieldViolations& violations) {
  const std::vector<std::string> columns = TextColumns(collection);
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] == field) return static_cast<int>(i);
  }
  const std::vector<absl::string_view> names(columns.begin(), columns.end());
  violations.Add(path,
                 absl::StrCat("the full text of \"", collection.name(),
                              "\" has no field \"", CutText(field, 80), "\"",
                              schema::DidYouMean(std::string(field), names)));
  return -1;
}

}  // namespace engram::storage
