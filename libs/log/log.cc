#include "libs/log/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "absl/strings/str_format.h"

namespace engram::log {
namespace {

std::string Quoted(absl::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&json, "\\u%04x", c);
    } else {
      json += c;
    }
  }
  return json + "\"";
}

spdlog::logger& Logger() {
  // Leaked on purpose: threads may log while the process ends.
  static spdlog::logger* logger = [] {
    auto* created = new spdlog::logger(
        "engram", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    created->set_formatter(std::make_unique<spdlog::pattern_formatter>(
        R"({"time":"%Y-%m-%dT%H:%M:%S.%fZ","level":"%l",%v})",
        spdlog::pattern_time_type::utc));
    created->flush_on(spdlog::level::debug);
    return created;
  }();
  return *logger;
}

void Write(spdlog::level::level_enum level, absl::string_view message,
           Fields fields) {
  if (!Logger().should_log(level)) return;
  std::string line = absl::StrCat("\"message\":", Quoted(message));
  for (const Field& field : fields) {
    absl::StrAppend(&line, ",", Quoted(field.name), ":", field.json);
  }
  Logger().log(level, spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace

Field::Field(absl::string_view name, absl::string_view value)
    : name(name), json(Quoted(value)) {}

void Debug(absl::string_view message, Fields fields) {
  Write(spdlog::level::debug, message, fields);
}
void Info(absl::string_view message, Fields fields) {
  Write(spdlog::level::info, message, fields);
}
void Warning(absl::string_view message, Fields fields) {
  Write(spdlog::level::warn, message, fields);
}
void Error(absl::string_view message, Fields fields) {
  Write(spdlog::level::err, message, fields);
}

absl::Status SetLevel(absl::string_view level) {
  const std::string name(level);
  // spdlog takes any unknown name for "off".
  const auto parsed = spdlog::level::from_str(name);
  if (parsed == spdlog::level::off && name != "off") {
    return absl::InvalidArgumentError(
        absl::StrCat("log level \"", level,
                     "\" is unknown; give debug, info, warning, error or off"));
  }
  Logger().set_level(parsed);
  return absl::OkStatus();
}

}  // namespace engram::log
