#include "services/storage/failure_list.h"

#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"
#include "libs/status/status_macros.h"
#include "services/storage/outbox_table.h"
#include "services/storage/request_fields.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

constexpr absl::string_view kScan = R"sql(
SELECT f.failure, f.generation, f.row, f.reason, f.message, f.attempts,
       f.failed_us, g.collection, g.vector_field, g.model
FROM _failures AS f JOIN _generations AS g USING (generation)
WHERE f.failure > ? ORDER BY f.failure LIMIT ?)sql";
constexpr absl::string_view kSelectLast =
    "SELECT coalesce(max(failure), 0) FROM _failures";

// The name under which page tokens are made.
constexpr absl::string_view kFailuresList = "failures";
constexpr int kMaxIds = 1000;

using FindCollection =
    absl::FunctionRef<absl::StatusOr<CollectionPtr>(int64_t collection)>;

// One failure that is looked at; borrowed.
struct Seen {
  int64_t number;
  int64_t row;
  const Collection& collection;
  absl::string_view id;
  // Positioned at the row of kScan.
  const sqlite::Statement& scan;
};

bool Matches(const FailureQuery& query, const Seen& seen) {
  const sqlite::Statement& scan = seen.scan;
  return (query.vector_field.empty() || query.vector_field == scan.Text(8)) &&
         (query.reasons.empty() ||
          query.reasons.contains(static_cast<int>(scan.Int(3)))) &&
         (query.contains.empty() ||
          absl::StrContains(absl::AsciiStrToLower(scan.Text(4)),
                            query.contains)) &&
         (query.ids.empty() || query.ids.contains(seen.id));
}

// How far a scan came.
struct Scanned {
  int64_t last = 0;
  bool has_ended = false;
};

// Calls `visit` with failures after `after` that meet `query`, until it returns
// false or so many were looked at.
absl::StatusOr<Scanned> Scan(
    sqlite::Connection& connection, FindCollection find,
    const FailureQuery& query, int64_t after,
    absl::FunctionRef<absl::StatusOr<bool>(const Seen&)> visit) {
  ASSIGN_OR_RETURN(sqlite::Statement scan, connection.Cached(kScan));
  scan.BindInt(1, after);
  scan.BindInt(2, kMaxFailuresLookedAt);
  Scanned scanned = {.last = after};
  for (int rows = 0; rows < kMaxFailuresLookedAt; ++rows) {
    ASSIGN_OR_RETURN(const bool found, scan.Step());
    if (!found) {
      scanned.has_ended = true;
      return scanned;
    }
    scanned.last = scan.Int(0);
    ASSIGN_OR_RETURN(const CollectionPtr collection, find(scan.Int(7)));
    if (collection == nullptr ||
        (!query.collection.empty() && query.collection != collection->name())) {
      continue;
    }
    ASSIGN_OR_RETURN(sqlite::Statement select,
                     connection.Cached(collection->select_id));
    select.BindInt(1, scan.Int(2));
    ASSIGN_OR_RETURN(const bool has_record, select.Step());
    if (!has_record) continue;
    const Seen seen = {scan.Int(0), scan.Int(2), *collection, select.Text(0),
                       scan};
    if (!Matches(query, seen)) continue;
    ASSIGN_OR_RETURN(const bool goes_on, visit(seen));
    if (!goes_on) return scanned;
  }
  return scanned;
}

void Encode(const Seen& seen, v1::EmbeddingFailure* out) {
  const sqlite::Statement& scan = seen.scan;
  out->set_collection(seen.collection.name());
  out->set_id(std::string(seen.id));
  out->set_generation(scan.Int(1));
  out->set_vector_field(std::string(scan.Text(8)));
  out->set_model(std::string(scan.Text(9)));
  out->set_reason(static_cast<v1::FailureReason>(scan.Int(3)));
  out->set_message(std::string(scan.Text(4)));
  out->set_attempts(static_cast<int>(scan.Int(5)));
  *out->mutable_fail_time() = TimeUtil::MicrosecondsToTimestamp(scan.Int(6));
}

}  // namespace

absl::StatusOr<FailureQuery> DecodeFilter(const v1::FailureFilter& filter) {
  FieldViolations violations;
  if (filter.ids_size() > kMaxIds) {
    violations.Add("filter.ids",
                   absl::StrCat("has ", filter.ids_size(),
                                " entries; give at most ", kMaxIds));
  }
  for (int i = 0; i < filter.reasons_size(); ++i) {
    if (filter.reasons(i) != v1::FAILURE_REASON_UNSPECIFIED &&
        v1::FailureReason_IsValid(filter.reasons(i))) {
      continue;
    }
    violations.Add(absl::StrCat("filter.reasons[", i, "]"),
                   "is no reason; give TEXT_REFUSED or ANSWER_UNUSABLE");
  }
  RETURN_IF_ERROR(violations.ToStatus());
  FailureQuery query = {.collection = filter.collection(),
                        .vector_field = filter.vector_field(),
                        .contains = absl::AsciiStrToLower(filter.contains())};
  query.reasons.insert(filter.reasons().begin(), filter.reasons().end());
  query.ids.insert(filter.ids().begin(), filter.ids().end());
  return query;
}

absl::Status ListEmbeddingFailures(Database& database,
                                   const v1::ListFailuresRequest& request,
                                   v1::ListFailuresResponse* response) {
  ASSIGN_OR_RETURN(const FailureQuery query, DecodeFilter(request.filter()));
  ASSIGN_OR_RETURN(const int page_size, DecodePageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::string token,
                   DecodePageToken(kFailuresList, request.page_token()));
  int64_t after = 0;
  if (!token.empty() && !absl::SimpleAtoi(token, &after)) {
    return InvalidField("page_token", "is not one of ListFailures");
  }
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  ASSIGN_OR_RETURN(
      const Scanned scanned,
      Scan(
          view.connection(),
          [&](int64_t collection) { return view.FindById(collection); }, query,
          after,
          [&](const Seen& seen) -> absl::StatusOr<bool> {
            Encode(seen, response->add_failures());
            return response->failures_size() < page_size;
          }));
  if (!scanned.has_ended) {
    response->set_next_page_token(
        EncodePageToken(kFailuresList, absl::StrCat(scanned.last)));
  }
  return absl::OkStatus();
}

absl::StatusOr<FailureRetry> RetryEmbeddingFailures(
    WriteTransaction& transaction, const Catalog& catalog,
    const FailureQuery& query, FailureRetry retry) {
  sqlite::Connection& connection = transaction.connection();
  if (retry.last == 0) {
    ASSIGN_OR_RETURN(retry.last, connection.QueryInt(kSelectLast));
  }
  std::vector<std::pair<int64_t, int64_t>> found;
  ASSIGN_OR_RETURN(
      const Scanned scanned,
      Scan(
          connection,
          [&](int64_t collection) -> absl::StatusOr<CollectionPtr> {
            return catalog.FindById(collection);
          },
          query, retry.after,
          [&](const Seen& seen) -> absl::StatusOr<bool> {
            if (seen.number > retry.last) return false;
            found.emplace_back(seen.scan.Int(1), seen.row);
            return found.size() < kMaxFailuresRetried;
          }));
  // Not while the table is being read.
  for (const auto& [generation, row] : found) {
    RETURN_IF_ERROR(RequeueFailure(transaction, generation, row));
  }
  retry.after = scanned.last;
  retry.retried += static_cast<int64_t>(found.size());
  retry.has_ended = scanned.has_ended || scanned.last >= retry.last;
  return retry;
}

}  // namespace engram::storage
