#include "services/storage/change_log.h"

#include <random>

#include "libs/status/status_macros.h"
#include "services/storage/content_hash.h"

namespace engram::storage {
namespace {

constexpr absl::string_view kSelectEpoch =
    "SELECT value FROM _meta WHERE name = 'epoch'";
constexpr absl::string_view kInsertEpoch =
    "INSERT INTO _meta (name, value) VALUES ('epoch', ?)";
constexpr absl::string_view kSelectHead = R"sql(
SELECT sequence, checksum, committed_us, bytes_through
FROM _changes ORDER BY sequence DESC LIMIT 1)sql";
constexpr absl::string_view kInsertChange = R"sql(
INSERT INTO _changes
  (sequence, kind, collection, row, id, payload, checksum, committed_us,
   bytes_through)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?))sql";
constexpr absl::string_view kSelectChanges = R"sql(
SELECT sequence, kind, collection, row, id, payload, checksum, committed_us
FROM _changes WHERE sequence > ? ORDER BY sequence)sql";
constexpr absl::string_view kSelectChecksum =
    "SELECT checksum FROM _changes WHERE sequence = ?";
constexpr absl::string_view kSelectOldest =
    "SELECT coalesce(min(sequence), 1) FROM _changes";
// About what a change takes beside its id and payload.
constexpr int64_t kChangeBytes = 48;

void AppendNumber(uint64_t value, std::string& bytes) {
  char little_endian[8];
  for (int i = 0; i < 8; ++i) {
    little_endian[i] = static_cast<char>(value >> 8 * i);
  }
  bytes.append(little_endian, sizeof(little_endian));
}

// Of the checksum before and all that the change says.
// Stored. Never change the form.
uint64_t NextChecksum(uint64_t previous, int64_t sequence, ChangeKind kind,
                      int64_t collection, int64_t row, int64_t committed_us,
                      absl::string_view id, absl::string_view payload) {
  thread_local std::string bytes;
  bytes.clear();
  AppendNumber(previous, bytes);
  AppendNumber(sequence, bytes);
  AppendNumber(static_cast<uint64_t>(kind), bytes);
  AppendNumber(collection, bytes);
  AppendNumber(row, bytes);
  AppendNumber(committed_us, bytes);
  AppendNumber(id.size(), bytes);
  bytes.append(id.data(), id.size());
  bytes.append(payload.data(), payload.size());
  return ContentHash::Of(bytes).Prefix();
}

uint64_t RandomEpoch() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace

absl::StatusOr<ChangeLog> ChangeLog::Open(sqlite::Connection& connection) {
  uint64_t epoch = RandomEpoch();
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Prepare(kSelectEpoch));
  ASSIGN_OR_RETURN(const bool has_epoch, select.Step());
  if (has_epoch) {
    epoch = static_cast<uint64_t>(select.Int(0));
    select.Reset();
  } else {
    select.Reset();
    ASSIGN_OR_RETURN(sqlite::Statement insert,
                     connection.Prepare(kInsertEpoch));
    insert.BindInt(1, static_cast<int64_t>(epoch));
    RETURN_IF_ERROR(insert.Run());
  }
  ASSIGN_OR_RETURN(const LogHead head, ReadHead(connection, epoch));
  return ChangeLog(&connection, epoch, head);
}

absl::StatusOr<int64_t> ChangeLog::Append(ChangeKind kind, int64_t collection,
                                          int64_t row, absl::string_view id,
                                          absl::string_view payload,
                                          int64_t committed_us,
                                          int64_t image_bytes) {
  const int64_t sequence = head_.sequence + 1;
  const uint64_t checksum =
      NextChecksum(head_.checksum, sequence, kind, collection, row,
                   committed_us, id, payload);
  const int64_t bytes_through =
      head_.bytes_through + kChangeBytes +
      static_cast<int64_t>(id.size() + payload.size()) + image_bytes;
  ASSIGN_OR_RETURN(sqlite::Statement insert,
                   connection_->Cached(kInsertChange));
  insert.BindInt(1, sequence);
  insert.BindInt(2, static_cast<int64_t>(kind));
  insert.BindInt(3, collection);
  insert.BindInt(4, row);
  insert.BindText(5, id);
  insert.BindBlob(6, payload);
  insert.BindInt(7, static_cast<int64_t>(checksum));
  insert.BindInt(8, committed_us);
  insert.BindInt(9, bytes_through);
  RETURN_IF_ERROR(insert.Run());
  head_ = {.sequence = sequence,
           .checksum = checksum,
           .committed_us = committed_us,
           .bytes_through = bytes_through};
  return sequence;
}

absl::Status VisitChanges(
    sqlite::Connection& connection, int64_t sequence,
    absl::FunctionRef<absl::StatusOr<bool>(const Change&)> visit) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectChanges));
  select.BindInt(1, sequence);
  // One for all, so that its strings keep their memory.
  Change change;
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    change.sequence = select.Int(0);
    change.kind = static_cast<ChangeKind>(select.Int(1));
    change.collection = select.Int(2);
    change.row = select.Int(3);
    const absl::string_view id = select.Text(4);
    change.id.assign(id.data(), id.size());
    const absl::string_view payload = select.Blob(5);
    change.payload.assign(payload.data(), payload.size());
    change.checksum = static_cast<uint64_t>(select.Int(6));
    change.committed_us = select.Int(7);
    ASSIGN_OR_RETURN(const bool goes_on, visit(change));
    if (!goes_on) return absl::OkStatus();
  }
}

absl::StatusOr<LogHead> ReadHead(sqlite::Connection& connection,
                                 uint64_t epoch) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelectHead));
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return LogHead{.checksum = epoch};
  return LogHead{.sequence = select.Int(0),
                 .checksum = static_cast<uint64_t>(select.Int(1)),
                 .committed_us = select.Int(2),
                 .bytes_through = select.Int(3)};
}

absl::StatusOr<int64_t> ReadOldestSequence(sqlite::Connection& connection) {
  return connection.QueryInt(kSelectOldest);
}

absl::StatusOr<std::optional<uint64_t>> ReadChecksum(
    sqlite::Connection& connection, uint64_t epoch, int64_t sequence) {
  if (sequence == 0) {
    ASSIGN_OR_RETURN(const int64_t oldest, ReadOldestSequence(connection));
    if (oldest != 1) return std::nullopt;
    return epoch;
  }
  ASSIGN_OR_RETURN(sqlite::Statement select,
                   connection.Cached(kSelectChecksum));
  select.BindInt(1, sequence);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) return std::nullopt;
  return static_cast<uint64_t>(select.Int(0));
}

}  // namespace engram::storage
