#ifndef ENGRAM_LIBS_FILTER_PARSER_H_
#define ENGRAM_LIBS_FILTER_PARSER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/filter/syntax.h"

namespace engram::filter {

// Reads a whole text by the grammar of filter.h. The tree is no deeper than
// twice kMaxDepth, however long the text.
absl::StatusOr<Syntax> Parse(absl::string_view text);

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_PARSER_H_
