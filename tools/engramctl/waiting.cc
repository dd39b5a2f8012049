#include "tools/engramctl/waiting.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "engram/search/v1/index.grpc.pb.h"
#include "engram/storage/v1/vector.grpc.pb.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/progress.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using search::v1::IndexService;
using search::v1::WaitForPositionRequest;
using storage::v1::GetCoverageRequest;
using storage::v1::GetCoverageResponse;
using storage::v1::VectorService;

// How long one call waits before the progress is shown anew.
constexpr absl::Duration kStep = absl::Milliseconds(500);
constexpr int kBarCells = 20;

// Records of all vector fields of a database.
struct Backlog {
  int64_t embedded = 0;
  int64_t pending = 0;
};

absl::StatusOr<Backlog> FetchBacklog(
    Connection& connection, const std::string& database,
    const std::vector<storage::v1::Collection>& collections) {
  Backlog backlog;
  for (const auto& collection : collections) {
    GetCoverageRequest request;
    request.set_database(database);
    request.set_collection(collection.name());
    ASSIGN_OR_RETURN(
        const GetCoverageResponse coverage,
        connection.Call(Role::kStorage, &VectorService::Stub::GetCoverage,
                        request));
    for (const auto& field : coverage.vector_fields()) {
      backlog.embedded += field.embedded();
      backlog.pending += field.pending();
    }
  }
  return backlog;
}

std::string Describe(const Backlog& backlog, const Backlog& first,
                     absl::Duration elapsed) {
  if (backlog.pending == 0) return "embedded; waiting for the index";
  const double done = std::max<double>(0, first.pending - backlog.pending);
  const double rate = done / std::max(0.001, absl::ToDoubleSeconds(elapsed));
  const double total = static_cast<double>(backlog.embedded + backlog.pending);
  return absl::StrCat("embedding ", Bar(backlog.embedded / total, kBarCells),
                      " ", WithCommas(backlog.embedded), " of ",
                      WithCommas(backlog.embedded + backlog.pending), "  ",
                      WithCommas(static_cast<int64_t>(rate)), "/s  ",
                      ClockTime(rate > 0 ? absl::Seconds(backlog.pending / rate)
                                         : absl::InfiniteDuration()),
                      " left");
}

// Whether a later try may succeed though this one did not.
bool IsNotYet(const absl::Status& status) {
  return status.code() == absl::StatusCode::kDeadlineExceeded ||
         ReasonOf(status) == common::v1::ERROR_REASON_INDEX_NOT_READY ||
         RetryDelayOf(status).has_value();
}

}  // namespace

absl::Status WaitUntilSearchable(Context& context, const std::string& database,
                                 const std::string& position) {
  Connection& connection = context.connection();
  const absl::Time start = absl::Now();
  const absl::Time deadline = connection.wait_deadline();
  ASSIGN_OR_RETURN(const auto collections,
                   FetchCollections(connection, database));
  ASSIGN_OR_RETURN(const Backlog first,
                   FetchBacklog(connection, database, collections));
  WaitForPositionRequest request;
  request.set_position(position);
  ProgressLine progress(context.console);
  while (true) {
    const absl::Duration left = deadline - absl::Now();
    const auto reached =
        connection.CallWithin(std::min(kStep, left), Role::kSearch,
                              &IndexService::Stub::WaitForPosition, request);
    if (reached.ok()) return absl::OkStatus();
    if (!IsNotYet(reached.status())) return reached.status();
    ASSIGN_OR_RETURN(const Backlog backlog,
                     FetchBacklog(connection, database, collections));
    const absl::Time now = absl::Now();
    if (now >= deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          "not everything is searchable after ",
          absl::FormatDuration(now - start), ": ", WithCommas(backlog.pending),
          " records wait to be embedded; see engramctl status"));
    }
    progress.Update(Describe(backlog, first, now - start), now);
    // An error that came at once must not be asked for in a tight loop.
    const absl::Duration asked = RetryDelayOf(reached.status()).value_or(kStep);
    if (reached.status().code() != absl::StatusCode::kDeadlineExceeded) {
      absl::SleepFor(std::min({asked, kStep, deadline - now}));
    }
  }
}

}  // namespace engram::engramctl
