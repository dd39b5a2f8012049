#ifndef ENGRAM_LIBS_SCHEMA_CHUNKING_READER_H_
#define ENGRAM_LIBS_SCHEMA_CHUNKING_READER_H_

#include "absl/strings/string_view.h"
#include "libs/chunk/chunk_options.h"
#include "libs/schema/document_reader.h"
#include "libs/schema/yaml_tree.h"

namespace engram::schema {

// The method's name as schemas write it, such as `paragraphs`.
absl::string_view ChunkingName(chunk::Method method);

// Reads a vector field's `chunking`: a method's name, or a map with `by` and
// the method's options. What is not given has its default. Reports what is
// wrong.
chunk::Options ReadChunking(const YamlNode& node, absl::string_view path,
                            DocumentReader& document);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_CHUNKING_READER_H_
