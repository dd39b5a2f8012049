// Reads the schema language: one YAML document declares one collection.
//
//   collection: memories
//   fields:
//     content: {type: text, required: true}
//     kind:    {type: string, one_of: [fact, preference], index: true}
//   unique: [[content, kind]]
//   vectors:
//     content: {source: [content], model: default, metric: cosine}

#ifndef ENGRAM_LIBS_SCHEMA_COLLECTION_PARSER_H_
#define ENGRAM_LIBS_SCHEMA_COLLECTION_PARSER_H_

#include <optional>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/schema/collection_spec.h"
#include "libs/status/errors.h"

namespace engram::schema {

inline constexpr int kMaxDocumentBytes = 1 << 20;
inline constexpr int kMaxFields = 256;
inline constexpr int kMaxVectorFields = 16;
inline constexpr int kMaxNameLength = 63;
// Of each: unique keys, indexes.
inline constexpr int kMaxIndexes = 64;
inline constexpr int kMaxIndexColumns = 32;
inline constexpr int kMaxChecks = 64;
inline constexpr int kMaxRollups = 16;
// The most fields that one roll-up or reading sets.
inline constexpr int kMaxTouched = 32;
inline constexpr int kMaxDimensions = 65'536;

// Returns what `yaml` declares, or `InvalidArgument` that reports every
// mistake: each violation's field is the path inside the document
// (`fields.kind.indx`), its description begins with name, line and column
// (`memories.yaml:7:5: unknown attribute; known: ...`). Safe on hostile input.
//
// `document_name` is what messages call the document; empty is "schema".
absl::StatusOr<CollectionSpec> ParseCollection(absl::string_view document_name,
                                               absl::string_view yaml);

// The same, for requests that carry several documents: adds the mistakes to
// `violations`, their paths after `path` and a dot
// (`documents[2].fields.kind`), and returns nothing if there were any.
std::optional<CollectionSpec> ParseCollection(absl::string_view document_name,
                                              absl::string_view yaml,
                                              absl::string_view path,
                                              FieldViolations& violations);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_COLLECTION_PARSER_H_
