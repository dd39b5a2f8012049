#include "services/search/duplicate_search.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/search/duplicate_finder.h"
#include "services/search/operation_codec.h"
#include "services/search/operation_starter.h"
#include "services/search/query_decoder.h"

namespace engram::search {
namespace {

constexpr int kDefaultGroups = 100;
constexpr int kMaxGroups = 1000;

// Texts that say the same in other words lie about so close, with most models.
constexpr float kDefaultCosine = 0.95f;

// A filter takes milliseconds; nothing else waits for this one.
constexpr absl::Duration kFilterTime = absl::Minutes(1);

// How often a filter is read again because the schema changed meanwhile.
constexpr int kMaxReads = 5;

absl::StatusOr<float> MinScoreOf(const v1::FindDuplicatesRequest& request,
                                 Metric metric) {
  if (!request.has_min_score()) {
    if (metric == Metric::kCosine) return kDefaultCosine;
    return InvalidField("min_score",
                        "is missing; only cosine has a default, as scores of "
                        "other metrics depend on the vectors' lengths");
  }
  const float score = request.min_score();
  if (metric == Metric::kCosine && std::abs(score) > 1) {
    return InvalidField("min_score",
                        absl::StrCat("is ", score, "; cosines are -1 to 1"));
  }
  if (metric == Metric::kL2 && score < 0) {
    return InvalidField("min_score", absl::StrCat("is ", score,
                                                  "; l2 distances are 0 or "
                                                  "more, the most allowed"));
  }
  return score;
}

// What an operation works with, as of when it was asked for.
struct Job {
  ReadyIndex ready;
  std::shared_ptr<const ExpiryTable> expiries;
  std::shared_ptr<const AttributeColumns> attributes;
  // The filter and its parameters.
  DecodedQuery query;
  // As the schema had it when it was read last. Nothing is every record.
  std::optional<ReadFilter> filter;
  float min_score = 0;
  int limit = 0;
};

absl::StatusOr<std::optional<ReadFilter>> FilterOf(const Job& job) {
  if (job.attributes == nullptr) {
    if (job.query.filter.empty()) return std::nullopt;
    return absl::UnimplementedError(
        "the collection's schema is newer than this search, which cannot "
        "filter by it");
  }
  // Without a filter too: parameters that nothing names are a mistake.
  ASSIGN_OR_RETURN(ReadFilter filter,
                   ReadQueryFilter(job.query, job.attributes->schema()));
  if (job.query.filter.empty()) return std::nullopt;
  return filter;
}

// The rows of the records that the filter lets through; `Aborted` if the schema
// is another one than the filter was read by.
absl::StatusOr<std::vector<int64_t>> FindRows(const Job& job) {
  std::vector<int64_t> rows;
  absl::Status status;
  const absl::Time now = absl::Now();
  RETURN_IF_ERROR(job.attributes->Find(
      *job.filter, now, now + kFilterTime, [&](const MatchingRows& matching) {
        if (!matching.is_exact()) {
          status = InvalidField(
              "filter",
              "names a field that search does not hold, and storage cannot be "
              "asked about every pair of records; give the field an index");
        } else if (matching.count() > 0) {
          matching.Rows().ForEach([&](int64_t row) { rows.push_back(row); });
        }
      }));
  RETURN_IF_ERROR(status);
  return rows;
}

// The same by the schema of now: since the operation was asked for it may have
// waited long.
absl::StatusOr<std::vector<int64_t>> MatchingRowsOf(Job& job) {
  for (int reads = 0; reads < kMaxReads; ++reads) {
    absl::StatusOr<std::vector<int64_t>> rows = FindRows(job);
    if (!absl::IsAborted(rows.status())) return rows;
    ASSIGN_OR_RETURN(job.filter, FilterOf(job));
  }
  return absl::UnavailableError(
      "the collection's schema changes faster than filters are read; retry");
}

absl::StatusOr<v1::FindDuplicatesResult> Run(Job& job,
                                             OperationHandle& operation) {
  const Index& index = *job.ready.index;
  std::vector<int64_t> rows;
  bool are_few = false;
  if (job.filter.has_value()) {
    ASSIGN_OR_RETURN(rows, MatchingRowsOf(job));
    are_few = DuplicateFinder::PrefersRows(index, rows.size());
  } else {
    rows = index.Rows();
  }
  // The order decides nothing, but that the same is done each time.
  std::sort(rows.begin(), rows.end());
  const auto total = static_cast<int64_t>(rows.size());
  const auto is_current = [&](int64_t row) {
    return !job.expiries->IsExpired(row, absl::Now());
  };
  DuplicateFinder finder(index, job.min_score, std::move(rows), are_few,
                         is_current);
  ASSIGN_OR_RETURN(v1::FindDuplicatesResult result,
                   finder.Find(job.limit, [&](int64_t done) {
                     operation.SetProgress(done, total);
                     return operation.IsCancelled()
                                ? absl::CancelledError("cancelled")
                                : absl::OkStatus();
                   }));
  Position position = job.ready.database->position();
  position.sequence = index.Stats().sequence;
  result.set_position(position.ToString());
  return result;
}

}  // namespace

absl::Status CheckDuplicatesRequest(const v1::FindDuplicatesRequest& request) {
  FieldViolations violations;
  if (request.collection().empty()) {
    violations.Add("collection", "is empty; name the collection");
  }
  if (request.limit() < 0 || request.limit() > kMaxGroups) {
    violations.Add("limit",
                   absl::StrCat("is ", request.limit(), "; send 1 to ",
                                kMaxGroups, ", or 0 for ", kDefaultGroups));
  }
  if (request.has_min_score() && !std::isfinite(request.min_score())) {
    violations.Add("min_score", "is not finite");
  }
  return violations.ToStatus();
}

absl::Status StartFindDuplicates(const std::shared_ptr<SearchBackend>& backend,
                                 const FeedFollower& follower,
                                 const v1::FindDuplicatesRequest& request,
                                 v1::FindDuplicatesResponse& response) {
  Job job;
  ASSIGN_OR_RETURN(job.ready, FindReadyIndex(follower, request.collection(),
                                             request.vector_field()));
  ASSIGN_OR_RETURN(job.min_score,
                   MinScoreOf(request, job.ready.index->spec().metric));
  job.expiries = job.ready.database->ExpiriesOf(request.collection());
  job.attributes = job.ready.database->AttributesOf(request.collection());
  job.query.filter = request.filter();
  job.query.parameters = request.parameters();
  ASSIGN_OR_RETURN(job.filter, FilterOf(job));
  job.limit = request.limit() == 0 ? kDefaultGroups : request.limit();
  ASSIGN_OR_RETURN(
      *response.mutable_operation(),
      StartOperation(*backend, "find-duplicates", "records",
                     [job = std::move(job)](OperationHandle& operation) mutable
                     -> absl::StatusOr<OperationResult> {
                       ASSIGN_OR_RETURN(const v1::FindDuplicatesResult result,
                                        Run(job, operation));
                       return EncodeResult(result);
                     }));
  return absl::OkStatus();
}

}  // namespace engram::search
