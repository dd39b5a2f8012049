// What a collection's refs are used for: roll-ups and the edges of a graph.

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/schema/attribute_readers.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/field_reader.h"

namespace engram::schema {
namespace {

using Kind = YamlNode::Kind;

constexpr absl::string_view kRollupAttributes[] = {"parent", "set", "where"};
constexpr absl::string_view kEdgesAttributes[] = {"kind", "source", "target"};
constexpr absl::string_view kResultForms =
    "wants count, sum(field), min(field) or max(field)";

// Reads `sum(tokens)`; nothing if it is of no such form.
std::optional<RollupSpec::Set> ReadResult(absl::string_view text) {
  using Function = RollupSpec::Function;
  static constexpr std::pair<absl::string_view, Function> kFunctions[] = {
      {"sum(", Function::kSum},
      {"min(", Function::kMin},
      {"max(", Function::kMax}};
  text = absl::StripAsciiWhitespace(text);
  RollupSpec::Set set;
  if (text == "count") return set;
  for (const auto& [prefix, function] : kFunctions) {
    if (!absl::ConsumePrefix(&text, prefix)) continue;
    if (!absl::ConsumeSuffix(&text, ")")) return std::nullopt;
    set.function = function;
    set.of = std::string(absl::StripAsciiWhitespace(text));
    return set;
  }
  return std::nullopt;
}

// Whether the function takes the field's type.
bool Fits(RollupSpec::Function function, FieldType type) {
  if (type == FieldType::kInt || type == FieldType::kDouble) return true;
  return function != RollupSpec::Function::kSum &&
         (type == FieldType::kTimestamp || type == FieldType::kString);
}

void ReadRollupSet(const YamlNode& key, const YamlNode& node,
                   const std::string& path, RollupSpec& rollup,
                   DocumentReader& document) {
  const auto parent_field = document.ReadName(key, path);
  auto set = node.kind == Kind::kScalar ? ReadResult(node.text) : std::nullopt;
  if (!set.has_value()) {
    document.Report(node, path, kResultForms);
    return;
  }
  if (!parent_field.has_value()) return;
  set->field = *parent_field;
  if (set->function != RollupSpec::Function::kCount) {
    const FieldSpec* field = document.spec.FindField(set->of);
    if (!document.declared.count(set->of)) {
      document.Report(node, path, document.NoSuchField(set->of));
    } else if (field != nullptr && !Fits(set->function, field->type)) {
      document.Report(
          node, path,
          absl::StrCat("rolls up a field of type ", FieldTypeName(field->type),
                       ", which the function does not take"));
    }
  }
  if (std::any_of(rollup.set.begin(), rollup.set.end(), [&](const auto& other) {
        return other.field == set->field;
      })) {
    document.Report(key, path, "is given twice; keep one");
    return;
  }
  rollup.set.push_back(*std::move(set));
}

void ReadRollupParent(const YamlNode& node, const std::string& path,
                      RollupSpec& rollup, DocumentReader& document) {
  const YamlNode* parent = node.Find("parent");
  if (parent == nullptr) {
    document.Report(node, path, "is missing; name the ref field");
    return;
  }
  rollup.parent = document.ReadFieldName(*parent, path).value_or("");
  const FieldSpec* field = document.spec.FindField(rollup.parent);
  if (field != nullptr && field->type != FieldType::kRef) {
    document.Report(*parent, path,
                    absl::StrCat("is of type ", FieldTypeName(field->type),
                                 "; only a ref names the record to keep up to "
                                 "date"));
  }
}

void ReadRollup(const YamlNode& node, const std::string& path,
                DocumentReader& document) {
  if (!document.CheckAttributes(node, path, kRollupAttributes)) return;
  RollupSpec rollup;
  ReadRollupParent(node, JoinPath(path, "parent"), rollup, document);
  if (const YamlNode* where = node.Find("where")) {
    rollup.where =
        document.ReadFilter(*where, JoinPath(path, "where"), {.lookups = true})
            .value_or("");
  }
  const std::string set_path = JoinPath(path, "set");
  const YamlNode* set = node.Find("set");
  if (set == nullptr || set->kind != Kind::kMap || set->keys.empty() ||
      set->keys.size() > kMaxTouched) {
    document.Report(set == nullptr ? node : *set, set_path,
                    "wants a map of 1 to 32 of the parent's fields such as "
                    "{message_count: count, total_tokens: sum(tokens)}");
    return;
  }
  for (size_t i = 0; i < set->keys.size(); ++i) {
    ReadRollupSet(set->keys[i], set->children[i],
                  JoinPath(set_path, set->keys[i].text), rollup, document);
  }
  // The order of setting has no meaning.
  std::sort(rollup.set.begin(), rollup.set.end(),
            [](const auto& a, const auto& b) { return a.field < b.field; });
  document.spec.rollups.push_back(std::move(rollup));
}

// Reads the field that holds one end of an edge, or its kind.
std::string ReadEdgeField(const YamlNode& node, absl::string_view name,
                          DocumentReader& document) {
  const std::string path = JoinPath("edges", name);
  const YamlNode* given = node.Find(name);
  if (given == nullptr) {
    if (name != "kind") {
      document.Report(node, path,
                      "is missing; name the field that holds the record's id");
    }
    return "";
  }
  const auto field_name = document.ReadFieldName(*given, path);
  if (!field_name.has_value()) return "";
  const FieldSpec* field = document.spec.FindField(*field_name);
  if (field == nullptr) return *field_name;
  if (field->type != FieldType::kRef && field->type != FieldType::kString) {
    document.Report(*given, path,
                    absl::StrCat("is of type ", FieldTypeName(field->type),
                                 "; wants a ref or a string"));
  } else if (!field->generated.empty()) {
    document.Report(*given, path, "is generated; wants a field that is sent");
  }
  return *field_name;
}

}  // namespace

void ReadRollups(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("rollups");
  if (node == nullptr) return;
  if (node->kind == Kind::kMap) {
    ReadRollup(*node, "rollups", document);
    return;
  }
  if (!document.CheckList(*node, "rollups",
                          "a list such as [{parent: session_id, set: "
                          "{message_count: count}}]",
                          kMaxRollups)) {
    return;
  }
  for (size_t i = 0; i < node->children.size(); ++i) {
    ReadRollup(node->children[i], PathAt("rollups", i), document);
  }
}

void ReadEdges(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("edges");
  if (node == nullptr) return;
  if (!document.CheckAttributes(*node, "edges", kEdgesAttributes)) return;
  EdgesSpec edges;
  edges.source = ReadEdgeField(*node, "source", document);
  edges.target = ReadEdgeField(*node, "target", document);
  edges.kind = ReadEdgeField(*node, "kind", document);
  if (!edges.source.empty() &&
      (edges.source == edges.target || edges.source == edges.kind)) {
    document.Report(*node, "edges", "uses the field of source twice");
  } else if (!edges.target.empty() && edges.target == edges.kind) {
    document.Report(*node, "edges", "uses the field of target twice");
  }
  document.spec.edges = std::move(edges);
}

}  // namespace engram::schema
