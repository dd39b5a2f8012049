// Readers of a collection's attributes. Each reads one attribute of the
// document's root into document.spec, reports its mistakes, and does nothing if
// it is not given. The fields must have been read.

#ifndef ENGRAM_LIBS_SCHEMA_ATTRIBUTE_READERS_H_
#define ENGRAM_LIBS_SCHEMA_ATTRIBUTE_READERS_H_

#include "libs/schema/document_reader.h"
#include "libs/schema/yaml_tree.h"

namespace engram::schema {

// index_reader.cc
void ReadUniqueKeys(const YamlNode& root, DocumentReader& document);
void ReadIndexes(const YamlNode& root, DocumentReader& document);
void ReadChecks(const YamlNode& root, DocumentReader& document);
void ReadFullText(const YamlNode& root, DocumentReader& document);

// lifetime_reader.cc
void ReadExpire(const YamlNode& root, DocumentReader& document);
void ReadSoftDelete(const YamlNode& root, DocumentReader& document);
void ReadHistory(const YamlNode& root, DocumentReader& document);
// After all others: what is read cannot change what these depend on.
void ReadTouch(const YamlNode& root, DocumentReader& document);

// relation_reader.cc
void ReadRollups(const YamlNode& root, DocumentReader& document);
void ReadEdges(const YamlNode& root, DocumentReader& document);

// vector_reader.cc
void ReadVectors(const YamlNode& root, DocumentReader& document);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_ATTRIBUTE_READERS_H_
