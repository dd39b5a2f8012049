#include "services/storage/snapshot_token.h"

#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/status/errors.h"

namespace engram::storage {
namespace {

// The form, so that a later one is told apart.
constexpr absl::string_view kForm = "snapshot1";
constexpr size_t kParts = 7;

}  // namespace

std::string SnapshotToken::Encode() const {
  return absl::WebSafeBase64Escape(
      absl::StrCat(kForm, " ", position.ToString(), " ", checksum, " ", scope,
                   " ", schema_version, " ", collection, " ", row));
}

absl::StatusOr<SnapshotToken> SnapshotToken::Decode(absl::string_view text) {
  std::string plain;
  SnapshotToken token;
  if (absl::WebSafeBase64Unescape(text, &plain)) {
    const std::vector<absl::string_view> parts = absl::StrSplit(plain, ' ');
    if (parts.size() == kParts && parts[0] == kForm) {
      absl::StatusOr<Position> position = Position::Parse(parts[1]);
      if (position.ok() && absl::SimpleAtoi(parts[2], &token.checksum) &&
          absl::SimpleAtoi(parts[3], &token.scope) &&
          absl::SimpleAtoi(parts[4], &token.schema_version) &&
          absl::SimpleAtoi(parts[5], &token.collection) &&
          absl::SimpleAtoi(parts[6], &token.row)) {
        token.position = *std::move(position);
        return token;
      }
    }
  }
  return InvalidField("resume_token",
                      "is not a token that a snapshot returned; leave it empty "
                      "to begin");
}

}  // namespace engram::storage
