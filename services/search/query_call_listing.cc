// How a query finds what meets a filter that only storage can answer, where
// that is few: candidate after candidate would take as many questions as there
// are records.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "services/search/query_call.h"
#include "services/search/row_set.h"

namespace engram::search {
namespace {

// Storage looks at so many records of a scan in the time that it takes to find
// one by its id and look at that.
constexpr double kScannedForOne = 8;

// Where none of the candidates met the filter, so few of them are taken to have
// met it: few enough to list them soon where there are not many records, and to
// ask about some hundred first where a scan of them is long.
constexpr double kLeastMet = 0.1;

// Of more than these the best are among the candidates before long, unless the
// filter shuns what is near to the query.
constexpr size_t kMaxListed = 10'000;

}  // namespace

bool QueryCall::PrefersListing() const {
  if (!asks_storage_ || listing_ != Listing::kNot) return false;
  const double met = std::max<double>(response_->hits_size(), kLeastMet);
  const auto asked = static_cast<double>(asked_);
  const auto may_match = static_cast<double>(may_match_);
  const double left = found_all_wanted_
                          ? may_match - asked
                          : static_cast<double>(candidates_.size());
  const double expected = std::min(missing() * asked / met, left);
  return expected * kScannedForOne > may_match;
}

void QueryCall::List(const std::string& page_token) {
  listing_ = Listing::kUnderWay;
  storage::v1::RecordServiceListRequest request = ListRequestOf(query_);
  request.set_page_token(page_token);
  backend_->calls.Run<storage::v1::RecordServiceListResponse>(
      deadline_, std::move(request),
      [this](auto&&... arguments) {
        backend_->records->async()->List(
            std::forward<decltype(arguments)>(arguments)...);
      },
      [self = shared_from_this()](
          absl::StatusOr<storage::v1::RecordServiceListResponse> answer) {
        self->OnListed(std::move(answer));
      });
}

void QueryCall::OnListed(
    absl::StatusOr<storage::v1::RecordServiceListResponse> answer) {
  if (!answer.ok()) return Finish(ReadError(answer.status()));
  for (storage::v1::Record& record : *answer->mutable_records()) {
    listed_ids_.push_back(std::move(*record.mutable_id()));
  }
  if (!answer->next_page_token().empty()) {
    if (listed_ids_.size() < kMaxListed) return List(answer->next_page_token());
    listing_ = Listing::kGivenUp;
    listed_ids_.clear();
    return AskStorage();
  }
  listing_ = Listing::kComplete;
  // They come again, if they are among those.
  for (const Candidate& candidate : candidates_) seen_.erase(candidate.id);
  candidates_.clear();
  wanted_ = static_cast<int>(seen_.size()) + missing();
  SearchSoon();
}

SearchResult QueryCall::SearchListed(RowFilter is_current) {
  RowSet rows;
  for (const std::string& id : listed_ids_) {
    const std::optional<int64_t> row =
        index_->VisitVectors(id, [](absl::Span<const float>) {});
    if (row.has_value()) rows.Add(*row, 1);
  }
  SearchResult result = index_->SearchRows(vector_, wanted_, rows, is_current,
                                           {.target_recall = target_recall()});
  explanation_.AddSearch(v1::Explanation::STRATEGY_SCAN_MATCHING, result.cost);
  return result;
}

}  // namespace engram::search
