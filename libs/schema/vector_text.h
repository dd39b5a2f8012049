// The text that a vector field's vectors are made of.

#ifndef ENGRAM_LIBS_SCHEMA_VECTOR_TEXT_H_
#define ENGRAM_LIBS_SCHEMA_VECTOR_TEXT_H_

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/schema/collection_spec.h"
#include "libs/schema/field_value.h"

namespace engram::schema {

// A template's parts, in order: text that stands for itself, or the place of a
// source in VectorFieldSpec::source.
using TextTemplate = std::vector<std::variant<std::string, int>>;

// Reads a template such as `{title}: {body}`; `{{` and `}}` are braces.
// `InvalidArgument`, a clause that follows the attribute's name, if a brace is
// left open, a name is no source, or a source is not used.
absl::StatusOr<TextTemplate> ParseTextTemplate(
    absl::string_view text, absl::Span<const std::string> sources);

// Returns the text of a record of the collection; `values` are those of the
// vector field's sources, in order. A list's text is its elements joined by
// spaces. Without a template the texts are joined by newlines. None, so no
// vector, if no source holds more than white space.
std::optional<std::string> VectorText(const CollectionSpec& collection,
                                      const VectorFieldSpec& field,
                                      absl::Span<const FieldValue> values);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_VECTOR_TEXT_H_
