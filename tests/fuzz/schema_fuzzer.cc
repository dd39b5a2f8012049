// Reads arbitrary bytes as a schema document. Whatever they are, the reader
// either refuses them with a place for each mistake, or returns a collection
// that holds what later code relies on.

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "libs/filter/filter.h"
#include "libs/schema/collection_parser.h"
#include "libs/schema/record_scope.h"
#include "libs/schema/schema_check.h"
#include "libs/schema/vector_text.h"
#include "tests/fuzz/fuzz_targets.h"

namespace engram::fuzz {
namespace {

using schema::CollectionSpec;
using schema::FieldSpec;
using schema::FieldValue;

void Expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}

// Storage parses the texts of a spec again and takes for granted that it can.
void ExpectExpressionsParse(const CollectionSpec& spec) {
  const schema::RecordScope scope(spec);
  const schema::MergeScope merge_scope(spec);
  const auto is_filter = [&](const std::string& text) {
    return text.empty() || filter::ParseFilter(text, scope, {}).ok();
  };
  for (const FieldSpec& field : spec.fields) {
    Expect(field.generated.empty() ||
               filter::ParseExpression(field.generated, scope, field.type, {})
                   .ok(),
           "a generated field parses");
    Expect(field.merge_expression.empty() ||
               filter::ParseExpression(field.merge_expression, merge_scope,
                                       field.type, {})
                   .ok(),
           "a merge rule parses");
  }
  for (const std::string& check : spec.checks) {
    Expect(!check.empty() && is_filter(check), "a check parses");
  }
  for (const auto& index : spec.indexes) {
    Expect(is_filter(index.where), "an index's condition parses");
  }
  for (const auto& rollup : spec.rollups) {
    Expect(is_filter(rollup.where), "a roll-up's condition parses");
  }
  if (!spec.touch.has_value()) return;
  for (const auto& set : spec.touch->set) {
    const FieldSpec* field = spec.FindField(set.field);
    Expect(field != nullptr &&
               filter::ParseExpression(set.expression, scope, field->type, {})
                   .ok(),
           "a touch parses");
  }
}

void ExpectFieldsExist(const CollectionSpec& spec) {
  const auto exists = [&](const std::string& field) {
    Expect(spec.FindField(field) != nullptr, "a field that is used exists");
  };
  for (const auto& key : spec.UniqueKeys()) {
    for (const int field : key) Expect(field >= 0, "a key's field exists");
  }
  for (const auto& index : spec.indexes) {
    for (const auto& column : index.columns) exists(column.field);
  }
  for (const auto& rollup : spec.rollups) {
    exists(rollup.parent);
    for (const auto& set : rollup.set) {
      if (set.function != schema::RollupSpec::Function::kCount) exists(set.of);
    }
  }
  if (spec.full_text.has_value()) {
    for (const auto& column : spec.full_text->columns) exists(column.field);
  }
  for (const auto& vector : spec.vectors) {
    Expect(vector.supplied == vector.source.empty(), "a vector has a source");
    for (const std::string& field : vector.source) exists(field);
    const std::vector<FieldValue> texts(vector.source.size(), FieldValue("a"));
    Expect(VectorText(spec, vector, texts).has_value() != vector.supplied,
           "a vector field has text");
  }
}

void ExpectWhole(const CollectionSpec& spec) {
  ExpectExpressionsParse(spec);
  ExpectFieldsExist(spec);
  for (const FieldSpec& field : spec.fields) {
    Expect(field.default_value.index() == 0 ||
               schema::CheckValue(field, field.default_value).ok(),
           "a default keeps the field's rules");
  }
  const auto ignore = [](absl::string_view, absl::string_view,
                         absl::string_view) {};
  schema::CheckReferences({&spec}, ignore);
  schema::CheckRenames({&spec}, ignore);
}

}  // namespace

int FuzzSchema(const uint8_t* data, size_t size) {
  const absl::string_view yaml(reinterpret_cast<const char*>(data), size);
  const auto spec = schema::ParseCollection("fuzz.yaml", yaml);
  if (!spec.ok()) {
    Expect(absl::StrContains(spec.status().message(), "fuzz.yaml:"),
           "a mistake has a place");
    return 0;
  }
  const auto again = schema::ParseCollection("fuzz.yaml", yaml);
  Expect(again.ok() && *again == *spec, "a document always means the same");
  ExpectWhole(*spec);
  return 0;
}

}  // namespace engram::fuzz
