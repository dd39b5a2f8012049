// Literals, whose type may still bend to what they meet.

#ifndef ENGRAM_LIBS_FILTER_LITERAL_H_
#define ENGRAM_LIBS_FILTER_LITERAL_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/struct.pb.h"
#include "libs/filter/filter.h"
#include "libs/filter/syntax.h"

namespace engram::filter {

// `a string`, `an int`.
std::string TypeName(Type type);
Type TypeOf(schema::FieldType type);

// A node for one value of a parameter. `column` is the parameter's.
absl::StatusOr<Node> LiteralOf(const google::protobuf::Value& value,
                               int column);

// Whether `node` is a literal, or one that is missing.
bool IsLiteral(const Node& node);
bool IsMissing(const Node& node);
bool IsNumber(Type type);
// Held as an int64 that arithmetic can be done with.
bool IsInteger(Type type);

// Makes `literal` one of `type`: an int becomes a double, a string a timestamp,
// a duration or bytes, and, if `syntax` is a parameter, an int.
absl::Status Adapt(Node& literal, Type type, const Syntax& syntax);

// Makes an int literal a double and the reverse if the number stays the same,
// as it then compares the same. Refuses a parameter for an int that may have
// lost digits on its way here.
absl::Status AdaptExactly(Node& literal, Type type, const Syntax& syntax);

// Refuses a pattern with a backslash that is before nothing it could be before.
absl::Status CheckPattern(const std::string& pattern, int column);

}  // namespace engram::filter

#endif  // ENGRAM_LIBS_FILTER_LITERAL_H_
