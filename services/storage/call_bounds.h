// How long a call may work, for statements that may take long.

#ifndef ENGRAM_SERVICES_STORAGE_CALL_BOUNDS_H_
#define ENGRAM_SERVICES_STORAGE_CALL_BOUNDS_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/sqlite/connection.h"

namespace engram::storage {

// How long a call may work.
struct CallBounds {
  absl::Time deadline = absl::InfiniteFuture();
  // Whether the caller has gone. Called by any thread.
  std::function<bool()> is_cancelled = [] { return false; };

  // `DeadlineExceeded` or `Cancelled` once it may not.
  absl::Status Check() const;
};

// Ends the statements of a connection when a call's bounds are reached, until
// the end of the scope.
class StatementGuard {
 public:
  // Both must outlive the guard.
  StatementGuard(sqlite::Connection& connection, const CallBounds& bounds);
  ~StatementGuard();
  StatementGuard(const StatementGuard&) = delete;
  StatementGuard& operator=(const StatementGuard&) = delete;

  // `status` of a statement, or why it was ended.
  absl::Status Explain(absl::Status status) const;

 private:
  sqlite::Connection& connection_;
  const CallBounds& bounds_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CALL_BOUNDS_H_
