#include "libs/schema/field_reader.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/nearest_name.h"
#include "libs/schema/record_scope.h"

namespace engram::schema {
namespace {

using Kind = YamlNode::Kind;

constexpr absl::string_view kFieldAttributes[] = {
    "collate",   "default",   "extract",    "generated", "immutable",
    "index",     "max",       "max_length", "merge",     "min",
    "on_delete", "on_update", "one_of",     "pattern",   "renamed_from",
    "render",    "required",  "type",       "unique"};
constexpr FieldType kTypes[] = {
    FieldType::kString, FieldType::kText,  FieldType::kInt,
    FieldType::kDouble, FieldType::kBool,  FieldType::kTimestamp,
    FieldType::kJson,   FieldType::kBytes, FieldType::kStrings};
constexpr absl::string_view kRefType = "ref(collection)";
constexpr size_t kMaxChoices = 1000;
constexpr int64_t kMaxLength = int64_t{1} << 30;

// In the order of Merge, without kExpression.
constexpr absl::string_view kMergeRules[] = {"replace", "keep",   "add",  "max",
                                             "min",     "append", "union"};
// In the order of OnDelete.
constexpr absl::string_view kOnDelete[] = {"restrict", "cascade", "set_null"};

bool IsNumber(FieldType type) {
  return type == FieldType::kInt || type == FieldType::kDouble;
}

// Types whose values have an order that bounds can use.
bool IsOrdered(FieldType type) {
  return IsNumber(type) || type == FieldType::kTimestamp;
}

bool HasLength(FieldType type) {
  return IsTextType(type) || type == FieldType::kBytes ||
         type == FieldType::kStrings;
}

bool HasChoices(FieldType type) {
  return IsTextType(type) || type == FieldType::kInt ||
         type == FieldType::kStrings;
}

bool HasPattern(FieldType type) {
  return IsTextType(type) || type == FieldType::kStrings;
}

// What an expression can compute.
bool IsComputable(FieldType type) {
  return IsTextType(type) || IsOrdered(type) || type == FieldType::kBool;
}

bool FitsMerge(Merge rule, FieldType type) {
  switch (rule) {
    case Merge::kReplace:
    case Merge::kKeep:
      return true;
    case Merge::kAdd:
      return IsNumber(type);
    case Merge::kMax:
    case Merge::kMin:
      return IsOrdered(type) || type == FieldType::kString;
    case Merge::kAppend:
    case Merge::kUnion:
      return type == FieldType::kStrings;
    case Merge::kExpression:
      return IsComputable(type);
  }
  return false;
}

std::vector<absl::string_view> TypeNames() {
  std::vector<absl::string_view> names;
  for (const FieldType type : kTypes) names.push_back(FieldTypeName(type));
  names.push_back(kRefType);
  return names;
}

// Whether the filter language takes `text` for a path into a json field.
bool IsJsonPath(absl::string_view text, const CollectionSpec& spec) {
  const auto parsed =
      filter::ParseFilter(absl::StrCat("EXISTS ", text), RecordScope(spec), {});
  return parsed.ok() && parsed->op == filter::Operator::kExists &&
         !parsed->operands.empty() && !parsed->operands[0].path.empty();
}

// Reads one field's attributes.
class FieldReader {
 public:
  FieldReader(const YamlNode& node, std::string path, FieldSpec& field,
              DocumentReader& document)
      : node_(node),
        path_(std::move(path)),
        field_(field),
        document_(document) {}

  // All but what the expressions of the field say, as these use other fields.
  void ReadRules(Merge default_merge);
  void ReadExpressions();

 private:
  std::string PathOf(absl::string_view name) const {
    return JoinPath(path_, name);
  }
  std::string TextOf(absl::string_view name) const {
    const YamlNode* attribute = node_.Find(name);
    return attribute == nullptr ? "" : attribute->text;
  }
  // The attribute, if it is given and goes with the type.
  const YamlNode* Find(absl::string_view name, bool fits);
  void Refuse(const YamlNode& attribute, absl::string_view name,
              absl::string_view problem) {
    document_.Report(attribute, PathOf(name), problem);
  }
  // Reads an attribute that takes one word; says whether it is there.
  bool ReadFlag(absl::string_view name, absl::string_view word, bool fits);

  void ReadConstraints();
  void ReadChoices();
  void ReadBounds();
  void ReadPattern();
  void ReadDefault();
  void ReadOnDelete();
  void ReadMerge(Merge default_merge);
  void ReadRenamedFrom();
  void CheckComputed(absl::string_view name,
                     const std::vector<absl::string_view>& refused);
  void ReadGenerated();
  void ReadExtract();

  const YamlNode& node_;
  const std::string path_;
  FieldSpec& field_;
  DocumentReader& document_;
};

const YamlNode* FieldReader::Find(absl::string_view name, bool fits) {
  const YamlNode* attribute = node_.Find(name);
  if (attribute == nullptr || fits) return attribute;
  Refuse(*attribute, name,
         absl::StrCat("does not go with the type ", FieldTypeName(field_.type),
                      "; remove it"));
  return nullptr;
}

bool FieldReader::ReadFlag(absl::string_view name, absl::string_view word,
                           bool fits) {
  const YamlNode* attribute = Find(name, fits);
  return attribute != nullptr &&
         document_.ReadWord(*attribute, PathOf(name), {word}).has_value();
}

void FieldReader::ReadRules(Merge default_merge) {
  ReadConstraints();
  ReadChoices();
  ReadBounds();
  ReadPattern();
  ReadDefault();
  ReadOnDelete();
  ReadMerge(default_merge);
  ReadRenamedFrom();
}

void FieldReader::ReadConstraints() {
  const FieldType type = field_.type;
  field_.required =
      document_.ReadBool(node_.Find("required"), PathOf("required"));
  field_.indexed = document_.ReadBool(Find("index", type != FieldType::kJson),
                                      PathOf("index"));
  field_.unique =
      document_.ReadBool(Find("unique", IsKeyType(type)), PathOf("unique"));
  field_.immutable =
      document_.ReadBool(node_.Find("immutable"), PathOf("immutable"));
  field_.nocase = ReadFlag("collate", "nocase", IsTextType(type));
  field_.render_string = ReadFlag("render", "string", type == FieldType::kInt);
  // ReadExpressions checks them, once it is known which fields have them.
  field_.generated = TextOf("generated");
  field_.extract = TextOf("extract");
  field_.on_update_now =
      ReadFlag("on_update", "now", type == FieldType::kTimestamp);
  if (field_.immutable && field_.on_update_now) {
    Refuse(*node_.Find("on_update"), "on_update",
           "changes a field that is immutable; keep one");
  }
}

void FieldReader::ReadChoices() {
  const YamlNode* choices = Find("one_of", HasChoices(field_.type));
  if (choices == nullptr) return;
  const std::string path = PathOf("one_of");
  const size_t count = choices->children.size();
  if (choices->kind != Kind::kSequence || count == 0 || count > kMaxChoices) {
    document_.Report(
        *choices, path,
        absl::StrCat("wants a list of 1 to ", kMaxChoices, " values"));
    return;
  }
  const FieldType type =
      field_.type == FieldType::kStrings ? FieldType::kString : field_.type;
  std::set<FieldValue> values;
  for (size_t i = 0; i < count; ++i) {
    const YamlNode& choice = choices->children[i];
    FieldValue value = document_.ReadValue(choice, PathAt(path, i), type);
    if (value.index() != 0 && !values.insert(std::move(value)).second) {
      document_.Report(choice, PathAt(path, i), "is given twice; keep one");
    }
  }
  field_.one_of.assign(values.begin(), values.end());
}

void FieldReader::ReadBounds() {
  const FieldType type = field_.type;
  if (const auto* min = Find("min", IsOrdered(type))) {
    field_.min = document_.ReadValue(*min, PathOf("min"), type);
  }
  if (const auto* max = Find("max", IsOrdered(type))) {
    field_.max = document_.ReadValue(*max, PathOf("max"), type);
    if (field_.min.index() != 0 && field_.max.index() != 0 &&
        field_.max < field_.min) {
      Refuse(*max, "max", "is less than min");
    }
  }
  if (const auto* length = Find("max_length", HasLength(type))) {
    field_.max_length =
        document_.ReadInt(*length, PathOf("max_length"), 1, kMaxLength);
  }
}

void FieldReader::ReadPattern() {
  const YamlNode* node = Find("pattern", HasPattern(field_.type));
  if (node == nullptr) return;
  const auto pattern = document_.ReadText(*node, PathOf("pattern"),
                                          "an RE2 pattern such as '[a-z]+'");
  if (!pattern.has_value()) return;
  const absl::Status status = ValidatePattern(*pattern);
  if (status.ok()) {
    field_.pattern = *pattern;
  } else {
    Refuse(*node, "pattern", status.message());
  }
}

void FieldReader::ReadDefault() {
  const YamlNode* node = node_.Find("default");
  if (node == nullptr) return;
  if (field_.type == FieldType::kTimestamp && node->text == "now") {
    field_.default_now = true;
    return;
  }
  const std::string path = PathOf("default");
  field_.default_value = document_.ReadValue(*node, path, field_.type);
  if (field_.default_value.index() == 0) return;
  const absl::Status status = CheckValue(field_, field_.default_value);
  if (!status.ok()) document_.Report(*node, path, status.message());
}

void FieldReader::ReadOnDelete() {
  const YamlNode* node = Find("on_delete", field_.type == FieldType::kRef);
  if (node == nullptr) return;
  const auto word = document_.ReadWord(*node, PathOf("on_delete"), kOnDelete);
  if (!word.has_value()) return;
  field_.on_delete = static_cast<OnDelete>(*word);
  if (field_.on_delete != OnDelete::kSetNull) return;
  if (field_.required || field_.immutable) {
    Refuse(*node, "on_delete",
           absl::StrCat("set_null takes the value of a field that is ",
                        field_.required ? "required" : "immutable",
                        "; choose restrict or cascade"));
  }
}

void FieldReader::ReadMerge(Merge default_merge) {
  const YamlNode* node = node_.Find("merge");
  if (node == nullptr) {
    field_.merge = default_merge;
    return;
  }
  const auto* rule = std::find(std::begin(kMergeRules), std::end(kMergeRules),
                               node->kind == Kind::kScalar ? node->text : "");
  // Anything else is an expression, which ReadExpressions reads.
  field_.merge = static_cast<Merge>(rule - std::begin(kMergeRules));
  if (!FitsMerge(field_.merge, field_.type)) {
    Refuse(*node, "merge",
           absl::StrCat(
               field_.merge == Merge::kExpression ? "an expression" : *rule,
               " does not go with the type ", FieldTypeName(field_.type)));
  } else if (field_.immutable && field_.merge > Merge::kKeep) {
    Refuse(*node, "merge",
           "changes a field that is immutable; only keep and replace do not");
  }
}

void FieldReader::ReadRenamedFrom() {
  const YamlNode* node = node_.Find("renamed_from");
  if (node == nullptr) return;
  const std::string path = PathOf("renamed_from");
  const auto name = document_.ReadName(*node, path);
  if (!name.has_value()) return;
  if (document_.declared.count(*name)) {
    document_.Report(*node, path,
                     absl::StrCat("names ", QuoteName(*name),
                                  ", which is still declared; remove one"));
    return;
  }
  field_.renamed_from = *name;
}

void FieldReader::ReadExpressions() {
  if (field_.merge == Merge::kExpression &&
      FitsMerge(field_.merge, field_.type)) {
    const MergeScope scope(document_.spec);
    field_.merge_expression =
        document_
            .ReadExpression(*node_.Find("merge"), PathOf("merge"), scope,
                            field_.type, {.now = true, .lookups = true})
            .value_or("");
  }
  ReadGenerated();
  ReadExtract();
}

void FieldReader::CheckComputed(absl::string_view name,
                                const std::vector<absl::string_view>& refused) {
  for (const absl::string_view attribute : refused) {
    const YamlNode* node = node_.Find(attribute);
    // `false` says what is so anyway.
    if (node == nullptr || (node->plain && node->text == "false")) continue;
    Refuse(*node, attribute,
           absl::StrCat("does not go with ", name,
                        ", which alone gives the field its value; remove one"));
  }
  // Nothing is sent, so that nothing is merged.
  field_.merge = Merge::kReplace;
}

void FieldReader::ReadGenerated() {
  const YamlNode* node = Find("generated", IsComputable(field_.type));
  if (node == nullptr) return;
  CheckComputed("generated", {"default", "extract", "immutable", "max",
                              "max_length", "merge", "min", "on_update",
                              "one_of", "pattern", "required", "unique"});
  const RecordScope scope(document_.spec);
  document_.ReadExpression(*node, PathOf("generated"), scope, field_.type,
                           {.generated = false});
}

void FieldReader::ReadExtract() {
  const YamlNode* node = Find("extract", IsComputable(field_.type));
  if (node == nullptr) return;
  CheckComputed("extract", {"default", "merge", "on_update"});
  const std::string path = PathOf("extract");
  const auto text = document_.ReadText(
      *node, path, "the path of a json field such as metadata.author");
  if (!text.has_value()) return;
  const std::string source = text->substr(0, text->find('.'));
  const FieldSpec* json = document_.spec.FindField(source);
  if (!document_.declared.count(source)) {
    document_.Report(*node, path, document_.NoSuchField(source));
  } else if (json != nullptr && json->type != FieldType::kJson) {
    document_.Report(*node, path,
                     absl::StrCat("looks into the field ", QuoteName(source),
                                  ", which is no json"));
  } else if (json != nullptr && !IsJsonPath(*text, document_.spec)) {
    document_.Report(*node, path,
                     "is no path; write the json field, a dot, and the keys "
                     "inside it with dots between, as in metadata.author");
  }
}

// The type that a document calls `text`, with a ref's target; nothing if there
// is none.
bool ReadType(absl::string_view text, FieldSpec& field) {
  if (absl::ConsumePrefix(&text, "ref(") && absl::ConsumeSuffix(&text, ")")) {
    field.type = FieldType::kRef;
    field.target = std::string(text);
    return IsName(text);
  }
  for (const FieldType type : kTypes) {
    if (text != FieldTypeName(type)) continue;
    field.type = type;
    return true;
  }
  return false;
}

// Reads a field's name and type; says whether they are good enough to go on.
bool ReadNameAndType(const YamlNode& key, const YamlNode& node,
                     DocumentReader& document, FieldSpec& field) {
  const std::string path = JoinPath("fields", key.text);
  if (key.text == "id") {
    document.Report(key, path,
                    "every record has an id already; choose another name");
  }
  if (!document.CheckAttributes(node, path, kFieldAttributes)) return false;
  field.name = key.text;
  const YamlNode* type = node.Find("type");
  const std::vector<absl::string_view> names = TypeNames();
  if (type == nullptr) {
    document.Report(
        node, JoinPath(path, "type"),
        absl::StrCat("is missing; one of ", absl::StrJoin(names, ", ")));
    return false;
  }
  if (type->kind == Kind::kScalar && ReadType(type->text, field)) return true;
  document.Report(
      *type, JoinPath(path, "type"),
      absl::StrCat("is no type; known: ", absl::StrJoin(names, ", "),
                   DidYouMean(type->text, names)));
  return false;
}

// The rule of fields that name none.
Merge ReadDefaultMerge(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("merge");
  if (node == nullptr) return Merge::kReplace;
  // The others depend on the type.
  const auto word = document.ReadWord(*node, "merge", {"replace", "keep"});
  return word == size_t{1} ? Merge::kKeep : Merge::kReplace;
}

// Reports fields that claim the same earlier name.
void CheckRenames(const std::vector<const YamlNode*>& nodes,
                  DocumentReader& document) {
  std::set<absl::string_view> seen;
  const std::vector<FieldSpec>& fields = document.spec.fields;
  for (size_t i = 0; i < fields.size(); ++i) {
    const std::string& from = fields[i].renamed_from;
    if (from.empty() || seen.insert(from).second) continue;
    document.Report(*nodes[i]->Find("renamed_from"),
                    absl::StrCat("fields.", fields[i].name, ".renamed_from"),
                    absl::StrCat("names ", QuoteName(from),
                                 ", as another field does; keep one"));
  }
}

}  // namespace

bool IsKeyType(FieldType type) {
  return type != FieldType::kJson && type != FieldType::kStrings;
}

bool IsTextType(FieldType type) {
  return type == FieldType::kString || type == FieldType::kText;
}

absl::string_view WhyComputed(const FieldSpec& field) {
  if (!field.generated.empty()) return "is generated";
  if (!field.extract.empty()) return "is extracted from a json field";
  return "";
}

void ReadFields(const YamlNode& root, DocumentReader& document) {
  const Merge default_merge = ReadDefaultMerge(root, document);
  const YamlNode* node = root.Find("fields");
  if (node == nullptr) {
    document.Report(root, "fields", "is missing; declare a field");
    return;
  }
  if (!document.CheckNames(*node, "fields", "{title: {type: string}}")) return;
  if (node->keys.empty() || node->keys.size() > kMaxFields) {
    document.Report(*node, "fields",
                    absl::StrCat("declares ", node->keys.size(),
                                 " fields; 1 to ", kMaxFields, " are allowed"));
    return;
  }
  for (const YamlNode& key : node->keys) document.declared.insert(key.text);
  std::vector<const YamlNode*> nodes;
  std::vector<FieldSpec>& fields = document.spec.fields;
  for (size_t i = 0; i < node->keys.size(); ++i) {
    FieldSpec field;
    if (!ReadNameAndType(node->keys[i], node->children[i], document, field)) {
      continue;
    }
    if (document.spec.FindField(field.name) != nullptr) continue;
    FieldReader(node->children[i], JoinPath("fields", field.name), field,
                document)
        .ReadRules(default_merge);
    fields.push_back(std::move(field));
    nodes.push_back(&node->children[i]);
  }
  CheckRenames(nodes, document);
  // Expressions use fields that may stand below, so these come first.
  for (size_t i = 0; i < fields.size(); ++i) {
    FieldReader(*nodes[i], JoinPath("fields", fields[i].name), fields[i],
                document)
        .ReadExpressions();
  }
}

}  // namespace engram::schema
