#ifndef ENGRAM_SERVICES_STORAGE_SQL_QUERY_H_
#define ENGRAM_SERVICES_STORAGE_SQL_QUERY_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/sqlite/guest_connection.h"
#include "services/storage/call_bounds.h"
#include "services/storage/database.h"

namespace engram::storage {

// What bounds a person's query, beside the deadline of the call.
struct SqlQueryLimits {
  // A query holds the write-ahead log as long as it works.
  absl::Duration time = absl::Seconds(30);
  // Of an answer: clients take messages of 4 MiB, of which a little is for the
  // rest of it.
  int64_t answer_bytes = (int64_t{4} << 20) - (64 << 10);
  sqlite::GuestConnection::Limits sqlite;
};

// Runs the request's statement, which only reads, on a connection of its own.
// `InvalidArgument` names what of the request is wrong, such as the place in
// its text; `ResourceExhausted` says what the statement takes too much of;
// `DeadlineExceeded` and `Cancelled` end it within some 100 us.
absl::Status RunSqlQuery(Database& database, const v1::QueryRequest& request,
                         const CallBounds& bounds, const SqlQueryLimits& limits,
                         v1::QueryResponse* response);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SQL_QUERY_H_
