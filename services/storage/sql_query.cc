#include "services/storage/sql_query.h"

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/sql_values.h"

namespace engram::storage {
namespace {

constexpr int kDefaultRows = 1000;
constexpr int kMaxRows = 10'000;
// What a row or a name takes in a message beside its own bytes.
constexpr int64_t kFrameBytes = 8;

absl::StatusOr<int> DecodeMaxRows(int sent) {
  if (sent < 0) {
    return InvalidField("max_rows",
                        absl::StrCat("is ", sent, "; give 0 for the default, ",
                                     "or up to ", kMaxRows));
  }
  return sent == 0 ? kDefaultRows : std::min(sent, kMaxRows);
}

// The file that a database's readers read.
absl::StatusOr<std::string> PathOf(Database& database) {
  ASSIGN_OR_RETURN(const ReadPool::Lease reader, database.AcquireReader());
  return reader->path();
}

// Adds the rows of `statement`, as many as there may be.
absl::Status ReadRows(sqlite::GuestStatement& statement, int max_rows,
                      int64_t max_bytes, v1::QueryResponse* response) {
  const int columns = statement.column_count();
  int64_t bytes = 0;
  for (int i = 0; i < columns; ++i) {
    response->add_columns(MakeUtf8(statement.ColumnName(i)));
    bytes += static_cast<int64_t>(response->columns(i).size()) + kFrameBytes;
  }
  while (true) {
    ASSIGN_OR_RETURN(const bool found, statement.Step());
    if (!found) return absl::OkStatus();
    if (response->rows_size() == max_rows) break;
    google::protobuf::ListValue* row = response->add_rows();
    for (int i = 0; i < columns; ++i) {
      EncodeSqlValue(statement, i, row->add_values());
    }
    bytes += static_cast<int64_t>(row->ByteSizeLong()) + kFrameBytes;
    if (bytes <= max_bytes) continue;
    response->mutable_rows()->RemoveLast();
    if (response->rows().empty()) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "the first row alone has more than the ", max_bytes,
          " bytes that an answer holds; name the columns that are wanted, or "
          "take a part of a value with substr()"));
    }
    break;
  }
  response->set_truncated(true);
  return absl::OkStatus();
}

absl::Status CompileAndRun(const std::string& path,
                           const v1::QueryRequest& request, int max_rows,
                           const CallBounds& bounds,
                           const SqlQueryLimits& limits,
                           v1::QueryResponse* response) {
  ASSIGN_OR_RETURN(const auto connection,
                   sqlite::GuestConnection::Open(path, limits.sqlite));
  connection->EndWhen([&bounds] { return !bounds.Check().ok(); });
  absl::StatusOr<sqlite::GuestStatement> statement =
      connection->Compile(request.sql());
  absl::Status status = statement.status();
  if (status.ok()) {
    RETURN_IF_ERROR(BindSqlParameters(request.parameters(), *statement));
    status = ReadRows(*statement, max_rows, limits.answer_bytes, response);
  }
  if (!absl::IsInvalidArgument(status)) return status;
  return InvalidField("sql", MakeUtf8(status.message()));
}

}  // namespace

absl::Status RunSqlQuery(Database& database, const v1::QueryRequest& request,
                         const CallBounds& bounds, const SqlQueryLimits& limits,
                         v1::QueryResponse* response) {
  ASSIGN_OR_RETURN(const int max_rows, DecodeMaxRows(request.max_rows()));
  ASSIGN_OR_RETURN(const std::string path, PathOf(database));
  const absl::Time start = absl::Now();
  CallBounds own = bounds;
  own.deadline = std::min(bounds.deadline, start + limits.time);
  const absl::Status status =
      CompileAndRun(path, request, max_rows, own, limits, response);
  const absl::Duration duration = absl::Now() - start;
  response->mutable_duration()->set_seconds(absl::ToInt64Seconds(duration));
  response->mutable_duration()->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(duration % absl::Seconds(1))));
  if (status.ok()) return status;
  // An interrupted statement says only that it was.
  RETURN_IF_ERROR(bounds.Check());
  if (own.Check().ok()) return status;
  return absl::DeadlineExceededError(absl::StrCat(
      "the statement worked for ", absl::FormatDuration(limits.time),
      ", the most that one may; let it use an index, or look at "
      "fewer records"));
}

}  // namespace engram::storage
