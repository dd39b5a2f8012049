#ifndef ENGRAM_SERVICES_SEARCH_KEYWORD_SEARCH_H_
#define ENGRAM_SERVICES_SEARCH_KEYWORD_SEARCH_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engram/search/v1/search.pb.h"
#include "engram/storage/v1/record.pb.h"
#include "services/search/query_decoder.h"
#include "services/search/search_backend.h"

namespace engram::search {

// What storage found by words.
struct KeywordResult {
  // Best first, no record twice.
  std::vector<storage::v1::TextHit> hits;
  // Storage's, when it was asked.
  std::string position;
  // How long it took.
  absl::Duration time;
};

// Returns a query of SearchText for what any word of `text` is in: of what is
// typed nothing is an operator. A sentence is looked for by this, whose words
// are hardly ever all in one record; those that have more and rarer ones come
// first. Later ones than storage reads are left out.
std::string AnyWordOf(absl::string_view text);

// Asks storage for the best `limit` records, at most kMaxLimit, by the words of
// `words`, a query of SearchText; `read_mask` says what to read of each. What
// is at fault is named as in QueryRequest.
void SearchKeywords(
    std::shared_ptr<SearchBackend> backend, absl::Time deadline,
    const DecodedQuery& query, std::string words,
    google::protobuf::FieldMask read_mask, int limit,
    absl::AnyInvocable<void(absl::StatusOr<KeywordResult>)> done);

// Answers a query by its words alone. Of min_position only the epoch counts:
// storage always has what it acknowledged. `done` is called once, after
// `response` is filled.
void AnswerByKeyword(std::shared_ptr<SearchBackend> backend,
                     absl::Time deadline, DecodedQuery query,
                     v1::QueryResponse* response,
                     absl::AnyInvocable<void(const absl::Status&)> done);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_KEYWORD_SEARCH_H_
