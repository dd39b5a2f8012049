// What a collection is declared to be. ParseCollection (collection_parser.h)
// makes it from a YAML document.

#ifndef ENGRAM_LIBS_SCHEMA_COLLECTION_SPEC_H_
#define ENGRAM_LIBS_SCHEMA_COLLECTION_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/schema/field_value.h"

namespace engram::schema {

enum class Metric { kCosine, kDot, kL2 };

// The name that schemas use, such as "cosine".
absl::string_view MetricName(Metric metric);

struct FieldSpec {
  std::string name;
  FieldType type = FieldType::kString;
  // Every record has a value. Combined with a default it means that null is
  // refused.
  bool required = false;
  // What a new record gets that does not send the field; `monostate` is none.
  FieldValue default_value;
  // Has an index of its own. Never with json or strings.
  bool indexed = false;
  // No two records share a value, where no value is a value too. Never with
  // json or strings.
  bool unique = false;
  // The values allowed, sorted; empty allows all. For strings: the elements.
  std::vector<FieldValue> one_of;
  // The bounds, both allowed themselves; `monostate` is none. Only with int,
  // double and timestamp.
  FieldValue min;
  FieldValue max;
  // The most characters of a string or text, bytes of a bytes value, elements
  // of a strings value.
  std::optional<int64_t> max_length;

  friend bool operator==(const FieldSpec&, const FieldSpec&) = default;
};

struct VectorFieldSpec {
  std::string name;
  // The fields whose text is embedded, in this order; each a string or text
  // field of the collection.
  std::vector<std::string> source;
  // `default`, or a model's name.
  std::string model = "default";
  Metric metric = Metric::kCosine;

  friend bool operator==(const VectorFieldSpec&,
                         const VectorFieldSpec&) = default;
};

struct CollectionSpec {
  std::string name;
  // In the order of the document: also the order of the table's columns.
  std::vector<FieldSpec> fields;
  // Keys of several fields, sorted; a key of one field is FieldSpec::unique.
  std::vector<std::vector<std::string>> unique;
  // By name.
  std::vector<VectorFieldSpec> vectors;

  // Null if there is none.
  const FieldSpec* FindField(absl::string_view field) const;
  const VectorFieldSpec* FindVector(absl::string_view vector_field) const;
  // The field's place in `fields`; -1 if there is none.
  int FieldIndex(absl::string_view field) const;
  // Every unique key, those of one field included, as places in `fields`.
  std::vector<std::vector<int>> UniqueKeys() const;

  // Whether both declare the same; the order of the fields does not matter.
  friend bool operator==(const CollectionSpec& a, const CollectionSpec& b);
};

// Checks a value of the field's type against required, one_of, min, max and
// max_length. `InvalidArgument`, its message a clause that follows the field's
// name, such as `is 7; at most 5 is allowed`.
absl::Status CheckValue(const FieldSpec& field, const FieldValue& value);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_COLLECTION_SPEC_H_
