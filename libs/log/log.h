// Logs: one JSON object a line on standard error.
//
// The message is constant text; what varies rides in fields, so that lines can
// be filtered: Info("index cache saved", {{"database", name}, {"position",
// p}}).

#ifndef ENGRAM_LIBS_LOG_LOG_H_
#define ENGRAM_LIBS_LOG_LOG_H_

#include <initializer_list>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace engram::log {

// A name and a value: text, a number, or a status.
struct Field {
  Field(absl::string_view name, absl::string_view value);
  Field(absl::string_view name, const char* value)
      : Field(name, absl::string_view(value)) {}
  Field(absl::string_view name, const std::string& value)
      : Field(name, absl::string_view(value)) {}
  Field(absl::string_view name, const absl::Status& value)
      : Field(name, absl::string_view(value.ToString())) {}
  template <typename Number,
            typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
  Field(absl::string_view name, Number value)
      : name(name), json(absl::StrCat(value)) {}

  std::string name;
  // The value as JSON.
  std::string json;
};

using Fields = std::initializer_list<Field>;

void Debug(absl::string_view message, Fields fields = {});
void Info(absl::string_view message, Fields fields = {});
void Warning(absl::string_view message, Fields fields = {});
void Error(absl::string_view message, Fields fields = {});

// Sets the least level that is written: `debug`, `info`, `warning`, `error` or
// `off`. `InvalidArgument` for another name. Starts at `info`.
absl::Status SetLevel(absl::string_view level);

}  // namespace engram::log

#endif  // ENGRAM_LIBS_LOG_LOG_H_
