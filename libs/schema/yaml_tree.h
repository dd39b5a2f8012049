// A YAML document as a small tree that knows where each part stands. The one
// file that knows yaml-cpp.

#ifndef ENGRAM_LIBS_SCHEMA_YAML_TREE_H_
#define ENGRAM_LIBS_SCHEMA_YAML_TREE_H_

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"

namespace engram::schema {

// A place in a document; both count from 1.
struct YamlMark {
  int line = 1;
  int column = 1;
};

struct YamlNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };

  Kind kind = Kind::kNull;
  YamlMark mark;
  // Of a scalar.
  std::string text;
  // Whether a scalar was written without quotes, so that `true` or `5` may be
  // more than text.
  bool plain = false;
  // Of a sequence: the elements. Of a map: the values, beside `keys`.
  std::vector<YamlNode> children;
  // Of a map: as written, in order; a repeated key is here twice.
  std::vector<YamlNode> keys;

  // The value of a map's key; null if it has none.
  const YamlNode* Find(absl::string_view key) const;
};

// Why a text is not a document that can be read, and where.
struct YamlProblem {
  YamlMark mark;
  std::string message;
};

// Reads the one document of `text`. Refuses, beside malformed YAML, what a
// hostile text could blow up and a schema does not need: anchors, aliases,
// tags, keys that are no scalars, and depth. Throws nothing.
std::variant<YamlNode, YamlProblem> ReadYaml(absl::string_view text);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_YAML_TREE_H_
