// JSON text to and from google.protobuf.Struct, fast enough for imports.
//
// protobuf's own JsonStringToMessage reads some 10 MB/s.

#ifndef ENGRAM_LIBS_JSON_JSON_H_
#define ENGRAM_LIBS_JSON_JSON_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"

namespace engram::json {

// How deeply lists and objects may nest. A Struct nested deeper would not pass
// protobuf's own limit of 100 messages, three of which make a level.
inline constexpr int kMaxDepth = 30;

// Reads JSON text. Keeps its buffers from one text to the next, so keep the
// parser; not thread-safe.
//
// Of a key that an object repeats the last value counts. A whole number that a
// double cannot hold exactly becomes a string of its digits, as the API carries
// large ints.
class Parser {
 public:
  Parser();
  ~Parser();

  // Reads `text`, one JSON value of any kind. `InvalidArgument` says what is
  // wrong with it; `value` is then of no use.
  absl::Status ParseValue(absl::string_view text,
                          google::protobuf::Value* value);

  // Reads `text`, one JSON object.
  absl::Status ParseObject(absl::string_view text,
                           google::protobuf::Struct* object);

  // Appends `text`, one JSON value, as AppendJson writes the value that
  // ParseValue makes of it, without making it. Refuses NUL in a string, which
  // no field can hold. After an error `out` is as it was.
  absl::Status AppendCanonical(absl::string_view text, std::string* out);

 private:
  struct Buffers;
  std::unique_ptr<Buffers> buffers_;
};

// Appends `value` as compact JSON, the keys of each object sorted, so that
// equal values are equal text, and ParseValue makes the same value of it. A
// number that is not finite becomes null, and so does a Value that holds
// nothing.
void AppendJson(const google::protobuf::Value& value, std::string* out);
void AppendJson(const google::protobuf::Struct& object, std::string* out);

// Appends `text` as a JSON string, quotes included. `text` is UTF-8.
void AppendQuoted(absl::string_view text, std::string* out);

}  // namespace engram::json

#endif  // ENGRAM_LIBS_JSON_JSON_H_
