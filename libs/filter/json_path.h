#ifndef ENGRAM_LIBS_FILTER_JSON_PATH_H_
#define ENGRAM_LIBS_FILTER_JSON_PATH_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "libs/filter/filter.h"

namespace engram::filter {

// The text of the value at `path` of `json`, which is JSON as json::AppendJson
// writes it; nothing if the path leads nowhere. Reads no other text wrongly
// enough to fail, but finds in it what it may.
std::optional<absl::string_view> FindJson(absl::string_view json,
                                          const std::vector<PathStep>& path);

// The same path as SQLite's JSON functions take it.
std::string SqlitePath(const std::vector<PathStep>& path);

// Calls `visit` with the text of each element of `list`, until it returns true;
// whether it did. Not for what is no list.
bool AnyElement(absl::string_view list,
                absl::FunctionRef<bool(absl::string_view element)> visit);

// Of a value's text: nothing if it is of another type.
std::optional<double> JsonNumber(absl::string_view value);
std::optional<bool> JsonBool(absl::string_view value);
std::optional<std::string> JsonString(absl::string_view value);

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_JSON_PATH_H_
