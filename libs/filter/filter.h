// The filter language: conditions and arithmetic over a record's fields.
//
//   type = "fact" AND importance >= 0.5 AND NOT file_path IN :files
//   tags HAS "sql" AND created_at > now - 7d AND metadata.stats.score > 10
//
// One parser makes one typed tree of a text; it can be evaluated here
// (evaluate.h), compiled to SQL (sql.h), or walked by others. All agree.
//
//   condition  = and { "OR" and }
//   and        = not { "AND" not }
//   not        = "NOT" not | predicate
//   predicate  = "EXISTS" path
//              | value ( "=" | "!=" | "<" | "<=" | ">" | ">=" ) value
//              | value [ "NOT" ] "IN" ( "(" [ item { "," item } ] ")" | :name )
//              | value [ "NOT" ] ( "HAS" | "LIKE" | "PREFIX" ) item
//              | value "IS" [ "NOT" ] "NULL"
//              | value                            a bool; true and false too
//   value      = product { ( "+" | "-" ) product }
//   product    = factor { ( "*" | "/" ) factor }
//   factor     = "-" factor | "(" condition ")" | item | "now" | path
//              | ( "min" | "max" | "coalesce" ) "(" value { "," value } ")"
//              | "round" "(" value [ "," digits ] ")"
//   item       = number | string | duration | "true" | "false" | :name
//   path       = name { "." ( name | string ) | "[" index "]" }
//   duration   = digits ( "d" | "h" | "m" | "s" | "ms" ) { duration }
//
// Keywords are in any case. A name that is one is written in backticks where it
// would be taken for the keyword. Strings are in double or single quotes with
// the escapes of JSON. A parameter (`:name`) is a value sent beside the text.
//
// Logic is two-valued: a comparison with a missing value is false, != included;
// NOT turns that to true. Strings compare by their bytes; those of a nocase
// name without regard to ASCII case, as LIKE always does and PREFIX never.
// Numbers compare exactly, an int with a double too. Nothing else is converted,
// but that a string literal beside a timestamp, a duration or bytes is read as
// one, and a parameter in decimal digits beside an int as that int.
//
// Arithmetic: an int and a double make a double, `/` always does; a timestamp
// +- a duration, the difference of two timestamps, and a duration scaled by a
// number are what one expects. Missing is what has a missing operand, a
// division by zero, an int beyond 64 bits, an infinite double, and a timestamp
// outside the years 1 to 9999. In json, a number is a double, null is missing,
// and a value of another type than the one that it meets is missing too.

#ifndef ENGRAM_LIBS_FILTER_FILTER_H_
#define ENGRAM_LIBS_FILTER_FILTER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"
#include "libs/schema/field_value.h"

namespace engram::filter {

// The most bytes of a text, and how deep parentheses, NOT and operators may
// nest in one.
inline constexpr int kMaxBytes = 64 << 10;
inline constexpr int kMaxDepth = 64;

// What a node's value is.
enum class Type {
  kBool,
  kInt,
  kDouble,
  // Text; a string, text or ref field.
  kString,
  // Microseconds since 1970 UTC.
  kTimestamp,
  // Microseconds.
  kDuration,
  kBytes,
  // A list of strings.
  kStrings,
  // What stands at a path of a json field: its type is known only at run time.
  kJson,
};

// A name that expressions of a scope may use.
struct Name {
  schema::FieldType type = schema::FieldType::kString;
  // What the scope's owner knows it by.
  int place = 0;
  // Whether its strings compare without regard to ASCII case.
  bool nocase = false;
};

// The names that a text may use.
class Scope {
 public:
  virtual ~Scope() = default;
  // `name` is an identifier, or two joined by a dot (`new.score`).
  virtual std::optional<Name> Find(absl::string_view name) const = 0;
  // All of them, for messages that suggest what was meant.
  virtual std::vector<std::string> Names() const = 0;
};

enum class Operator {
  kField,    // `place`, and `path` of a json field
  kLiteral,  // `value`; a literal, or a parameter's value
  kNow,
  kAnd,
  kOr,
  kNot,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kIn,      // the operand is one of `values`
  kHas,     // strings HAS a literal; json HAS: a list with such an element
  kLike,    // string LIKE a literal: % and _, \ before either is itself
  kPrefix,  // string PREFIX a literal, never regardless of case
  kIsNull,
  kExists,  // EXISTS json path
  kAdd,
  kSubtract,
  kMultiply,
  kDivide,  // always of doubles, or a duration by one
  kNegate,
  kMin,  // missing if an operand is
  kMax,
  kRound,  // half away from zero; the second operand, a literal, is the digits
  kCoalesce,  // the first operand that is not missing
  kToDouble,  // of an int or a duration
};

// One step of a path into json: to the value of a key, or of a list's element.
struct PathStep {
  std::string key;
  // From 0; -1 if `key` says where to.
  int index = -1;
  friend bool operator==(const PathStep&, const PathStep&) = default;
};

// One node of a typed tree. Whoever walks a tree need not check again:
//
// - AND, OR and NOT have operands of type kBool; as a condition, a bool that is
//   missing is false.
// - Comparisons have operands of one type, or an int and a double, which
// compare
//   as the numbers they are, without rounding.
// - Arithmetic is of one type too, kToDouble standing where an int becomes a
//   double, but for timestamp +- duration, timestamp - timestamp and duration *
//   int or double and duration / double, the duration first.
// - A json field has type kJson below kIsNull, kExists and kHas, and where its
//   text itself is wanted. Elsewhere its type is the one that is expected at
//   the path (kBool, kDouble, kString): another value there, and null, is
//   missing.
struct Node {
  Operator op = Operator::kLiteral;
  Type type = Type::kBool;
  // Of kField.
  int place = 0;
  // Of kField, into json; empty is the whole field.
  std::vector<PathStep> path;
  // Of strings, and of what compares them: without regard to ASCII case.
  bool nocase = false;
  // Of kLiteral: a duration and a timestamp as int64, a bool as int64 0 or 1;
  // `monostate` is a missing value.
  schema::FieldValue value;
  // Of kIn: sorted, each once, as the operand's type holds them; in lower case
  // if `nocase`.
  std::vector<schema::FieldValue> values;
  std::vector<Node> operands;
};

// Reads a condition. `parameters` are the values of its `:name`s; one that is
// not used is a mistake, as is one that is missing. `InvalidArgument` with the
// column (from 1, in characters) and a remedy, such as
// `column 12: no field "typ"; did you mean "type"?`. Safe on hostile input.
absl::StatusOr<Node> ParseFilter(absl::string_view text, const Scope& scope,
                                 const google::protobuf::Struct& parameters);

// Reads an expression whose value a field of `type` can hold: an int where a
// double is wanted is converted, nothing else is.
absl::StatusOr<Node> ParseExpression(
    absl::string_view text, const Scope& scope, schema::FieldType type,
    const google::protobuf::Struct& parameters);

// Reads an expression of whatever type it has by itself, which is Node::type; a
// condition is a bool that is never missing.
absl::StatusOr<Node> ParseValue(absl::string_view text, const Scope& scope,
                                const google::protobuf::Struct& parameters);

// Whether `node` or one below it satisfies what the names say.
bool UsesNow(const Node& node);
bool UsesJsonPath(const Node& node);
// The places of every field used, sorted, each once.
std::vector<int> PlacesUsed(const Node& node);

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_FILTER_H_
