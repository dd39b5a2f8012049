// How long records live, what is kept of them, and what reading them changes.

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/schema/attribute_readers.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/field_reader.h"
#include "libs/schema/record_scope.h"

namespace engram::schema {
namespace {

using Kind = YamlNode::Kind;

constexpr absl::string_view kExpireAttributes[] = {"after", "field", "sliding"};
constexpr absl::string_view kSoftDeleteAttributes[] = {"keep"};
constexpr absl::string_view kHistoryAttributes[] = {"keep", "versions"};
constexpr absl::string_view kTouchAttributes[] = {"on", "set"};
constexpr absl::string_view kTouchReads[] = {"get", "query"};
constexpr int64_t kMaxVersions = 1'000'000;

// Reads an attribute that is `true`, or a map of details; says whether it is
// on.
bool ReadSwitch(const YamlNode& node, absl::string_view path, Words known,
                DocumentReader& document) {
  if (node.kind == Kind::kMap) {
    return document.CheckAttributes(node, path, known);
  }
  return document.ReadBool(&node, path);
}

void ReadKeep(const YamlNode& node, absl::string_view path,
              absl::Duration& keep, DocumentReader& document) {
  const YamlNode* given = node.Find("keep");
  if (given == nullptr) return;
  keep = document.ReadDuration(*given, JoinPath(path, "keep")).value_or(keep);
}

void CheckExpireField(const YamlNode& node, const std::string& name,
                      DocumentReader& document) {
  const FieldSpec* field = document.spec.FindField(name);
  if (field == nullptr) return;
  if (field->type != FieldType::kTimestamp) {
    document.Report(node, "expire.field",
                    absl::StrCat("is of type ", FieldTypeName(field->type),
                                 "; only a timestamp says when"));
  }
}

// Why reading a record cannot set the field; empty if it can.
std::string WhyUntouchable(const FieldSpec& field, const CollectionSpec& spec) {
  const absl::string_view computed = WhyComputed(field);
  if (!computed.empty()) return std::string(computed);
  if (field.immutable) return "is immutable";
  if (field.unique) return "is unique";
  if (field.type == FieldType::kRef) return "is a ref";
  if (field.type == FieldType::kStrings && field.indexed) {
    return "is a list with an index";
  }
  const auto has_field = [&](const auto& columns) {
    return std::any_of(columns.begin(), columns.end(), [&](const auto& column) {
      return column.field == field.name;
    });
  };
  for (const std::vector<std::string>& key : spec.unique) {
    if (std::count(key.begin(), key.end(), field.name)) {
      return "is part of a unique key";
    }
  }
  if (spec.full_text.has_value() && has_field(spec.full_text->columns)) {
    return "is searched for words";
  }
  for (const VectorFieldSpec& vector : spec.vectors) {
    if (std::count(vector.source.begin(), vector.source.end(), field.name)) {
      return "is embedded";
    }
  }
  if (spec.expire.has_value() && spec.expire->field == field.name) {
    return "says when the record expires (use expire: {after, sliding: true})";
  }
  for (const RollupSpec& rollup : spec.rollups) {
    if (std::any_of(rollup.set.begin(), rollup.set.end(),
                    [&](const auto& set) { return set.of == field.name; })) {
      return "is rolled up";
    }
  }
  return "";
}

void ReadTouchOn(const YamlNode& node, TouchSpec& touch,
                 DocumentReader& document) {
  const YamlNode* on = node.Find("on");
  if (on == nullptr) {
    document.Report(node, "touch.on", "is missing; one of get, query");
    return;
  }
  const auto read_one = [&](const YamlNode& word, const std::string& path) {
    const auto read = document.ReadWord(word, path, kTouchReads);
    if (read == size_t{0}) touch.on_get = true;
    if (read == size_t{1}) touch.on_query = true;
  };
  if (on->kind != Kind::kSequence) {
    read_one(*on, "touch.on");
    return;
  }
  if (on->children.empty()) {
    document.Report(*on, "touch.on", "is empty; one of get, query");
  }
  for (size_t i = 0; i < on->children.size(); ++i) {
    read_one(on->children[i], PathAt("touch.on", i));
  }
}

void ReadTouchSet(const YamlNode& key, const YamlNode& node, TouchSpec& touch,
                  DocumentReader& document) {
  const std::string path = JoinPath("touch.set", key.text);
  if (!document.ReadFieldName(key, path).has_value()) return;
  const FieldSpec* field = document.spec.FindField(key.text);
  if (field == nullptr) return;
  const std::string why = WhyUntouchable(*field, document.spec);
  if (!why.empty()) {
    document.Report(key, path, absl::StrCat(why, "; reading cannot change it"));
    return;
  }
  auto text = document.ReadText(node, path,
                                "an expression such as \"+1\", now or "
                                "\"min(score + 0.05, 1)\"");
  if (!text.has_value()) return;
  if ((*text)[0] == '+') {
    text = absl::StrCat(field->name, " + ", text->substr(1));
  }
  const RecordScope scope(document.spec);
  if (!document.CheckExpression(
          node, path, *text, scope, field->type,
          {.now = true, .lookups = true, .system = true})) {
    return;
  }
  touch.set.push_back({field->name, *std::move(text)});
}

}  // namespace

void ReadExpire(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("expire");
  if (node == nullptr) return;
  if (!document.CheckAttributes(*node, "expire", kExpireAttributes)) return;
  const YamlNode* field = node->Find("field");
  const YamlNode* after = node->Find("after");
  const YamlNode* sliding = node->Find("sliding");
  if ((field == nullptr) == (after == nullptr)) {
    document.Report(*node, "expire",
                    "wants either field, a timestamp that says when, or after, "
                    "a duration such as 90d");
    return;
  }
  ExpireSpec expire;
  expire.sliding = document.ReadBool(sliding, "expire.sliding");
  if (field != nullptr) {
    if (expire.sliding) {
      document.Report(*sliding, "expire.sliding",
                      "goes with after only; remove it");
    }
    const auto name = document.ReadFieldName(*field, "expire.field");
    if (!name.has_value()) return;
    CheckExpireField(*field, *name, document);
    expire.field = *name;
  } else {
    expire.after = document.ReadDuration(*after, "expire.after")
                       .value_or(absl::ZeroDuration());
  }
  document.spec.expire = std::move(expire);
}

void ReadSoftDelete(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("soft_delete");
  if (node == nullptr ||
      !ReadSwitch(*node, "soft_delete", kSoftDeleteAttributes, document)) {
    return;
  }
  SoftDeleteSpec soft_delete;
  ReadKeep(*node, "soft_delete", soft_delete.keep, document);
  document.spec.soft_delete = soft_delete;
}

void ReadHistory(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("history");
  if (node == nullptr ||
      !ReadSwitch(*node, "history", kHistoryAttributes, document)) {
    return;
  }
  HistorySpec history;
  ReadKeep(*node, "history", history.keep, document);
  if (const YamlNode* versions = node->Find("versions")) {
    history.versions = static_cast<int>(
        document.ReadInt(*versions, "history.versions", 1, kMaxVersions)
            .value_or(history.versions));
  }
  document.spec.history = history;
}

void ReadTouch(const YamlNode& root, DocumentReader& document) {
  const YamlNode* node = root.Find("touch");
  if (node == nullptr) return;
  if (!document.CheckAttributes(*node, "touch", kTouchAttributes)) return;
  TouchSpec touch;
  ReadTouchOn(*node, touch, document);
  const YamlNode* set = node->Find("set");
  if (set == nullptr || set->kind != Kind::kMap || set->keys.empty() ||
      set->keys.size() > kMaxTouched) {
    document.Report(set == nullptr ? *node : *set, "touch.set",
                    "wants a map of 1 to 32 fields such as {hits: \"+1\", "
                    "used_at: now}");
    return;
  }
  std::set<absl::string_view> seen;
  for (size_t i = 0; i < set->keys.size(); ++i) {
    if (!seen.insert(set->keys[i].text).second) {
      document.Report(set->keys[i], JoinPath("touch.set", set->keys[i].text),
                      "is given twice; keep one");
      continue;
    }
    ReadTouchSet(set->keys[i], set->children[i], touch, document);
  }
  // The order of setting has no meaning: all see the record as it was.
  std::sort(touch.set.begin(), touch.set.end(),
            [](const auto& a, const auto& b) { return a.field < b.field; });
  document.spec.touch = std::move(touch);
}

}  // namespace engram::schema
