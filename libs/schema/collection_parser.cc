#include "libs/schema/collection_parser.h"

#include <string>
#include <utility>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/schema/attribute_readers.h"
#include "libs/schema/document_reader.h"
#include "libs/schema/field_reader.h"
#include "libs/schema/yaml_tree.h"

namespace engram::schema {
namespace {

constexpr absl::string_view kCollectionAttributes[] = {
    "checks",      "collection", "edges",        "expire",
    "fields",      "full_text",  "history",      "id",
    "indexes",     "merge",      "renamed_from", "rollups",
    "soft_delete", "touch",      "unique",       "vectors"};

// SQLite's own tables begin so, and their names cannot be taken.
constexpr absl::string_view kReservedPrefix = "sqlite_";

void ReadCollectionName(const YamlNode &root, DocumentReader &document) {
  const YamlNode *node = root.Find("collection");
  if (node == nullptr) {
    document.Report(root, "collection", "is missing; name the collection");
    return;
  }
  const auto name = document.ReadName(*node, "collection");
  if (!name.has_value()) return;
  if (absl::StartsWith(*name, kReservedPrefix)) {
    document.Report(*node, "collection",
                    "begins with sqlite_, which SQLite keeps");
    return;
  }
  document.spec.name = *name;
}

void ReadRenamedFrom(const YamlNode &root, DocumentReader &document) {
  const YamlNode *node = root.Find("renamed_from");
  if (node == nullptr) return;
  const auto name = document.ReadName(*node, "renamed_from");
  if (!name.has_value()) return;
  if (*name == document.spec.name) {
    document.Report(*node, "renamed_from",
                    "is the collection's own name; name the earlier one");
    return;
  }
  document.spec.renamed_from = *name;
}

void ReadIds(const YamlNode &root, DocumentReader &document) {
  const YamlNode *node = root.Find("id");
  if (node == nullptr) return;
  const auto word = document.ReadWord(*node, "id", {"required", "sequence"});
  document.spec.required_ids = word == size_t{0};
  document.spec.sequence_ids = word == size_t{1};
}

void ReadDocument(absl::string_view yaml, DocumentReader &document) {
  if (yaml.size() > kMaxDocumentBytes) {
    document.Report(YamlMark(), "",
                    absl::StrCat("has ", yaml.size(), " bytes; at most ",
                                 kMaxDocumentBytes, " are allowed"));
    return;
  }
  std::variant<YamlNode, YamlProblem> tree = ReadYaml(yaml);
  if (const auto *problem = std::get_if<YamlProblem>(&tree)) {
    document.Report(problem->mark, "", problem->message);
    return;
  }
  const YamlNode &root = std::get<YamlNode>(tree);
  if (!document.CheckAttributes(root, "", kCollectionAttributes)) return;
  ReadCollectionName(root, document);
  ReadRenamedFrom(root, document);
  ReadIds(root, document);
  // All others refer to the fields, so these come first wherever they stand in
  // the document.
  ReadFields(root, document);
  ReadUniqueKeys(root, document);
  ReadIndexes(root, document);
  ReadChecks(root, document);
  ReadExpire(root, document);
  ReadSoftDelete(root, document);
  ReadHistory(root, document);
  ReadFullText(root, document);
  ReadRollups(root, document);
  ReadEdges(root, document);
  ReadVectors(root, document);
  ReadTouch(root, document);
}

}  // namespace

std::optional<CollectionSpec> ParseCollection(absl::string_view document_name,
                                              absl::string_view yaml,
                                              absl::string_view path,
                                              FieldViolations &violations) {
  DocumentReader document(document_name, path, violations);
  ReadDocument(yaml, document);
  if (document.mistakes() > 0) return std::nullopt;
  return std::move(document.spec);
}

absl::StatusOr<CollectionSpec> ParseCollection(absl::string_view document_name,
                                               absl::string_view yaml) {
  FieldViolations violations;
  std::optional<CollectionSpec> spec =
      ParseCollection(document_name, yaml, "", violations);
  if (!spec.has_value()) return violations.ToStatus();
  return *std::move(spec);
}

}  // namespace engram::schema
