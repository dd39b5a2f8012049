#include "services/embedding/providers/api_key.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace engram::embedding {
namespace {

// Far beyond any key; a wrong path may lead to anything.
constexpr size_t kMaxKeyBytes = 4096;

std::string ReadStart(const std::string& path) {
  std::string text(kMaxKeyBytes, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(file.gcount());
  return text;
}

}  // namespace

ApiKey::ApiKey(std::string env, std::string file)
    : env_(std::move(env)), file_(std::move(file)) {}

absl::StatusOr<std::string> ApiKey::Read() const {
  if (!is_needed()) return std::string();
  std::string text;
  if (!file_.empty()) {
    text = ReadStart(file_);
  } else if (const char* const value = std::getenv(env_.c_str())) {
    text = value;
  }
  const absl::string_view key = absl::StripAsciiWhitespace(text);
  const std::string place = file_.empty()
                                ? absl::StrCat("environment variable ", env_)
                                : absl::StrCat("file ", file_);
  if (key.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no key: the ", place, " is missing or empty; put the key there"));
  }
  // It becomes a header, where a line's end would begin another.
  if (!std::all_of(key.begin(), key.end(), absl::ascii_isgraph)) {
    return absl::FailedPreconditionError(
        absl::StrCat("the ", place,
                     " holds something else than a key: a key has neither "
                     "spaces nor control characters"));
  }
  return std::string(key);
}

std::string ApiKey::Describe() const {
  if (!is_needed()) return "no key";
  return absl::StrCat(
      "key from ",
      file_.empty() ? absl::StrCat("the environment variable ", env_) : file_,
      Read().ok() ? " (there)" : " (missing)");
}

}  // namespace engram::embedding
