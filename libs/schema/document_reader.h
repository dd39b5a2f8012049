// What the readers of a schema document's parts share: where they report to,
// and the kinds of value that attributes take.

#ifndef ENGRAM_LIBS_SCHEMA_DOCUMENT_READER_H_
#define ENGRAM_LIBS_SCHEMA_DOCUMENT_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/filter/filter.h"
#include "libs/schema/collection_spec.h"
#include "libs/schema/yaml_tree.h"
#include "libs/status/errors.h"

namespace engram::schema {

// The words that an attribute takes, in the order of messages.
using Words = absl::Span<const absl::string_view>;

// `path`, a dot and `name`; a hostile name is cut.
std::string JoinPath(absl::string_view path, absl::string_view name);
// `path[index]`.
std::string PathAt(absl::string_view path, size_t index);

// Whether collections and fields may have this name.
bool IsName(absl::string_view text);

// `text` in double quotes, cut to what a message should hold.
std::string QuoteName(absl::string_view text);

// What the expression of an attribute may use beside the collection's fields.
struct ExpressionRules {
  bool now = false;
  // Json paths and HAS, which no SQL without parameters can say.
  bool lookups = false;
  // `id`, `_version` and their like.
  bool system = false;
  // Fields that are generated.
  bool generated = true;
};

// One document while it is read: gathers its mistakes and goes on. The parts'
// readers fill `spec`.
class DocumentReader {
 public:
  DocumentReader(absl::string_view document_name, absl::string_view path,
                 FieldViolations& violations);

  void Report(const YamlMark& mark, absl::string_view path,
              absl::string_view problem);
  void Report(const YamlNode& node, absl::string_view path,
              absl::string_view problem) {
    Report(node.mark, path, problem);
  }
  int mistakes() const { return mistakes_; }

  // Reports unless `node` is a map whose keys are `known`, each once; says
  // whether it is a map.
  bool CheckAttributes(const YamlNode& node, absl::string_view path,
                       Words known);
  // Reports unless `node` is a map, without a key twice, whose keys are names;
  // says whether it is a map.
  bool CheckNames(const YamlNode& node, absl::string_view path,
                  absl::string_view example);
  // Reports unless `node` is a list of at most `most` elements. `what` is what
  // the attribute wants.
  bool CheckList(const YamlNode& node, absl::string_view path,
                 absl::string_view what, size_t most);

  // The readers of single values report what is wrong and return nothing, or
  // what the comment says.

  // False if it is wrong; `node` is null if the attribute is not given.
  bool ReadBool(const YamlNode* node, absl::string_view path);
  // `monostate` if it is wrong.
  FieldValue ReadValue(const YamlNode& node, absl::string_view path,
                       FieldType type);
  std::optional<int64_t> ReadInt(const YamlNode& node, absl::string_view path,
                                 int64_t least, int64_t most);
  // A number above 0.
  std::optional<double> ReadWeight(const YamlNode& node,
                                   absl::string_view path);
  // `90d`, `1h 30m`; above 0, at most 100 years.
  std::optional<absl::Duration> ReadDuration(const YamlNode& node,
                                             absl::string_view path);
  // Text that is not empty. `what` is what the attribute wants.
  std::optional<std::string> ReadText(const YamlNode& node,
                                      absl::string_view path,
                                      absl::string_view what);
  std::optional<std::string> ReadName(const YamlNode& node,
                                      absl::string_view path);
  // The place of one of `words`.
  std::optional<size_t> ReadWord(const YamlNode& node, absl::string_view path,
                                 Words words);

  // The name of a declared field. The field itself may be faulty, so that
  // spec.FindField does not find it: its mistake is reported already.
  std::optional<std::string> ReadFieldName(const YamlNode& node,
                                           absl::string_view path);
  // The problem of a name that no field has, with the one probably meant.
  std::string NoSuchField(absl::string_view name) const;
  // A list of such names; those that are wrong, or there twice, are left out.
  std::vector<std::string> ReadFieldNames(const YamlNode& node,
                                          absl::string_view path,
                                          absl::string_view example);

  // A filter over the collection's fields, which must be read already. Returns
  // the text; reports what does not parse and what `rules` do not allow.
  std::optional<std::string> ReadFilter(const YamlNode& node,
                                        absl::string_view path,
                                        const ExpressionRules& rules);
  // The same for an expression whose value a field of `type` can hold, in
  // `scope`.
  std::optional<std::string> ReadExpression(const YamlNode& node,
                                            absl::string_view path,
                                            const filter::Scope& scope,
                                            FieldType type,
                                            const ExpressionRules& rules);
  // Whether `text`, which an attribute makes of `node`, is such an expression.
  bool CheckExpression(const YamlNode& node, absl::string_view path,
                       absl::string_view text, const filter::Scope& scope,
                       FieldType type, const ExpressionRules& rules);

  CollectionSpec spec;
  // Every name declared in `fields`, the faulty ones included, so that one
  // mistake does not show up a second time where the field is used.
  std::set<std::string, std::less<>> declared;

 private:
  // Whether expressions can be typed, as every declared field is in `spec`, and
  // are worth it: looking for the names that were probably meant costs time
  // that a hostile document could multiply.
  bool can_check_expressions() const {
    return spec.fields.size() == declared.size() && !violations_.full();
  }
  bool CheckRules(const YamlNode& node, absl::string_view path,
                  const absl::StatusOr<filter::Node>& parsed,
                  const ExpressionRules& rules);
  const std::string document_name_;
  const std::string root_path_;
  FieldViolations& violations_;
  int mistakes_ = 0;
};

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_DOCUMENT_READER_H_
