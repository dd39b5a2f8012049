#ifndef ENGRAM_TESTS_INTEGRATION_STORE_CHECKER_H_
#define ENGRAM_TESTS_INTEGRATION_STORE_CHECKER_H_

#include <string>

#include "absl/status/status.h"

namespace engram::storage::testing {

// Checks that a database's file is whole, beyond what SQLite knows of it:
//
//   - SQLite's own integrity check, and foreign keys
//   - every record meets its fields' rules and its collection's checks
//   - counts of records, elements of lists and full text are what the records
//     say, made anew
//   - roll-ups equal a recount
//   - no unique key is held twice
//   - the change log has no gap and agrees with the records on which are there
//   - outbox entries and vectors belong to records
//
// `DataLoss` naming what is broken first. Writes nothing. The file may be in
// use, though not by a writer that never pauses. Whatever uses `now` in checks
// or roll-ups is not for this.
absl::Status CheckStore(const std::string& path);

}  // namespace engram::storage::testing

#endif  // ENGRAM_TESTS_INTEGRATION_STORE_CHECKER_H_
