#include "libs/schema/yaml_tree.h"

#include <simdjson.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace engram::schema {
namespace {

// Deeper than the schema language goes, except for the default of a json field;
// yaml-cpp recurses with the depth of the text.
constexpr size_t kMaxDepth = 24;

YamlMark MarkOf(const YAML::Mark& mark) {
  return {mark.line + 1, mark.column + 1};
}

// Thrown through yaml-cpp to end its reading; caught in ReadYaml.
struct Refusal {
  YamlProblem problem;
};

[[noreturn]] void Refuse(const YAML::Mark& mark, absl::string_view message) {
  throw Refusal{{MarkOf(mark), std::string(message)}};
}

// Builds the tree from yaml-cpp's events. Its own tree is not used, because it
// expands aliases and is recursive where this can stop.
class TreeBuilder : public YAML::EventHandler {
 public:
  YamlNode Take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (has_document_)
      Refuse(mark, "a second document begins; use one file each");
    has_document_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override {
    Add(MakeNode(YamlNode::Kind::kNull, mark));
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    Refuse(mark, "aliases are not supported; write the value out");
  }
  void OnAnchor(const YAML::Mark& mark, const std::string&) override {
    Refuse(mark, "anchors are not supported; write the value out");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                const std::string& value) override {
    // "?" is a plain scalar, "!" one in quotes or a block.
    if (tag != "?" && tag != "!" && !tag.empty()) RefuseTag(mark);
    YamlNode node = MakeNode(YamlNode::Kind::kScalar, mark);
    node.text = value;
    node.plain = tag == "?";
    Add(std::move(node));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t, YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kSequence, mark, tag);
  }
  void OnSequenceEnd() override { Close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag,
                  YAML::anchor_t, YAML::EmitterStyle::value) override {
    Open(YamlNode::Kind::kMap, mark, tag);
  }
  void OnMapEnd() override { Close(); }

 private:
  static YamlNode MakeNode(YamlNode::Kind kind, const YAML::Mark& mark) {
    YamlNode node;
    node.kind = kind;
    node.mark = MarkOf(mark);
    return node;
  }

  [[noreturn]] static void RefuseTag(const YAML::Mark& mark) {
    Refuse(mark,
           "tags are not supported; the field's type says what a value is");
  }

  void Open(YamlNode::Kind kind, const YAML::Mark& mark,
            const std::string& tag) {
    if (tag != "?" && !tag.empty()) RefuseTag(mark);
    if (open_.size() >= kMaxDepth) {
      Refuse(mark, absl::StrCat("nests deeper than ", kMaxDepth, " levels"));
    }
    if (WantsKey()) RefuseKey(mark);
    open_.push_back(MakeNode(kind, mark));
  }

  void Close() {
    YamlNode node = std::move(open_.back());
    open_.pop_back();
    Add(std::move(node));
  }

  bool WantsKey() const {
    return !open_.empty() && open_.back().kind == YamlNode::Kind::kMap &&
           open_.back().keys.size() == open_.back().children.size();
  }

  [[noreturn]] static void RefuseKey(const YAML::Mark& mark) {
    Refuse(mark, "a key must be a name");
  }

  void Add(YamlNode node) {
    if (open_.empty()) {
      root_ = std::move(node);
    } else if (!WantsKey()) {
      open_.back().children.push_back(std::move(node));
    } else if (node.kind == YamlNode::Kind::kScalar) {
      open_.back().keys.push_back(std::move(node));
    } else {
      throw Refusal{{node.mark, "a key must be a name"}};
    }
  }

  YamlNode root_;
  bool has_document_ = false;
  // From the outermost inwards: what has begun and not ended.
  std::vector<YamlNode> open_;
};

// The place of the first byte that is no valid UTF-8, or a control character
// that YAML does not allow; yaml-cpp would read over both.
std::variant<std::monostate, YamlProblem> CheckCharacters(
    absl::string_view text) {
  YamlMark mark;
  size_t line_begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && text[i] != '\n') {
      const auto c = static_cast<unsigned char>(text[i]);
      if (c >= 0x20 || c == '\t' || c == '\r') continue;
      mark.column = static_cast<int>(i - line_begin) + 1;
      return YamlProblem{mark, "a control character; remove it"};
    }
    if (!simdjson::validate_utf8(text.data() + line_begin, i - line_begin)) {
      return YamlProblem{mark, "the line is not valid UTF-8"};
    }
    ++mark.line;
    line_begin = i + 1;
  }
  return std::monostate();
}

bool IsInside(const YAML::Mark& mark, absl::string_view text) {
  return mark.pos >= 0 && mark.pos < static_cast<int>(text.size());
}

// The place of the last line that holds something, after its end: where a
// reader looks for what is missing.
YamlMark EndOf(absl::string_view text) {
  text = absl::StripTrailingAsciiWhitespace(text);
  const auto lines = std::count(text.begin(), text.end(), '\n');
  const size_t line_begin = text.rfind('\n') + 1;  // npos + 1 is 0.
  return {static_cast<int>(lines) + 1,
          static_cast<int>(text.size() - line_begin) + 1};
}

}  // namespace

const YamlNode* YamlNode::Find(absl::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].text == key) return &children[i];
  }
  return nullptr;
}

std::variant<YamlNode, YamlProblem> ReadYaml(absl::string_view text) {
  auto characters = CheckCharacters(text);
  if (auto* problem = std::get_if<YamlProblem>(&characters)) return *problem;
  // yaml-cpp takes a quote that the text never closes for closed; it does not
  // when a document's end stands inside.
  std::istringstream stream{absl::StrCat(text, "\n...\n")};
  TreeBuilder builder;
  try {
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
  } catch (const Refusal& refusal) {
    return refusal.problem;
  } catch (const YAML::Exception& error) {
    return YamlProblem{
        IsInside(error.mark, text) ? MarkOf(error.mark) : EndOf(text),
        absl::StrCat("malformed YAML: ", error.msg)};
  }
  YamlNode root = builder.Take();
  if (root.kind == YamlNode::Kind::kNull) {
    return YamlProblem{{}, "the document is empty; declare a collection"};
  }
  return root;
}

}  // namespace engram::schema
