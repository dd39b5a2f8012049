#include "tools/engramctl/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

constexpr int kMinWidth = 40;

template <typename Detail>
Detail DetailOf(const absl::Status& status) {
  Detail detail;
  const auto payload = status.GetPayload(
      absl::StrCat("type.googleapis.com/", Detail::descriptor()->full_name()));
  if (payload.has_value()) detail.ParseFromString(std::string(*payload));
  return detail;
}

std::string ErrorAsJson(const absl::Status& status,
                        const google::rpc::ErrorInfo& info,
                        const google::rpc::BadRequest& bad_request) {
  JsonObject error;
  error.Text("code", absl::StatusCodeToString(status.code()));
  if (!info.reason().empty()) error.Text("reason", info.reason());
  error.Text("message", status.message());
  JsonObject metadata;
  for (const auto& [key, value] : info.metadata()) metadata.Text(key, value);
  if (!info.metadata().empty()) error.Object("metadata", metadata);
  std::vector<JsonObject> violations;
  for (const auto& violation : bad_request.field_violations()) {
    violations.push_back(JsonObject()
                             .Text("field", violation.field())
                             .Text("problem", violation.description()));
  }
  if (!violations.empty()) error.List("violations", violations);
  return JsonObject().Object("error", error).ToString();
}

}  // namespace

Terminal Terminal::Of(int file) {
  Terminal terminal;
  terminal.is_terminal = isatty(file) == 1;
  winsize size{};
  const char* columns = std::getenv("COLUMNS");
  int width = 0;
  if (terminal.is_terminal && ioctl(file, TIOCGWINSZ, &size) == 0 &&
      size.ws_col > 0) {
    width = size.ws_col;
  } else if (columns == nullptr || !absl::SimpleAtoi(columns, &width)) {
    return terminal;
  }
  terminal.width = std::max(kMinWidth, width);
  return terminal;
}

std::string Console::Bold(absl::string_view text) const {
  // https://no-color.org.
  if (!out_terminal.is_terminal || std::getenv("NO_COLOR") != nullptr) {
    return std::string(text);
  }
  return absl::StrCat("\x1b[1m", text, "\x1b[0m");
}

void Console::PrintError(const absl::Status& status) const {
  const auto info = DetailOf<google::rpc::ErrorInfo>(status);
  const auto bad_request = DetailOf<google::rpc::BadRequest>(status);
  if (json) {
    err << ErrorAsJson(status, info, bad_request) << "\n";
    return;
  }
  const bool colour =
      err_terminal.is_terminal && std::getenv("NO_COLOR") == nullptr;
  err << (colour ? "\x1b[31merror:\x1b[0m " : "error: ")
      << absl::StatusCodeToString(status.code());
  if (!info.reason().empty()) err << " (" << info.reason() << ")";
  const auto& violations = bad_request.field_violations();
  // The message repeats the violations, which are easier to read in lines.
  if (violations.empty()) {
    err << ": " << OneLine(status.message()) << "\n";
    return;
  }
  err << "\n";
  for (const auto& violation : violations) {
    err << "  " << OneLine(violation.field()) << ": "
        << OneLine(violation.description()) << "\n";
  }
  // Not all of them may have fitted the answer.
  const auto count = info.metadata().find("violations");
  int64_t total = 0;
  if (count != info.metadata().end() &&
      absl::SimpleAtoi(count->second, &total) && total > violations.size()) {
    err << "  and " << WithCommas(total - violations.size()) << " more\n";
  }
}

}  // namespace engram::engramctl
