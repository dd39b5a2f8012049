#include "services/storage/request_fields.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/status/errors.h"

namespace engram::storage {
namespace {

constexpr int kDefaultPageSize = 100;
constexpr int kMaxPageSize = 1000;

}  // namespace

absl::StatusOr<int> DecodePageSize(int sent) {
  if (sent < 0) return InvalidField("page_size", "is negative; give 0 to 1000");
  return sent == 0 ? kDefaultPageSize : std::min(sent, kMaxPageSize);
}

std::string EncodePageToken(absl::string_view list, absl::string_view last) {
  return absl::WebSafeBase64Escape(absl::StrCat(list, "\n", last));
}

absl::StatusOr<std::string> DecodePageToken(absl::string_view list,
                                            absl::string_view token) {
  if (token.empty()) return std::string();
  std::string text;
  absl::string_view last;
  if (absl::WebSafeBase64Unescape(token, &text)) {
    last = text;
    if (absl::ConsumePrefix(&last, list) && absl::ConsumePrefix(&last, "\n") &&
        !last.empty()) {
      return std::string(last);
    }
  }
  return InvalidField("page_token",
                      "is not a token that this list returned; leave it empty "
                      "to start from the beginning");
}

}  // namespace engram::storage
