#include "libs/schema/document_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/nearest_name.h"
#include "libs/schema/record_scope.h"
#include "libs/schema/yaml_literal.h"

namespace engram::schema {
namespace {

using Kind = YamlNode::Kind;
using google::protobuf::Struct;

// A name longer than any real one is cut in messages and paths.
constexpr size_t kShownNameBytes = 64;
constexpr absl::string_view kNameRule =
    "is no name; a name is a lower-case letter, then letters, digits and "
    "underscores, at most 63 in all";
constexpr absl::Duration kMaxDuration = absl::Hours(24 * 36500);
constexpr double kMaxWeight = 1000;

bool UsesHas(const filter::Node& node) {
  return node.op == filter::Operator::kHas ||
         std::any_of(node.operands.begin(), node.operands.end(), UsesHas);
}

// Takes a number and its unit, such as `90d`, off the front of `text`.
std::optional<absl::Duration> TakeDuration(absl::string_view& text) {
  static constexpr std::pair<absl::string_view, absl::Duration> kUnits[] = {
      {"d", absl::Hours(24)},
      {"h", absl::Hours(1)},
      {"ms", absl::Milliseconds(1)},
      {"m", absl::Minutes(1)},
      {"s", absl::Seconds(1)}};
  size_t digits = 0;
  while (digits < text.size() && absl::ascii_isdigit(text[digits])) ++digits;
  int64_t count = 0;
  if (!absl::SimpleAtoi(text.substr(0, digits), &count)) return std::nullopt;
  text.remove_prefix(digits);
  size_t letters = 0;
  while (letters < text.size() && absl::ascii_isalpha(text[letters])) ++letters;
  for (const auto& [unit, length] : kUnits) {
    if (text.substr(0, letters) != unit) continue;
    text = absl::StripLeadingAsciiWhitespace(text.substr(letters));
    return length * count;
  }
  return std::nullopt;
}

}  // namespace

std::string JoinPath(absl::string_view path, absl::string_view name) {
  const std::string shown = CutText(name, kShownNameBytes);
  return path.empty() ? shown : absl::StrCat(path, ".", shown);
}

std::string PathAt(absl::string_view path, size_t index) {
  return absl::StrCat(path, "[", index, "]");
}

bool IsName(absl::string_view text) {
  if (text.empty() || text.size() > kMaxNameLength) return false;
  if (!absl::ascii_islower(text[0])) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_';
  });
}

std::string QuoteName(absl::string_view text) {
  return absl::StrCat("\"", CutText(text, kShownNameBytes), "\"");
}

DocumentReader::DocumentReader(absl::string_view document_name,
                               absl::string_view path,
                               FieldViolations& violations)
    : document_name_(document_name.empty() ? "schema" : document_name),
      root_path_(path),
      violations_(violations) {}

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

bool DocumentReader::CheckAttributes(const YamlNode& node,
                                     absl::string_view path, Words known) {
  if (node.kind != Kind::kMap) {
    Report(
        node, path,
        absl::StrCat("wants a map with some of ", absl::StrJoin(known, ", ")));
    return false;
  }
  std::set<absl::string_view> seen;
  for (const YamlNode& key : node.keys) {
    const std::string attribute_path = JoinPath(path, key.text);
    if (!std::count(known.begin(), known.end(), key.text)) {
      const std::string likely =
          violations_.full()
              ? ""
              : DidYouMean(key.text, {known.begin(), known.end()});
      Report(key, attribute_path,
             absl::StrCat("unknown attribute; known: ",
                          absl::StrJoin(known, ", "), likely));
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
      Report(key, JoinPath(path, key.text), kNameRule);
    } else if (!seen.insert(key.text).second) {
      Report(key, JoinPath(path, key.text), "is declared twice; keep one");
    }
  }
  return true;
}

bool DocumentReader::CheckList(const YamlNode& node, absl::string_view path,
                               absl::string_view what, size_t most) {
  if (node.kind != Kind::kSequence) {
    Report(node, path, absl::StrCat("wants ", what));
    return false;
  }
  if (node.children.size() > most) {
    Report(node, path,
           absl::StrCat("has ", node.children.size(), " elements; at most ",
                        most, " are allowed"));
    return false;
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

std::optional<int64_t> DocumentReader::ReadInt(const YamlNode& node,
                                               absl::string_view path,
                                               int64_t least, int64_t most) {
  const absl::StatusOr<FieldValue> value = DecodeYaml(FieldType::kInt, node);
  const int64_t* number = value.ok() ? std::get_if<int64_t>(&*value) : nullptr;
  if (number != nullptr && node.plain && least <= *number && *number <= most) {
    return *number;
  }
  Report(node, path,
         absl::StrCat("wants a whole number from ", least, " to ", most));
  return std::nullopt;
}

std::optional<double> DocumentReader::ReadWeight(const YamlNode& node,
                                                 absl::string_view path) {
  const absl::StatusOr<FieldValue> value = DecodeYaml(FieldType::kDouble, node);
  const double* number = value.ok() ? std::get_if<double>(&*value) : nullptr;
  if (number != nullptr && *number > 0 && *number <= kMaxWeight) {
    return *number;
  }
  Report(node, path, "wants a weight above 0, at most 1000");
  return std::nullopt;
}

std::optional<absl::Duration> DocumentReader::ReadDuration(
    const YamlNode& node, absl::string_view path) {
  absl::Duration total;
  absl::string_view rest = absl::StripAsciiWhitespace(node.text);
  bool valid = node.kind == Kind::kScalar && !rest.empty();
  while (valid && !rest.empty()) {
    const std::optional<absl::Duration> part = TakeDuration(rest);
    valid = part.has_value();
    if (valid) total += *part;
  }
  if (!valid) {
    Report(node, path,
           "wants a duration such as 90d or 1h 30m; units: d, h, m, s, ms");
    return std::nullopt;
  }
  if (total <= absl::ZeroDuration() || total > kMaxDuration) {
    Report(node, path, "wants a duration above 0, at most 36500d");
    return std::nullopt;
  }
  return total;
}

std::optional<std::string> DocumentReader::ReadText(const YamlNode& node,
                                                    absl::string_view path,
                                                    absl::string_view what) {
  if (node.kind == Kind::kScalar &&
      !absl::StripAsciiWhitespace(node.text).empty()) {
    return node.text;
  }
  Report(node, path, absl::StrCat("wants ", what));
  return std::nullopt;
}

std::optional<std::string> DocumentReader::ReadName(const YamlNode& node,
                                                    absl::string_view path) {
  if (node.kind == Kind::kScalar && IsName(node.text)) return node.text;
  Report(node, path, kNameRule);
  return std::nullopt;
}

std::optional<size_t> DocumentReader::ReadWord(const YamlNode& node,
                                               absl::string_view path,
                                               Words words) {
  if (node.kind == Kind::kScalar) {
    const auto* word = std::find(words.begin(), words.end(), node.text);
    if (word != words.end()) return word - words.begin();
  }
  Report(node, path,
         absl::StrCat(words.size() == 1 ? "wants " : "wants one of ",
                      absl::StrJoin(words, ", "),
                      DidYouMean(node.text, {words.begin(), words.end()})));
  return std::nullopt;
}

std::string DocumentReader::NoSuchField(absl::string_view name) const {
  std::string problem = absl::StrCat("no field ", QuoteName(name));
  // Comparing costs time that a hostile document could multiply.
  if (!violations_.full()) {
    absl::StrAppend(&problem,
                    DidYouMean(name, {declared.begin(), declared.end()}));
  }
  return problem;
}

std::optional<std::string> DocumentReader::ReadFieldName(
    const YamlNode& node, absl::string_view path) {
  if (node.kind != Kind::kScalar) {
    Report(node, path, "wants the name of a field");
    return std::nullopt;
  }
  if (declared.count(node.text)) return node.text;
  Report(node, path, NoSuchField(node.text));
  return std::nullopt;
}

std::vector<std::string> DocumentReader::ReadFieldNames(
    const YamlNode& node, absl::string_view path, absl::string_view example) {
  std::vector<std::string> names;
  if (node.kind != Kind::kSequence || node.children.empty()) {
    Report(node, path,
           absl::StrCat("wants a list of fields such as ", example));
    return names;
  }
  for (size_t i = 0; i < node.children.size(); ++i) {
    const YamlNode& element = node.children[i];
    auto name = ReadFieldName(element, PathAt(path, i));
    if (!name.has_value()) continue;
    if (std::count(names.begin(), names.end(), *name)) {
      Report(element, PathAt(path, i),
             absl::StrCat("names the field ", QuoteName(*name), " twice"));
    } else {
      names.push_back(*std::move(name));
    }
  }
  return names;
}

bool DocumentReader::CheckRules(const YamlNode& node, absl::string_view path,
                                const absl::StatusOr<filter::Node>& parsed,
                                const ExpressionRules& rules) {
  const auto refuse = [&](absl::string_view problem) {
    Report(node, path, problem);
    return false;
  };
  if (!parsed.ok()) return refuse(parsed.status().message());
  if (!rules.now && filter::UsesNow(*parsed)) {
    return refuse("uses now, whose result would change with time; remove it");
  }
  if (!rules.lookups && filter::UsesJsonPath(*parsed)) {
    return refuse(
        "looks into a json field; extract the value into a field of its own");
  }
  if (!rules.lookups && UsesHas(*parsed)) {
    return refuse("uses HAS, which is not possible here; remove it");
  }
  for (const int place : filter::PlacesUsed(*parsed)) {
    if (place < 0 && !rules.system) {
      return refuse("may use the collection's fields only, not id or _version");
    }
    const int field = place >= kSentPlace ? place - kSentPlace : place;
    if (field < 0 || spec.fields[field].generated.empty()) continue;
    if (rules.generated && place < kSentPlace) continue;
    return refuse(absl::StrCat("uses the field \"", spec.fields[field].name,
                               "\", which is itself generated"));
  }
  return true;
}

std::optional<std::string> DocumentReader::ReadFilter(
    const YamlNode& node, absl::string_view path,
    const ExpressionRules& rules) {
  std::optional<std::string> text =
      ReadText(node, path, "a filter in quotes such as 'score > 0'");
  if (!text.has_value() || !can_check_expressions()) return text;
  const RecordScope scope(spec);
  if (!CheckRules(node, path, filter::ParseFilter(*text, scope, Struct()),
                  rules)) {
    return std::nullopt;
  }
  return text;
}

std::optional<std::string> DocumentReader::ReadExpression(
    const YamlNode& node, absl::string_view path, const filter::Scope& scope,
    FieldType type, const ExpressionRules& rules) {
  std::optional<std::string> text =
      ReadText(node, path, "an expression in quotes such as 'hits + misses'");
  if (text.has_value() &&
      !CheckExpression(node, path, *text, scope, type, rules)) {
    return std::nullopt;
  }
  return text;
}

bool DocumentReader::CheckExpression(const YamlNode& node,
                                     absl::string_view path,
                                     absl::string_view text,
                                     const filter::Scope& scope, FieldType type,
                                     const ExpressionRules& rules) {
  return !can_check_expressions() ||
         CheckRules(node, path,
                    filter::ParseExpression(text, scope, type, Struct()),
                    rules);
}

}  // namespace engram::schema
