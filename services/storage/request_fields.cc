#include "services/storage/request_fields.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/status/status_macros.h"
#include "services/storage/content_hash.h"
#include "services/storage/request_log.h"

namespace engram::storage {
namespace {

constexpr int kDefaultPageSize = 100;
constexpr int kMaxPageSize = 1000;

}  // namespace

absl::StatusOr<int> DecodePageSize(int sent) {
  FieldViolations violations;
  const int size = DecodePageSize(sent, violations);
  RETURN_IF_ERROR(violations.ToStatus());
  return size;
}

int DecodePageSize(int sent, FieldViolations& violations) {
  if (sent < 0) violations.Add("page_size", "is negative; give 0 to 1000");
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
  return UnknownPageToken();
}

absl::Status UnknownPageToken() {
  return InvalidField("page_token",
                      "is not a token that this list returned; leave it empty "
                      "to start from the beginning");
}

absl::Status CheckRequestId(absl::string_view request_id) {
  if (request_id.size() <= kMaxRequestIdBytes) return absl::OkStatus();
  return InvalidField(
      "request_id", absl::StrCat("has ", request_id.size(),
                                 " bytes; give at most ", kMaxRequestIdBytes));
}

std::string HashRequest(const google::protobuf::Message& request) {
  std::string bytes;
  {
    // With maps in the order of their keys: a repeat sends the same content,
    // but protobuf may order its maps in another way.
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream out(&stream);
    out.SetSerializationDeterministic(true);
    request.SerializeToCodedStream(&out);
  }
  return std::string(ContentHash::Of(bytes).bytes());
}

}  // namespace engram::storage
