#ifndef ENGRAM_TOOLS_ENGRAMCTL_JSON_OBJECT_H_
#define ENGRAM_TOOLS_ENGRAMCTL_JSON_OBJECT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/struct.pb.h"

namespace engram::engramctl {

// One JSON object on one line, its keys in the order they were added. Numbers
// of more than 2^53 are strings, as in the API.
class JsonObject {
 public:
  JsonObject& Text(absl::string_view key, absl::string_view value);
  JsonObject& Int(absl::string_view key, int64_t value);
  JsonObject& Number(absl::string_view key, double value);
  // With as few digits as tell the float from its neighbours.
  JsonObject& Float(absl::string_view key, float value);
  JsonObject& Bool(absl::string_view key, bool value);
  JsonObject& Object(absl::string_view key, const JsonObject& value);
  JsonObject& Value(absl::string_view key,
                    const google::protobuf::Value& value);
  JsonObject& Struct(absl::string_view key,
                     const google::protobuf::Struct& value);
  JsonObject& List(absl::string_view key,
                   const std::vector<JsonObject>& values);
  JsonObject& Texts(absl::string_view key,
                    const std::vector<std::string>& values);

  std::string ToString() const;

 private:
  void Key(absl::string_view key);

  // The object without its closing brace.
  std::string text_ = "{";
};

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_JSON_OBJECT_H_
