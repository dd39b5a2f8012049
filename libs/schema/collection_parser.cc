#include "libs/schema/collection_parser.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "libs/schema/nearest_name.h"
#include "libs/schema/yaml_literal.h"
#include "libs/schema/yaml_tree.h"

namespace engram::schema {
namespace {

using Kind = YamlNode::Kind;

constexpr absl::string_view kCollectionAttributes[] = {"collection", "fields",
                                                       "unique", "vectors"};
constexpr absl::string_view kFieldAttributes[] = {
    "default", "index", "max",      "max_length", "min",
    "one_of",  "type",  "required", "unique"};
constexpr absl::string_view kVectorAttributes[] = {"metric", "model", "source"};
constexpr FieldType kTypes[] = {
    FieldType::kString, FieldType::kText,  FieldType::kInt,
    FieldType::kDouble, FieldType::kBool,  FieldType::kTimestamp,
    FieldType::kJson,   FieldType::kBytes, FieldType::kStrings};
constexpr Metric kMetrics[] = {Metric::kCosine, Metric::kDot, Metric::kL2};
constexpr size_t kMaxChoices = 1000;
constexpr size_t kMaxModelLength = 256;
// A key longer than any name is cut in messages and paths.
constexpr size_t kShownKeyBytes = 64;

bool IsName(absl::string_view text) {
  if (text.empty() || text.size() > kMaxNameLength) return false;
  if (!absl::ascii_islower(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
  });
}

// Types whose values have an order that bounds can use.
bool IsOrdered(FieldType type) {
  return type == FieldType::kInt || type == FieldType::kDouble ||
         type == FieldType::kTimestamp;
}

// Types whose values are one plain column value, equal exactly when the
// column's are. JSON is not: 1 and 1.0 are one number; and a list is many
// values.
bool IsKey(FieldType type) {
  return type != FieldType::kJson && type != FieldType::kStrings;
}

bool HasLength(FieldType type) {
  return type == FieldType::kString || type == FieldType::kText ||
         type == FieldType::kBytes || type == FieldType::kStrings;
}

bool HasChoices(FieldType type) {
  return type == FieldType::kString || type == FieldType::kText ||
         type == FieldType::kInt || type == FieldType::kStrings;
}

// Reads one document; gathers its mistakes and goes on.
class DocumentReader {
 public:
  DocumentReader(absl::string_view document_name, absl::string_view path,
                 FieldViolations& violations)
      : document_name_(document_name.empty() ? "schema" : document_name),
        root_path_(path),
        violations_(violations) {}

  std::optional<CollectionSpec> Read(absl::string_view yaml);

 private:
  void Report(const YamlMark& mark, absl::string_view path,
              absl::string_view problem);
  void Report(const YamlNode& node, absl::string_view path,
              absl::string_view problem) {
    Report(node.mark, path, problem);
  }

  // Reports unless `node` is a map whose keys are `known`, each once; says
  // whether it is a map.
  bool CheckAttributes(const YamlNode& node, absl::string_view path,
                       absl::Span<const absl::string_view> known);
  // Reports unless `node` is a map, without a key twice, whose keys are names.
  bool CheckNames(const YamlNode& node, absl::string_view path,
                  absl::string_view example);

  void ReadCollectionName(const YamlNode& root);
  void ReadFields(const YamlNode& root);
  void ReadField(const YamlNode& key, const YamlNode& node);
  void ReadRules(const YamlNode& node, absl::string_view path,
                 FieldSpec& field);
  void ReadChoices(const YamlNode& node, absl::string_view path,
                   FieldSpec& field);
  void ReadMaxLength(const YamlNode& node, absl::string_view path,
                     FieldSpec& field);
  void ReadUniqueKeys(const YamlNode& root);
  void ReadUniqueKey(const YamlNode& node, absl::string_view path);
  void ReadVectors(const YamlNode& root);
  void ReadVector(const YamlNode& key, const YamlNode& node);
  void ReadMetric(const YamlNode& node, absl::string_view path,
                  VectorFieldSpec& vector);

  // `node` is the attribute's value, or null if it is not given.
  bool ReadBool(const YamlNode* node, absl::string_view path);
  // `monostate` if the value is wrong, which is reported.
  FieldValue ReadValue(const YamlNode& node, absl::string_view path,
                       FieldType type);
  // Reads a list of names of fields; reports what is no field, or twice.
  std::vector<std::string> ReadFieldNames(const YamlNode& node,
                                          absl::string_view path);
  // The clause that names the field which was probably meant.
  std::string NearestField(absl::string_view wrong) const;

  const std::string document_name_;
  const std::string root_path_;
  FieldViolations& violations_;
  int mistakes_ = 0;
  CollectionSpec spec_;
  // Every name declared in `fields`, the faulty ones included, so that one
  // mistake does not show up a second time where the field is used.
  std::set<std::string> declared_;
};

std::string Join(absl::string_view path, absl::string_view name) {
  const std::string shown = CutText(name, kShownKeyBytes);
  return path.empty() ? shown : absl::StrCat(path, ".", shown);
}

std::string At(absl::string_view path, size_t index) {
  return absl::StrCat(path, "[", index, "]");
}

void DocumentReader::Report(const YamlMark& mark, absl::string_view path,
                            absl::string_view problem) {
  ++mistakes_;
  const std::string full_path = root_path_.empty() ? std::string(path)
                                : path.empty()
                                    ? root_path_
                                    : absl::StrCat(root_path_, ".", path);
  violations_.Add(full_path.empty() ? "yaml" : full_path,
                  absl::StrCat(document_name_, ":", mark.line, ":", mark.column,
                               ": ", problem));
}

bool DocumentReader::CheckAttributes(
    const YamlNode& node, absl::string_view path,
    absl::Span<const absl::string_view> known) {
  if (node.kind != Kind::kMap) {
    Report(
        node, path,
        absl::StrCat("wants a map with some of ", absl::StrJoin(known, ", ")));
    return false;
  }
  std::set<absl::string_view> seen;
  for (const YamlNode& key : node.keys) {
    const std::string attribute_path = Join(path, key.text);
    if (!std::count(known.begin(), known.end(), key.text)) {
      Report(
          key, attribute_path,
          absl::StrCat("unknown attribute; known: ", absl::StrJoin(known, ", "),
                       DidYouMean(key.text, {known.begin(), known.end()})));
    } else if (!seen.insert(key.text).second) {
      Report(key, attribute_path, "is given twice; keep one");
    }
  }
  return true;
}

bool DocumentReader::CheckNames(const YamlNode& node, absl::string_view path,
                                absl::string_view example) {
  if (node.kind != Kind::kMap) {
    Report(node, path, absl::StrCat("wants a map such as ", example));
    return false;
  }
  std::set<absl::string_view> seen;
  for (const YamlNode& key : node.keys) {
    if (!IsName(key.text)) {
      Report(key, Join(path, key.text),
             "is no name; a name is a lower-case letter, then letters, digits "
             "and underscores, at most 63 in all");
    } else if (!seen.insert(key.text).second) {
      Report(key, Join(path, key.text), "is declared twice; keep one");
    }
  }
  return true;
}

bool DocumentReader::ReadBool(const YamlNode* node, absl::string_view path) {
  if (node == nullptr) return false;
  if (node->kind == Kind::kScalar && node->plain) {
    if (node->text == "true") return true;
    if (node->text == "false") return false;
  }
  Report(*node, path, "wants true or false");
  return false;
}

FieldValue DocumentReader::ReadValue(const YamlNode& node,
                                     absl::string_view path, FieldType type) {
  absl::StatusOr<FieldValue> value = DecodeYaml(type, node);
  if (value.ok()) return *std::move(value);
  Report(node, path, value.status().message());
  return FieldValue();
}

std::string DocumentReader::NearestField(absl::string_view wrong) const {
  // Comparing costs time that a hostile document could multiply.
  if (violations_.full()) return "";
  return DidYouMean(wrong, {declared_.begin(), declared_.end()});
}

std::vector<std::string> DocumentReader::ReadFieldNames(
    const YamlNode& node, absl::string_view path) {
  std::vector<std::string> names;
  if (node.kind != Kind::kSequence || node.children.empty()) {
    Report(node, path, "wants a list of fields such as [title, body]");
    return names;
  }
  for (size_t i = 0; i < node.children.size(); ++i) {
    const YamlNode& element = node.children[i];
    if (element.kind != Kind::kScalar) {
      Report(element, At(path, i), "wants the name of a field");
    } else if (!declared_.count(element.text)) {
      Report(element, At(path, i),
             absl::StrCat("no field \"", CutText(element.text, kShownKeyBytes),
                          "\"", NearestField(element.text)));
    } else if (std::count(names.begin(), names.end(), element.text)) {
      Report(element, At(path, i),
             absl::StrCat("names the field \"", element.text, "\" twice"));
    } else {
      names.push_back(element.text);
    }
  }
  return names;
}

void DocumentReader::ReadCollectionName(const YamlNode& root) {
  const YamlNode* node = root.Find("collection");
  if (node == nullptr) {
    Report(root, "collection", "is missing; name the collection");
    return;
  }
  if (node->kind != Kind::kScalar || !IsName(node->text)) {
    Report(
        *node, "collection",
        "is no name; a name is a lower-case letter, then letters, digits and "
        "underscores, at most 63 in all");
  } else if (absl::StartsWith(node->text, "sqlite_")) {
    Report(*node, "collection", "begins with sqlite_, which SQLite keeps");
  } else {
    spec_.name = node->text;
  }
}

void DocumentReader::ReadFields(const YamlNode& root) {
  const YamlNode* node = root.Find("fields");
  if (node == nullptr) {
    Report(root, "fields", "is missing; declare a field");
    return;
  }
  if (!CheckNames(*node, "fields", "{title: {type: string}}")) return;
  if (node->keys.empty() || node->keys.size() > kMaxFields) {
    Report(*node, "fields",
           absl::StrCat("declares ", node->keys.size(), " fields; 1 to ",
                        kMaxFields, " are allowed"));
    return;
  }
  for (const YamlNode& key : node->keys) declared_.insert(key.text);
  for (size_t i = 0; i < node->keys.size(); ++i) {
    ReadField(node->keys[i], node->children[i]);
  }
}

void DocumentReader::ReadField(const YamlNode& key, const YamlNode& node) {
  const std::string path = Join("fields", key.text);
  if (key.text == "id") {
    Report(key, path, "every record has an id already; choose another name");
  }
  if (!CheckAttributes(node, path, kFieldAttributes)) return;
  const YamlNode* type = node.Find("type");
  std::vector<absl::string_view> names;
  for (const FieldType known : kTypes) names.push_back(FieldTypeName(known));
  if (type == nullptr) {
    Report(node, Join(path, "type"),
           absl::StrCat("is missing; one of ", absl::StrJoin(names, ", ")));
    return;
  }
  for (const FieldType known : kTypes) {
    if (type->kind != Kind::kScalar || type->text != FieldTypeName(known))
      continue;
    FieldSpec field;
    field.name = key.text;
    field.type = known;
    ReadRules(node, path, field);
    spec_.fields.push_back(std::move(field));
    return;
  }
  Report(*type, Join(path, "type"),
         absl::StrCat("is no type; known: ", absl::StrJoin(names, ", "),
                      DidYouMean(type->text, names)));
}

void DocumentReader::ReadRules(const YamlNode& node, absl::string_view path,
                               FieldSpec& field) {
  // The attribute, if it is given and goes with the type.
  const auto find = [&](absl::string_view name, bool fits) -> const YamlNode* {
    const YamlNode* attribute = node.Find(name);
    if (attribute == nullptr || fits) return attribute;
    Report(*attribute, Join(path, name),
           absl::StrCat("does not go with the type ", FieldTypeName(field.type),
                        "; remove it"));
    return nullptr;
  };
  field.required = ReadBool(node.Find("required"), Join(path, "required"));
  field.indexed =
      ReadBool(find("index", IsKey(field.type)), Join(path, "index"));
  field.unique =
      ReadBool(find("unique", IsKey(field.type)), Join(path, "unique"));
  if (const auto* choices = find("one_of", HasChoices(field.type))) {
    ReadChoices(*choices, Join(path, "one_of"), field);
  }
  if (const auto* min = find("min", IsOrdered(field.type))) {
    field.min = ReadValue(*min, Join(path, "min"), field.type);
  }
  if (const auto* max = find("max", IsOrdered(field.type))) {
    field.max = ReadValue(*max, Join(path, "max"), field.type);
    if (field.min.index() != 0 && field.max.index() != 0 &&
        field.max < field.min) {
      Report(*max, Join(path, "max"), "is less than min");
    }
  }
  if (const auto* length = find("max_length", HasLength(field.type))) {
    ReadMaxLength(*length, Join(path, "max_length"), field);
  }
  if (const YamlNode* value = node.Find("default")) {
    const std::string value_path = Join(path, "default");
    field.default_value = ReadValue(*value, value_path, field.type);
    const absl::Status status = field.default_value.index() == 0
                                    ? absl::OkStatus()
                                    : CheckValue(field, field.default_value);
    if (!status.ok()) Report(*value, value_path, status.message());
  }
}

void DocumentReader::ReadChoices(const YamlNode& node, absl::string_view path,
                                 FieldSpec& field) {
  const size_t count = node.children.size();
  if (node.kind != Kind::kSequence || count == 0 || count > kMaxChoices) {
    Report(node, path,
           absl::StrCat("wants a list of 1 to ", kMaxChoices, " values"));
    return;
  }
  const FieldType type =
      field.type == FieldType::kStrings ? FieldType::kString : field.type;
  for (size_t i = 0; i < count; ++i) {
    FieldValue value = ReadValue(node.children[i], At(path, i), type);
    if (value.index() == 0) continue;
    const auto& seen = field.one_of;
    if (std::find(seen.begin(), seen.end(), value) != seen.end()) {
      Report(node.children[i], At(path, i), "is given twice; keep one");
    } else {
      field.one_of.push_back(std::move(value));
    }
  }
  std::sort(field.one_of.begin(), field.one_of.end());
}

void DocumentReader::ReadMaxLength(const YamlNode& node, absl::string_view path,
                                   FieldSpec& field) {
  absl::StatusOr<FieldValue> value = DecodeYaml(FieldType::kInt, node);
  const int64_t* length = value.ok() ? std::get_if<int64_t>(&*value) : nullptr;
  if (length == nullptr || *length < 1) {
    Report(node, path, "wants a whole number from 1 up");
  } else {
    field.max_length = *length;
  }
}

void DocumentReader::ReadUniqueKeys(const YamlNode& root) {
  const YamlNode* node = root.Find("unique");
  if (node == nullptr) return;
  if (node->kind != Kind::kSequence) {
    Report(*node, "unique", "wants a list of keys such as [[title, author]]");
    return;
  }
  for (size_t i = 0; i < node->children.size(); ++i) {
    ReadUniqueKey(node->children[i], At("unique", i));
  }
  std::sort(spec_.unique.begin(), spec_.unique.end());
}

void DocumentReader::ReadUniqueKey(const YamlNode& node,
                                   absl::string_view path) {
  const int mistakes_before = mistakes_;
  std::vector<std::string> key = ReadFieldNames(node, path);
  if (mistakes_ != mistakes_before) return;
  for (size_t i = 0; i < key.size(); ++i) {
    const FieldSpec* field = spec_.FindField(key[i]);
    if (field == nullptr || IsKey(field->type)) continue;
    Report(node.children[i], At(path, i),
           absl::StrCat("the type ", FieldTypeName(field->type),
                        " cannot be part of a unique key"));
  }
  // Uniqueness does not depend on the order; one form for each key.
  std::sort(key.begin(), key.end());
  const auto is_key = [&](const FieldSpec& field) {
    return key.size() == 1 && field.name == key[0];
  };
  const auto single =
      std::find_if(spec_.fields.begin(), spec_.fields.end(), is_key);
  const bool is_single = single != spec_.fields.end();
  if (is_single
          ? single->unique
          : std::count(spec_.unique.begin(), spec_.unique.end(), key) > 0) {
    Report(node, path, "declares a unique key twice; keep one");
  } else if (is_single) {
    single->unique = true;
  } else if (key.size() > 1) {
    spec_.unique.push_back(std::move(key));
  }
}

void DocumentReader::ReadVectors(const YamlNode& root) {
  const YamlNode* node = root.Find("vectors");
  if (node == nullptr) return;
  if (!CheckNames(*node, "vectors", "{body: {source: [title, body]}}")) return;
  if (node->keys.size() > kMaxVectorFields) {
    Report(
        *node, "vectors",
        absl::StrCat("declares ", node->keys.size(), " vector fields; at most ",
                     kMaxVectorFields, " are allowed"));
    return;
  }
  for (size_t i = 0; i < node->keys.size(); ++i) {
    ReadVector(node->keys[i], node->children[i]);
  }
  std::sort(spec_.vectors.begin(), spec_.vectors.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
}

void DocumentReader::ReadVector(const YamlNode& key, const YamlNode& node) {
  const std::string path = Join("vectors", key.text);
  if (!CheckAttributes(node, path, kVectorAttributes)) return;
  VectorFieldSpec vector;
  vector.name = key.text;
  const YamlNode* source = node.Find("source");
  if (source == nullptr) {
    Report(node, Join(path, "source"),
           "is missing; list the fields whose text is embedded");
  } else {
    const std::string source_path = Join(path, "source");
    vector.source = ReadFieldNames(*source, source_path);
    for (const std::string& name : vector.source) {
      const FieldSpec* field = spec_.FindField(name);
      if (field == nullptr || field->type == FieldType::kString ||
          field->type == FieldType::kText) {
        continue;
      }
      Report(*source, source_path,
             absl::StrCat("the field \"", name, "\" is of type ",
                          FieldTypeName(field->type),
                          "; only string and text are embedded"));
    }
  }
  if (const YamlNode* model = node.Find("model")) {
    if (model->kind != Kind::kScalar || model->text.empty() ||
        model->text.size() > kMaxModelLength) {
      Report(
          *model, Join(path, "model"),
          "wants default or a model's name such as builtin/static-minilm-256");
    } else {
      vector.model = model->text;
    }
  }
  ReadMetric(node, path, vector);
  spec_.vectors.push_back(std::move(vector));
}

void DocumentReader::ReadMetric(const YamlNode& node, absl::string_view path,
                                VectorFieldSpec& vector) {
  const YamlNode* metric = node.Find("metric");
  if (metric == nullptr) return;
  std::vector<absl::string_view> names;
  for (const Metric known : kMetrics) {
    names.push_back(MetricName(known));
    if (metric->kind != Kind::kScalar || metric->text != names.back()) continue;
    vector.metric = known;
    return;
  }
  Report(*metric, Join(path, "metric"),
         absl::StrCat("is no metric; known: ", absl::StrJoin(names, ", ")));
}

std::optional<CollectionSpec> DocumentReader::Read(absl::string_view yaml) {
  if (yaml.size() > kMaxDocumentBytes) {
    Report(YamlMark(), "",
           absl::StrCat("has ", yaml.size(), " bytes; at most ",
                        kMaxDocumentBytes, " are allowed"));
    return std::nullopt;
  }
  std::variant<YamlNode, YamlProblem> document = ReadYaml(yaml);
  if (const auto* problem = std::get_if<YamlProblem>(&document)) {
    Report(problem->mark, "", problem->message);
    return std::nullopt;
  }
  const YamlNode& root = std::get<YamlNode>(document);
  if (!CheckAttributes(root, "", kCollectionAttributes)) return std::nullopt;
  ReadCollectionName(root);
  // Keys and vectors refer to the fields, so these come first wherever they
  // stand in the document.
  ReadFields(root);
  ReadUniqueKeys(root);
  ReadVectors(root);
  if (mistakes_ > 0) return std::nullopt;
  return std::move(spec_);
}

}  // namespace

std::optional<CollectionSpec> ParseCollection(absl::string_view document_name,
                                              absl::string_view yaml,
                                              absl::string_view path,
                                              FieldViolations& violations) {
  return DocumentReader(document_name, path, violations).Read(yaml);
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
