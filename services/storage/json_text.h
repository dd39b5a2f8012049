// Reads JSON as fields hold it, without parsing all of it: compact, the keys of
// each object sorted (json::AppendJson), so that equal values are equal text.
// Text that is not so finds nothing or is cut oddly, but does no harm.

#ifndef ENGRAM_SERVICES_STORAGE_JSON_TEXT_H_
#define ENGRAM_SERVICES_STORAGE_JSON_TEXT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace engram::storage {

inline bool IsJsonList(absl::string_view json) {
  return !json.empty() && json.front() == '[';
}

// The elements of a list, each as JSON; views of `list`.
std::vector<absl::string_view> ListElements(absl::string_view list);

// The list of these elements.
std::string MakeList(absl::Span<const absl::string_view> elements);

// What stands in an object, or in objects inside it, under these keys; a view
// of `json`.
std::optional<absl::string_view> FindInJson(absl::string_view json,
                                            absl::Span<const std::string> keys);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JSON_TEXT_H_
