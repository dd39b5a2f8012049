// The full-text index of a collection, for requests.

#ifndef ENGRAM_SERVICES_STORAGE_TEXT_INDEX_H_
#define ENGRAM_SERVICES_STORAGE_TEXT_INDEX_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/status/errors.h"
#include "services/storage/catalog.h"

namespace engram::storage {

// `FailedPrecondition`, reason `ATTRIBUTE_MISSING`, if the collection declares
// no `full_text`.
absl::Status CheckHasTextIndex(absl::string_view database,
                               const Collection& collection);

// The names of its columns, in their order.
std::vector<std::string> TextColumns(const Collection& collection);

// The column of the field that a request names in its field `path`; -1 after a
// violation.
int DecodeTextField(const Collection& collection, absl::string_view field,
                    absl::string_view path, FieldViolations& violations);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_TEXT_INDEX_H_
