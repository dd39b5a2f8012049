// The values that a field can hold, and their forms: in memory and on disk as
// FieldValue, in requests and answers as google.protobuf.Value.

#ifndef ENGRAM_LIBS_SCHEMA_FIELD_VALUE_H_
#define ENGRAM_LIBS_SCHEMA_FIELD_VALUE_H_

#include <cstdint>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"

namespace engram::schema {

// The type that a schema declares for a field. Beside each: what a FieldValue
// of it holds, which is also the form on disk.
enum class FieldType {
  kString,     // string, UTF-8 without NUL
  kText,       // string, the same; meant for prose
  kInt,        // int64
  kDouble,     // double, finite
  kBool,       // int64, 0 or 1
  kTimestamp,  // int64, microseconds since 1970 UTC, years 1 to 9999
  kJson,       // string, compact JSON with the keys of each object sorted
  kBytes,      // Blob
  kStrings,    // string, a compact JSON array of strings
  kRef,        // string, the id of a record of another collection
};

// The name that schemas use, such as "string".
absl::string_view FieldTypeName(FieldType type);

struct Blob {
  std::string bytes;
  friend auto operator<=>(const Blob&, const Blob&) = default;  // NOLINT
};

// `monostate` is no value.
using FieldValue =
    std::variant<std::monostate, int64_t, double, std::string, Blob>;

// A FieldValue whose bytes are another's.
struct BlobView {
  absl::string_view bytes;
};
using FieldView =
    std::variant<std::monostate, int64_t, double, absl::string_view, BlobView>;

// Reads a value as requests carry it. Null becomes `monostate`. Another type, a
// value out of range, NaN, infinity, NUL and invalid UTF-8 are
// `InvalidArgument`, whose message is a clause that follows the field's name,
// such as `wants an int; got the string "x"`.
//
// An int is a number strictly within +-2^53, where a double is exact, or a
// decimal string of any size; bytes are base64, with or without padding, in the
// standard or the URL alphabet; a timestamp is RFC 3339, digits below the
// microsecond dropped.
absl::StatusOr<FieldValue> DecodeValue(FieldType type,
                                       const google::protobuf::Value& value);

// Writes a value of `type` as answers carry it; DecodeValue turns it back into
// the same FieldValue. `DataLoss` if `value` cannot be of `type`, which means
// that the file was changed by another hand.
absl::Status EncodeValue(FieldType type, const FieldValue& value,
                         google::protobuf::Value* out);

// The bounds of a timestamp: 0001-01-01T00:00:00Z and
// 9999-12-31T23:59:59.999999Z.
inline constexpr int64_t kMinTimestamp = -62'135'596'800'000'000;
inline constexpr int64_t kMaxTimestamp = 253'402'300'799'999'999;

// Whether a field can hold the text: it is UTF-8 without NUL. `InvalidArgument`
// with a clause as DecodeValue's.
absl::Status CheckText(absl::string_view text);

// RFC 3339 in UTC, with as many digits below the second as it takes.
std::string FormatTimestamp(int64_t microseconds);

// The value as messages show it: a string in quotes and cut short, a timestamp
// as RFC 3339.
std::string ShowValue(FieldType type, const FieldValue& value);

// The number of code points of valid UTF-8.
int64_t CountCharacters(absl::string_view text);

}  // namespace engram::schema

#endif  // ENGRAM_LIBS_SCHEMA_FIELD_VALUE_H_
