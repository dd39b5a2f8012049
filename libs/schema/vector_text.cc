#include "libs/schema/vector_text.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/struct.pb.h"
#include "libs/schema/nearest_name.h"
#include "libs/status/errors.h"

namespace engram::schema {
namespace {

// As much of a name as a message should hold.
constexpr size_t kShownName = 64;

// The source's text; empty where it holds none.
std::string TextOf(const CollectionSpec& collection, const std::string& source,
                   const FieldValue& value) {
  const auto* text = std::get_if<std::string>(&value);
  if (text == nullptr) return "";
  const FieldSpec* field = collection.FindField(source);
  if (field != nullptr && field->type == FieldType::kStrings) {
    google::protobuf::Value list;
    if (!EncodeValue(field->type, value, &list).ok()) return "";
    return absl::StrJoin(list.list_value().values(), " ",
                         [](std::string* out, const auto& element) {
                           out->append(element.string_value());
                         });
  }
  return absl::StripAsciiWhitespace(*text).empty() ? "" : *text;
}

std::string Joined(const std::vector<std::string>& texts) {
  std::string joined;
  for (const std::string& text : texts) {
    if (text.empty()) continue;
    absl::StrAppend(&joined, joined.empty() ? "" : "\n", text);
  }
  return joined;
}

// Splits a template; names are looked up in `sources`.
class TemplateReader {
 public:
  TemplateReader(absl::string_view text, absl::Span<const std::string> sources)
      : rest_(text), sources_(sources), used_(sources.size()) {}

  absl::StatusOr<TextTemplate> Read() {
    while (!rest_.empty()) {
      const char c = rest_[0];
      const bool doubled = rest_.size() > 1 && rest_[1] == c;
      if (c != '{' && c != '}') {
        Take(rest_.find_first_of("{}"));
      } else if (doubled) {
        rest_.remove_prefix(1);
        Take(1);
      } else if (c == '}') {
        return absl::InvalidArgumentError(
            "closes a brace that is not open; write }} for a brace");
      } else if (absl::Status status = ReadName(); !status.ok()) {
        return status;
      }
    }
    for (size_t i = 0; i < used_.size(); ++i) {
      if (used_[i]) continue;
      return absl::InvalidArgumentError(
          absl::StrCat("does not use the source \"", sources_[i], "\"; write {",
                       sources_[i], "} where it belongs"));
    }
    return std::move(parts_);
  }

 private:
  // Moves the first bytes of the rest to the parts, as they are.
  void Take(size_t bytes) {
    const absl::string_view text = rest_.substr(0, bytes);
    if (parts_.empty() || parts_.back().index() != 0) parts_.emplace_back("");
    absl::StrAppend(&std::get<std::string>(parts_.back()), text);
    rest_.remove_prefix(text.size());
  }

  // Reads `{name}`.
  absl::Status ReadName() {
    const size_t end = rest_.find('}');
    if (end == absl::string_view::npos) {
      return absl::InvalidArgumentError(
          "leaves a brace open; write {{ for a brace");
    }
    const absl::string_view name = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    const auto source = std::find(sources_.begin(), sources_.end(), name);
    if (source == sources_.end()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "names \"", CutText(name, kShownName), "\", which is no source",
          DidYouMean(name, {sources_.begin(), sources_.end()})));
    }
    const auto index = static_cast<int>(source - sources_.begin());
    used_[index] = true;
    parts_.emplace_back(index);
    return absl::OkStatus();
  }

  absl::string_view rest_;
  const absl::Span<const std::string> sources_;
  std::vector<bool> used_;
  TextTemplate parts_;
};

}  // namespace

absl::StatusOr<TextTemplate> ParseTextTemplate(
    absl::string_view text, absl::Span<const std::string> sources) {
  return TemplateReader(text, sources).Read();
}

std::optional<std::string> VectorText(const CollectionSpec& collection,
                                      const VectorFieldSpec& field,
                                      absl::Span<const FieldValue> values) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < field.source.size(); ++i) {
    texts.push_back(TextOf(collection, field.source[i], values[i]));
  }
  std::string joined = Joined(texts);
  if (joined.empty()) return std::nullopt;
  if (field.text_template.empty()) return joined;
  const absl::StatusOr<TextTemplate> parts =
      ParseTextTemplate(field.text_template, field.source);
  // A stored schema of another hand; its texts are still worth a vector.
  if (!parts.ok()) return joined;
  std::string text;
  for (const auto& part : *parts) {
    const int* source = std::get_if<int>(&part);
    absl::StrAppend(&text, source == nullptr ? std::get<std::string>(part)
                                             : texts[*source]);
  }
  return text;
}

}  // namespace engram::schema
