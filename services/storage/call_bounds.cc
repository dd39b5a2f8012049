#include "services/storage/call_bounds.h"

#include <sqlite3.h>

#include "absl/time/clock.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// Steps of SQLite's machine between two looks at the bounds: some 100 us.
constexpr int kStepsBetweenChecks = 20'000;

}  // namespace

absl::Status CallBounds::Check() const {
  if (absl::Now() >= deadline) {
    return absl::DeadlineExceededError("the call's deadline has passed");
  }
  if (is_cancelled()) return absl::CancelledError("the caller has gone");
  return absl::OkStatus();
}

StatementGuard::StatementGuard(sqlite::Connection& connection,
                               const CallBounds& bounds)
    : connection_(connection), bounds_(bounds) {
  sqlite3_progress_handler(
      connection.handle(), kStepsBetweenChecks,
      +[](void* self) {
        return static_cast<StatementGuard*>(self)->bounds_.Check().ok() ? 0 : 1;
      },
      this);
}

StatementGuard::~StatementGuard() {
  sqlite3_progress_handler(connection_.handle(), 0, nullptr, nullptr);
}

absl::Status StatementGuard::Explain(absl::Status status) const {
  if (status.ok()) return status;
  RETURN_IF_ERROR(bounds_.Check());
  return status;
}

}  // namespace engram::storage
