// Unique keys, indexes, checks and full text.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/schema/attribute_readers.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/field_reader.h"

namespace engram::schema {
namespace {

using Kind = YamlNode::Kind;

constexpr absl::string_view kUniqueAttributes[] = {"fields", "missing"};
// In the order of Missing.
constexpr absl::string_view kMissing[] = {"equal", "distinct"};
constexpr absl::string_view kIndexAttributes[] = {"fields", "where"};
constexpr absl::string_view kFullTextAttributes[] = {"fields", "tokenizer"};
constexpr absl::string_view kTokenizers[] = {"unicode61", "porter", "trigram"};

// Reads the fields of a key; empty if one is wrong.
std::vector<std::string> ReadKeyFields(const YamlNode& node,
                                       const std::string& path,
                                       DocumentReader& document) {
  const int mistakes_before = document.mistakes();
  std::vector<std::string> key =
      document.ReadFieldNames(node, path, "[title, body]");
  if (document.mistakes() != mistakes_before ||
      !document.CheckList(node, path, "a list of fields", kMaxIndexColumns)) {
    return {};
  }
  for (size_t i = 0; i < key.size(); ++i) {
    const FieldSpec* field = document.spec.FindField(key[i]);
    if (field == nullptr) continue;
    if (!IsKeyType(field->type)) {
      document.Report(node.children[i], PathAt(path, i),
                      absl::StrCat("the type ", FieldTypeName(field->type),
                                   " cannot be part of a unique key"));
    } else if (!field->generated.empty()) {
      document.Report(node.children[i], PathAt(path, i),
                      "is generated, which cannot be part of a unique key");
    }
  }
  // Uniqueness does not depend on the order; one form for each key.
  std::sort(key.begin(), key.end());
  return key;
}

// Reads `[a, b]`, or a map that says what missing values are.
void ReadUniqueKey(const YamlNode& node, const std::string& path,
                   DocumentReader& document) {
  CollectionSpec& spec = document.spec;
  std::vector<std::string> key;
  bool is_distinct = false;
  if (node.kind != Kind::kMap) {
    key = ReadKeyFields(node, path, document);
  } else {
    document.CheckAttributes(node, path, kUniqueAttributes);
    const YamlNode* fields = node.Find("fields");
    if (fields == nullptr) {
      document.Report(node, JoinPath(path, "fields"),
                      "is missing; list the fields");
      return;
    }
    key = ReadKeyFields(*fields, JoinPath(path, "fields"), document);
    if (const YamlNode* missing = node.Find("missing")) {
      is_distinct = document.ReadWord(*missing, JoinPath(path, "missing"),
                                      kMissing) == size_t{1};
    }
  }
  if (key.empty()) return;
  const int place = key.size() == 1 ? spec.FieldIndex(key[0]) : -1;
  if (place >= 0
          ? spec.fields[place].unique
          : std::count(spec.unique.begin(), spec.unique.end(), key) > 0) {
    document.Report(node, path, "declares a unique key twice; keep one");
    return;
  }
  if (place >= 0) {
    spec.fields[place].unique = true;
  } else if (key.size() > 1) {
    spec.unique.push_back(key);
  }
  if (is_distinct) spec.distinct_keys.push_back(std::move(key));
}

// Reads `[a, -b]`; returns the columns that are right.
std::vector<IndexSpec::Column> ReadIndexColumns(const YamlNode& node,
                                                const std::string& path,
                                                DocumentReader& document) {
  std::vector<IndexSpec::Column> columns;
  if (!document.CheckList(node, path, "a list of fields such as [kind, -size]",
                          kMaxIndexColumns)) {
    return columns;
  }
  if (node.children.empty()) {
    document.Report(node, path, "is empty; name a field");
  }
  for (size_t i = 0; i < node.children.size(); ++i) {
    YamlNode element = node.children[i];
    const std::string element_path = PathAt(path, i);
    const bool descending = !element.text.empty() && element.text[0] == '-';
    if (descending) element.text.erase(0, 1);
    auto name = document.ReadFieldName(element, element_path);
    if (!name.has_value()) continue;
    const FieldSpec* field = document.spec.FindField(*name);
    if (field != nullptr && !IsKeyType(field->type)) {
      document.Report(element, element_path,
                      absl::StrCat("the type ", FieldTypeName(field->type),
                                   " cannot be part of an index"));
    } else if (std::any_of(
                   columns.begin(), columns.end(),
                   [&](const auto& column) { return column.field == *name; })) {
      document.Report(
          element, element_path,
          absl::StrCat("names the field ", QuoteName(*name), " twice"));
    } else {
      columns.push_back({*std::move(name), descending});
    }
  }
  return columns;
}

void ReadIndex(const YamlNode& node, const std::string& path,
               DocumentReader& document) {
  CollectionSpec& spec = document.spec;
  const int mistakes_before = document.mistakes();
  IndexSpec index;
  if (node.kind != Kind::kMap) {
    index.columns = ReadIndexColumns(node, path, document);
  } else {
    document.CheckAttributes(node, path, kIndexAttributes);
    if (const YamlNode* fields = node.Find("fields")) {
      index.columns =
          ReadIndexColumns(*fields, JoinPath(path, "fields"), document);
    } else {
      document.Report(node, JoinPath(path, "fields"),
                      "is missing; list the fields");
    }
    if (const YamlNode* where = node.Find("where")) {
      index.where =
          document.ReadFilter(*where, JoinPath(path, "where"), {}).value_or("");
    }
  }
  if (document.mistakes() != mistakes_before) return;
  // An index of one plain field is that field's own.
  const bool is_single = index.columns.size() == 1 &&
                         !index.columns[0].descending && index.where.empty();
  const int field = is_single ? spec.FieldIndex(index.columns[0].field) : -1;
  if (field >= 0
          ? spec.fields[field].indexed
          : std::count(spec.indexes.begin(), spec.indexes.end(), index) > 0) {
    document.Report(node, path, "declares an index twice; keep one");
  } else if (field >= 0) {
    spec.fields[field].indexed = true;
  } else {
    spec.indexes.push_back(std::move(index));
  }
}

// Adds a full-text column if the field can be one.
void ReadTextColumn(const YamlNode& node, const std::string& path,
                    double weight, FullTextSpec& text,
                    DocumentReader& document) {
  const auto name = document.ReadFieldName(node, path);
  if (!name.has_value()) return;
  const FieldSpec* field = document.spec.FindField(*name);
  if (field != nullptr && !IsTextType(field->type)) {
    document.Report(
        node, path,
        absl::StrCat("is of type ", FieldTypeName(field->type),
                     "; only string and text are searched for words"));
  } else if (field != nullptr && !field->generated.empty()) {
    document.Report(node, path,
                    "is generated, which cannot be searched for "
                    "words; name the fields that it uses");
  } else if (*name == "rank" || *name == "rowid") {
    // FTS5 takes columns of these names for its own.
    document.Report(node, path,
                    "is a name that a full-text index keeps to itself; rename "
                    "the field");
  } else if (std::any_of(
                 text.columns.begin(), text.columns.end(),
                 [&](const auto& column) { return column.field == *name; })) {
    document.Report(
        node, path,
        absl::StrCat("names the field ", QuoteName(*name), " twice"));
  } else {
    text.columns.push_back({*name, weight});
  }
}

void ReadTextColumns(const YamlNode& node, const std::string& path,
                     FullTextSpec& text, DocumentReader& document) {
  const bool weighted = node.kind == Kind::kMap;
  const size_t count = node.children.size();
  if ((!weighted && node.kind != Kind::kSequence) || count == 0 ||
      count > kMaxIndexColumns) {
    document.Report(node, path,
                    "wants 1 to 32 fields such as [title, body], or with "
                    "weights {title: 2, body: 1}");
    return;
  }
  for (size_t i = 0; i < count; ++i) {
    const YamlNode& child = node.children[i];
    if (!weighted) {
      ReadTextColumn(child, PathAt(path, i), 1, text, document);
      continue;
    }
    const std::string column_path = JoinPath(path, node.keys[i].text);
    const double weight = document.ReadWeight(child, column_path).value_or(1);
    ReadTextColumn(node.keys[i], column_path, weight, text, document);
  }
}

}  // namespace

void ReadUniqueKeys(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("unique");
  if (node == nullptr ||
      !document.CheckList(*node, "unique",
                          "a list of keys such as [[title, author]]",
                          kMaxIndexes)) {
    return;
  }
  for (size_t i = 0; i < node->children.size(); ++i) {
    ReadUniqueKey(node->children[i], PathAt("unique", i), document);
  }
  CollectionSpec& spec = document.spec;
  std::sort(spec.unique.begin(), spec.unique.end());
  std::sort(spec.distinct_keys.begin(), spec.distinct_keys.end());
}

void ReadIndexes(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("indexes");
  if (node == nullptr ||
      !document.CheckList(*node, "indexes",
                          "a list of indexes such as [[kind, -created_at]]",
                          kMaxIndexes)) {
    return;
  }
  for (size_t i = 0; i < node->children.size(); ++i) {
    ReadIndex(node->children[i], PathAt("indexes", i), document);
  }
}

void ReadChecks(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("checks");
  if (node == nullptr ||
      !document.CheckList(*node, "checks",
                          "a list of filters such as ['low <= high']",
                          kMaxChecks)) {
    return;
  }
  for (size_t i = 0; i < node->children.size(); ++i) {
    auto check = document.ReadFilter(node->children[i], PathAt("checks", i),
                                     {.lookups = true});
    if (check.has_value()) document.spec.checks.push_back(*std::move(check));
  }
}

void ReadFullText(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("full_text");
  if (node == nullptr) return;
  FullTextSpec text;
  if (node->kind != Kind::kMap) {
    ReadTextColumns(*node, "full_text", text, document);
    document.spec.full_text = std::move(text);
    return;
  }
  document.CheckAttributes(*node, "full_text", kFullTextAttributes);
  if (const YamlNode* fields = node->Find("fields")) {
    ReadTextColumns(*fields, "full_text.fields", text, document);
  } else {
    document.Report(*node, "full_text.fields", "is missing; list the fields");
  }
  if (const YamlNode* tokenizer = node->Find("tokenizer")) {
    const auto word =
        document.ReadWord(*tokenizer, "full_text.tokenizer", kTokenizers);
    if (word.has_value()) text.tokenizer = std::string(kTokenizers[*word]);
  }
  document.spec.full_text = std::move(text);
}

}  // namespace engram::schema
