#include "services/storage/change_retention.h"

#include <algorithm>

#include "absl/functional/function_ref.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/record_images.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectOne =
    "SELECT committed_us, bytes_through FROM _changes WHERE sequence = ?";
constexpr absl::string_view kSelectOldestBytes =
    "SELECT coalesce((SELECT bytes_through FROM _changes "
    "ORDER BY sequence LIMIT 1), 0)";
constexpr absl::string_view kDeleteThrough =
    "DELETE FROM _changes WHERE sequence <= ?";

// The last change in [first, last] for which `may_go`, given its time and its
// bytes_through, is true; first - 1 if there is none. Both only grow, and the
// sequences have no gaps, so the ones that may go come first.
absl::StatusOr<int64_t> FindLast(
    sqlite::Connection& connection, int64_t first, int64_t last,
    absl::FunctionRef<bool(int64_t committed_us, int64_t bytes_through)>
        may_go) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectOne));
  while (first <= last) {
    const int64_t middle = first + (last - first) / 2;
    select.Reset();
    select.BindInt(1, middle);
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::DataLossError("the change log has a gap");
    if (may_go(select.Int(0), select.Int(1))) {
      first = middle + 1;
    } else {
      last = middle - 1;
    }
  }
  return first - 1;
}

}  // namespace

absl::StatusOr<int64_t> FindLastToPrune(sqlite::Connection& connection,
                                        int64_t oldest, const LogHead& head,
                                        const ChangeRetention& retention) {
  const int64_t newest = head.sequence - 1;
  ASSIGN_OR_RETURN(const int64_t by_age,
                   FindLast(connection, oldest,
                            std::min(newest, retention.follower_sequence - 1),
                            [&](int64_t committed_us, int64_t) {
                              return committed_us < retention.oldest_us;
                            }));
  ASSIGN_OR_RETURN(
      const int64_t by_size,
      FindLast(connection, oldest, newest, [&](int64_t, int64_t bytes_through) {
        return head.bytes_through - bytes_through >= retention.max_bytes;
      }));
  return std::max(by_age, by_size);
}

absl::StatusOr<int64_t> ReadOldestBytes(sqlite::Connection& connection) {
  return connection.QueryInt(kSelectOldestBytes);
}

absl::Status RemoveChanges(sqlite::Connection& connection, int64_t last) {
  RETURN_IF_ERROR(PruneImages(connection, last));
  ASSIGN_OR_RETURN(sqlite::Statement remove, connection.Cached(kDeleteThrough));
  remove.BindInt(1, last);
  return remove.Run();
}

}  // namespace engram::storage
