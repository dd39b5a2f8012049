#include "services/search/keyword_search.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"
#include "services/search/position_waiters.h"
#include "services/search/query_stage.h"

namespace engram::search {
namespace {

// What SearchText reads of a query, and takes of one.
constexpr size_t kMaxWords = 64;
constexpr size_t kMaxQueryBytes = 8 << 10;

// As storage has it where records are read by id.
constexpr size_t kMaxBytes = 64 << 20;

using KeywordCallback = absl::AnyInvocable<void(absl::StatusOr<KeywordResult>)>;

// Names the fields at fault as a query's caller knows them.
absl::Status KeywordError(const absl::Status& status) {
  if (absl::IsInvalidArgument(status)) {
    return MapFieldPaths(ReadError(status), [](absl::string_view path) {
      return std::string(path == "query" ? "text" : path);
    });
  }
  return WithContext(status, "look for the words");
}

// One search on its way: page by page, as many records as are wanted or there
// are. Lives as long as storage will still call it back.
class KeywordSearch : public std::enable_shared_from_this<KeywordSearch> {
 public:
  KeywordSearch(std::shared_ptr<SearchBackend> backend, absl::Time deadline,
                storage::v1::SearchTextRequest request, int limit,
                KeywordCallback done)
      : backend_(std::move(backend)),
        deadline_(deadline),
        request_(std::move(request)),
        limit_(static_cast<size_t>(limit)),
        start_(absl::Now()),
        done_(std::move(done)) {}

  void AskStorage() {
    request_.set_page_size(static_cast<int>(limit_ - result_.hits.size()));
    backend_->calls.Run<storage::v1::SearchTextResponse>(
        deadline_, request_,
        [this](auto&&... arguments) {
          backend_->records->async()->SearchText(
              std::forward<decltype(arguments)>(arguments)...);
        },
        [self = shared_from_this()](
            absl::StatusOr<storage::v1::SearchTextResponse> answer) {
          self->OnPage(std::move(answer));
        });
  }

 private:
  void OnPage(absl::StatusOr<storage::v1::SearchTextResponse> answer) {
    if (!answer.ok()) return done_(KeywordError(answer.status()));
    if (request_.page_token().empty()) result_.position = answer->position();
    for (storage::v1::TextHit& hit : *answer->mutable_hits()) {
      // After a write a record near the seam of two pages may come twice.
      if (!seen_.insert(hit.record().id()).second) continue;
      bytes_ += hit.ByteSizeLong();
      result_.hits.push_back(std::move(hit));
    }
    if (bytes_ > kMaxBytes) {
      return done_(absl::ResourceExhaustedError(
          absl::StrCat("the records take more than ", kMaxBytes >> 20,
                       " MiB; ask for fewer of them or for fewer fields")));
    }
    if (answer->next_page_token().empty() || result_.hits.size() >= limit_) {
      result_.time = absl::Now() - start_;
      return done_(std::move(result_));
    }
    request_.set_page_token(answer->next_page_token());
    AskStorage();
  }

  const std::shared_ptr<SearchBackend> backend_;
  const absl::Time deadline_;
  storage::v1::SearchTextRequest request_;
  const size_t limit_;
  const absl::Time start_;
  KeywordCallback done_;
  KeywordResult result_;
  absl::flat_hash_set<std::string> seen_;
  size_t bytes_ = 0;
};

// Storage's position is of another epoch once what was written up to
// min_position is not there any more.
absl::Status CheckEpoch(const DecodedQuery& query,
                        const std::string& position) {
  if (!query.min_position.has_value()) return absl::OkStatus();
  const absl::StatusOr<Position> storage = Position::Parse(position);
  if (!storage.ok()) return storage.status();
  return storage->epoch == query.min_position->epoch
             ? absl::OkStatus()
             : EpochChangedError(query.database);
}

void AddHits(const DecodedQuery& query, KeywordResult& result,
             v1::QueryResponse& response) {
  const auto offset = static_cast<size_t>(query.offset);
  for (size_t i = offset; i < result.hits.size(); ++i) {
    v1::Hit* hit = response.add_hits();
    hit->set_id(result.hits[i].record().id());
    hit->set_score(static_cast<float>(result.hits[i].score()));
    if (query.read_mask.has_value()) {
      *hit->mutable_record() = std::move(*result.hits[i].mutable_record());
    }
  }
}

}  // namespace

std::string AnyWordOf(absl::string_view text) {
  // A quote within one of the quoted words would end it. The other two are
  // spaces, of East Asian text and of typesetting.
  const std::string plain = absl::StrReplaceAll(
      text, {{"\"", " "}, {"\u3000", " "}, {"\u00a0", " "}});
  absl::flat_hash_set<absl::string_view> words;
  std::string query;
  for (const absl::string_view word : absl::StrSplit(
           plain, absl::ByAnyChar(" \t\r\n\v\f"), absl::SkipEmpty())) {
    if (words.size() == kMaxWords) break;
    const std::string term =
        absl::StrCat(query.empty() ? "\"" : " OR \"", word, "\"");
    if (query.size() + term.size() > kMaxQueryBytes) continue;
    if (words.insert(word).second) query += term;
  }
  return query;
}

void SearchKeywords(std::shared_ptr<SearchBackend> backend, absl::Time deadline,
                    const DecodedQuery& query, std::string words,
                    google::protobuf::FieldMask read_mask, int limit,
                    KeywordCallback done) {
  storage::v1::SearchTextRequest request;
  request.set_database(query.database);
  request.set_collection(query.collection);
  request.set_query(std::move(words));
  request.set_filter(query.filter);
  *request.mutable_parameters() = query.parameters;
  *request.mutable_read_mask() = std::move(read_mask);
  std::make_shared<KeywordSearch>(std::move(backend), deadline,
                                  std::move(request), limit, std::move(done))
      ->AskStorage();
}

void AnswerByKeyword(std::shared_ptr<SearchBackend> backend,
                     absl::Time deadline, DecodedQuery query,
                     v1::QueryResponse* response,
                     absl::AnyInvocable<void(const absl::Status&)> done) {
  google::protobuf::FieldMask read_mask;
  if (query.read_mask.has_value()) {
    read_mask = *query.read_mask;
  } else {
    read_mask.add_paths("id");
  }
  std::string words = *query.text;
  const int limit = query.offset + query.limit;
  auto shared = std::make_shared<DecodedQuery>(std::move(query));
  SearchKeywords(
      std::move(backend), deadline, *shared, std::move(words),
      std::move(read_mask), limit,
      [query = shared, response,
       done = std::move(done)](absl::StatusOr<KeywordResult> result) mutable {
        if (!result.ok()) return done(result.status());
        const absl::Status is_present = CheckEpoch(*query, result->position);
        if (!is_present.ok()) return done(is_present);
        response->set_position(result->position);
        AddHits(*query, *result, *response);
        if (query->explain) {
          v1::Explanation& explanation = *response->mutable_explanation();
          explanation.set_strategy(v1::Explanation::STRATEGY_KEYWORD);
          AddStage("keyword", result->time, explanation);
        }
        done(absl::OkStatus());
      });
}

}  // namespace engram::search
