// What a collection is declared to be. ParseCollection (collection_parser.h)
// makes it from a YAML document; docs/storage.md is the language's reference.

#ifndef ENGRAM_LIBS_SCHEMA_COLLECTION_SPEC_H_
#define ENGRAM_LIBS_SCHEMA_COLLECTION_SPEC_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/chunk/chunk_options.h"
#include "libs/schema/field_value.h"

namespace engram::schema {

enum class Metric { kCosine, kDot, kL2 };

// By what search compares the vectors of an index that is too large to scan.
enum class Precision {
  kAuto,     // 8 bits, or 4 where these are measured to find as much
  kFloat32,  // the vectors themselves
  kInt8,     // codes of 8 bits
  kInt4,     // codes of 4 bits
};

// How search finds the nearest vectors.
enum class IndexKind {
  kAuto,  // flat while there are few, hnsw once there are many
  kFlat,  // by comparing with every one
  kHnsw,  // by a graph
};

// What becomes of a record whose ref's target is deleted.
enum class OnDelete {
  kRestrict,  // the delete is refused
  kCascade,   // it is deleted too
  kSetNull,   // the ref loses its value
};

// What an upsert that meets an existing record does to a field that it sends.
enum class Merge {
  kReplace,     // takes what is sent
  kKeep,        // keeps what the record has, unless that is missing
  kAdd,         // the sum; a missing value counts as 0
  kMax,         // the larger
  kMin,         // the smaller
  kAppend,      // strings: what is sent after what is there
  kUnion,       // strings: the same without what is there already
  kExpression,  // FieldSpec::merge_expression
};

// What no value is in a unique key.
enum class Missing {
  kEqual,     // a value like another: one record may be without
  kDistinct,  // no value: the key does not bind a record without
};

struct FieldSpec {
  std::string name;
  FieldType type = FieldType::kString;
  // Every record has a value. Combined with a default it means that null is
  // refused.
  bool required = false;
  // What a new record gets that does not send the field; `monostate` is none.
  FieldValue default_value;
  // The same for a timestamp: the time of the write (`default: now`).
  bool default_now = false;
  // A timestamp that every write which changes the record sets to its own time
  // (`on_update: now`), unless it sends the field.
  bool on_update_now = false;
  // Has an index of its own. Never with json; a strings field's lists every
  // element.
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
  // RE2; the whole value must match, for strings each element. Empty is none.
  std::string pattern;
  // Compares, and is unique, without regard to ASCII case (`collate: nocase`).
  bool nocase = false;
  // An int that answers always carry as a string (`render: string`).
  bool render_string = false;
  // Once it has a value it keeps it; sending the same value is no mistake.
  bool immutable = false;
  Merge merge = Merge::kReplace;
  // An expression over the record's fields as they are and, as `new.<field>`,
  // over those that are sent: `(avg * n + new.avg * new.n) / (n + new.n)`.
  std::string merge_expression;
  // An expression over the record's other fields, computed by SQLite when it is
  // read; nothing can be sent. Empty is none.
  std::string generated;
  // The path of a json field, such as `metadata.author`, that the writer fills
  // this field from; nothing can be sent. Empty is none.
  std::string extract;
  // Of a ref: the collection whose records it names, and what their deletion
  // does.
  std::string target;
  OnDelete on_delete = OnDelete::kRestrict;
  // The name that the field had in an earlier schema; empty is none.
  std::string renamed_from;

  friend bool operator==(const FieldSpec&, const FieldSpec&) = default;
};

// Who has queries answered by new vectors, once there is one for every record.
enum class Cutover {
  // Storage does.
  kAuto,
  // A person does.
  kManual,
};

struct VectorFieldSpec {
  std::string name;
  // The fields whose text is embedded, in this order; each a string, text or
  // strings field of the collection. Empty if `supplied`.
  std::vector<std::string> source;
  // How the sources become one text: `{title}\n{body}`, where a field without a
  // value is nothing; empty joins them by a newline.
  std::string text_template;
  // `default`, or a model's name; empty if `supplied`.
  std::string model = "default";
  // The client brings the vectors, of `dimensions` components.
  bool supplied = false;
  // Required if `supplied`; else 0, or what the model's must be.
  int dimensions = 0;
  Metric metric = Metric::kCosine;
  IndexKind index_kind = IndexKind::kAuto;
  Precision precision = Precision::kAuto;
  // How a text is cut into parts with a vector each; not if `supplied`.
  chunk::Options chunking;
  // Means nothing if `supplied`: there is only ever one set of such vectors.
  Cutover cutover = Cutover::kAuto;

  friend bool operator==(const VectorFieldSpec&,
                         const VectorFieldSpec&) = default;
};

// An index over several fields, or one with a condition or an order.
struct IndexSpec {
  struct Column {
    std::string field;
    bool descending = false;
    friend bool operator==(const Column&, const Column&) = default;
  };
  std::vector<Column> columns;
  // A filter; only records that meet it are listed. Empty lists all.
  std::string where;

  friend bool operator==(const IndexSpec&, const IndexSpec&) = default;
};

struct ExpireSpec {
  // A timestamp field that says when; empty if `after` does.
  std::string field;
  // How long a record lives after its creation or, if `sliding`, after it was
  // last written or touched.
  absl::Duration after = absl::ZeroDuration();
  bool sliding = false;

  friend bool operator==(const ExpireSpec&, const ExpireSpec&) = default;
};

struct SoftDeleteSpec {
  // How long a deleted record can be restored; infinite by default.
  absl::Duration keep = absl::InfiniteDuration();
  friend bool operator==(const SoftDeleteSpec&,
                         const SoftDeleteSpec&) = default;
};

struct HistorySpec {
  // The most old versions of one record, and the longest that one is kept.
  int versions = 100;
  absl::Duration keep = absl::InfiniteDuration();
  friend bool operator==(const HistorySpec&, const HistorySpec&) = default;
};

// Sets fields when a record is read.
struct TouchSpec {
  struct Set {
    std::string field;
    // Over the record's fields; `+1` in a schema is `field + 1` here.
    std::string expression;
    friend bool operator==(const Set&, const Set&) = default;
  };
  bool on_get = false;
  bool on_query = false;
  std::vector<Set> set;
  friend bool operator==(const TouchSpec&, const TouchSpec&) = default;
};

struct FullTextSpec {
  struct Column {
    std::string field;
    double weight = 1;
    friend bool operator==(const Column&, const Column&) = default;
  };
  // Each a string or text field.
  std::vector<Column> columns;
  // `unicode61`, `porter` or `trigram`.
  std::string tokenizer = "unicode61";
  friend bool operator==(const FullTextSpec&, const FullTextSpec&) = default;
};

// Keeps fields of the record that a ref names up to date with the records that
// name it.
struct RollupSpec {
  enum class Function { kCount, kSum, kMin, kMax };
  struct Set {
    // The parent's field.
    std::string field;
    Function function = Function::kCount;
    // The child's field; empty with kCount.
    std::string of;
    friend bool operator==(const Set&, const Set&) = default;
  };
  // The ref field.
  std::string parent;
  // A filter over the child; empty counts all.
  std::string where;
  std::vector<Set> set;
  friend bool operator==(const RollupSpec&, const RollupSpec&) = default;
};

// Makes the collection the edges of a graph.
struct EdgesSpec {
  // Fields that hold ids of records: refs, or strings where an edge may name
  // what does not exist.
  std::string source;
  std::string target;
  // The field that says what kind of edge it is; empty if there is one kind.
  std::string kind;
  friend bool operator==(const EdgesSpec&, const EdgesSpec&) = default;
};

struct CollectionSpec {
  std::string name;
  // The name that the collection had in an earlier schema; empty is none.
  std::string renamed_from;
  // Engram numbers new records from 1 (`id: sequence`); a caller may still
  // choose an id, which is then a whole number above 0.
  bool sequence_ids = false;
  // A new record needs an id of the caller's (`id: required`).
  bool required_ids = false;
  // In the order of the document.
  std::vector<FieldSpec> fields;
  // Keys of several fields, sorted; a key of one field is FieldSpec::unique.
  std::vector<std::vector<std::string>> unique;
  // Those of the unique keys, also of one field, that have Missing::kDistinct
  // (`missing: distinct`), sorted.
  std::vector<std::vector<std::string>> distinct_keys;
  std::vector<IndexSpec> indexes;
  // Filters that every record meets, as written.
  std::vector<std::string> checks;
  std::optional<ExpireSpec> expire;
  std::optional<SoftDeleteSpec> soft_delete;
  std::optional<HistorySpec> history;
  std::optional<TouchSpec> touch;
  std::optional<FullTextSpec> full_text;
  std::vector<RollupSpec> rollups;
  std::optional<EdgesSpec> edges;
  // By name.
  std::vector<VectorFieldSpec> vectors;

  // Null if there is none.
  const FieldSpec* FindField(absl::string_view field) const;
  const VectorFieldSpec* FindVector(absl::string_view vector_field) const;
  // The field's place in `fields`; -1 if there is none.
  int FieldIndex(absl::string_view field) const;
  // Every unique key, those of one field included, as places in `fields`.
  std::vector<std::vector<int>> UniqueKeys() const;
  // Of one of these.
  Missing MissingIn(const std::vector<int>& unique_key) const;

  // Whether both declare the same; the order of the fields does not matter, nor
  // does `renamed_from`.
  friend bool operator==(const CollectionSpec& a, const CollectionSpec& b);
};

// `InvalidArgument`, a clause that follows the attribute's name, if `pattern`
// is none that RE2 can use within bounded memory.
absl::Status ValidatePattern(const std::string& pattern);

// Checks a value of the field's type against required, one_of, min, max,
// max_length and pattern. `InvalidArgument`, its message a clause that follows
// the field's name, such as `is 7; at most 5 is allowed`.
absl::Status CheckValue(const FieldSpec& field, const FieldValue& value);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_COLLECTION_SPEC_H_
