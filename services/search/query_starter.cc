#include "services/search/query_starter.h"

#include <utility>

#include "absl/time/clock.h"
#include "services/search/hybrid_call.h"
#include "services/search/keyword_search.h"
#include "services/search/query_call.h"

namespace engram::search {
namespace {

prometheus::Histogram& SecondsOf(const DecodedQuery& query,
                                 const SearchMetrics& metrics) {
  switch (query.mode.mode) {
    case QueryMode::kKeyword:
      return metrics.keyword_query_seconds;
    case QueryMode::kHybrid:
      return metrics.hybrid_query_seconds;
    case QueryMode::kSemantic:
      break;
  }
  return query.text.has_value() ? metrics.text_query_seconds
                                : metrics.vector_query_seconds;
}

}  // namespace

void StartQuery(std::shared_ptr<SearchBackend> backend, CallTimes times,
                absl::StatusOr<DecodedQuery> query, v1::QueryResponse* response,
                std::shared_ptr<TextGatherer> gatherer,
                absl::AnyInvocable<void(const absl::Status&)> done) {
  if (!query.ok()) return done(query.status());
  auto measured = [&seconds = SecondsOf(*query, backend->metrics), times,
                   done = std::move(done)](const absl::Status& status) mutable {
    seconds.Observe(absl::ToDoubleSeconds(absl::Now() - times.start));
    done(status);
  };
  switch (query->mode.mode) {
    case QueryMode::kKeyword:
      return AnswerByKeyword(std::move(backend), times.deadline,
                             *std::move(query), response, std::move(measured));
    case QueryMode::kHybrid:
      return std::make_shared<HybridCall>(
                 std::move(backend), times, *std::move(query), response,
                 std::move(gatherer), std::move(measured))
          ->Start();
    case QueryMode::kSemantic:
      return std::make_shared<QueryCall>(
                 std::move(backend), times.deadline, response,
                 std::move(measured),
                 EmbeddingRules{.gatherer = std::move(gatherer)})
          ->Start(std::move(query));
  }
}

}  // namespace engram::search
