#ifndef ENGRAM_LIBS_SCHEMA_NEAREST_NAME_H_
#define ENGRAM_LIBS_SCHEMA_NEAREST_NAME_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace engram::schema {

// Returns the clause `; did you mean "size"?` with the name most like `wrong`,
// or nothing if none is like it.
std::string DidYouMean(absl::string_view wrong,
                       const std::vector<absl::string_view>& names);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_NEAREST_NAME_H_
