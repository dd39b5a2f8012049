#include "services/storage/feed_scope.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "services/storage/content_hash.h"

namespace engram::storage {

uint64_t FeedScope::Fingerprint() const {
  std::string text =
      absl::StrCat(static_cast<int>(view), " ", body == Body::kTyped);
  const std::set<std::string> sorted(collections.begin(), collections.end());
  for (const std::string& name : sorted) {
    absl::StrAppend(&text, " ", name.size(), " ", name);
  }
  return ContentHash::Of(text).Prefix();
}

template <typename Request>
absl::StatusOr<FeedScope> DecodeFeedScope(const Request& request) {
  FeedScope scope;
  switch (request.view()) {
    case v1::FEED_VIEW_UNSPECIFIED:
    case v1::FEED_VIEW_INDEX:
      break;
    case v1::FEED_VIEW_RECORD:
      scope.view = FeedScope::View::kRecord;
      break;
    case v1::FEED_VIEW_ATTRIBUTES:
      scope.view = FeedScope::View::kAttributes;
      break;
    default:
      return InvalidField(
          "view", absl::StrCat("is ", request.view(),
                               ", which is no view; give FEED_VIEW_INDEX, "
                               "FEED_VIEW_RECORD or FEED_VIEW_ATTRIBUTES"));
  }
  if (request.typed()) {
    if (scope.view != FeedScope::View::kRecord) {
      return InvalidField("typed",
                          "is about records; give view FEED_VIEW_RECORD, too");
    }
    scope.body = FeedScope::Body::kTyped;
  }
  scope.collections.insert(request.collections().begin(),
                           request.collections().end());
  return scope;
}

template absl::StatusOr<FeedScope> DecodeFeedScope(
    const v1::StreamSnapshotRequest& request);
template absl::StatusOr<FeedScope> DecodeFeedScope(
    const v1::WatchChangesRequest& request);

}  // namespace engram::storage
