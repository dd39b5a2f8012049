#include "services/storage/change_pruner.h"

#include <algorithm>
#include <optional>

#include "libs/status/status_macros.h"
#include "services/storage/change_retention.h"

namespace engram::storage {
namespace {

// Where the log begins, and up to where it may go.
struct Prunable {
  int64_t oldest = 0;
  // Less than `oldest` if nothing may go.
  int64_t last = 0;
};

absl::StatusOr<Prunable> FindPrunable(const Database& database,
                                      sqlite::Connection& connection,
                                      const LogHead& head) {
  Prunable prunable;
  ASSIGN_OR_RETURN(prunable.oldest, ReadOldestSequence(connection));
  ASSIGN_OR_RETURN(prunable.last,
                   FindLastToPrune(connection, prunable.oldest, head,
                                   database.RetentionNow(prunable.oldest)));
  return prunable;
}

absl::StatusOr<PrunedLog> ReadLeft(sqlite::Connection& connection) {
  PrunedLog left;
  ASSIGN_OR_RETURN(left.oldest, ReadOldestSequence(connection));
  ASSIGN_OR_RETURN(left.oldest_bytes, ReadOldestBytes(connection));
  return left;
}

// The log as it is, or nothing if some of it may go: a look that costs no
// commit.
absl::StatusOr<std::optional<PrunedLog>> Look(Database& database) {
  ASSIGN_OR_RETURN(const ReadView view, database.BeginRead());
  sqlite::Connection& reader = view.connection();
  ASSIGN_OR_RETURN(const LogHead head, ReadHead(reader, database.epoch()));
  ASSIGN_OR_RETURN(const Prunable prunable,
                   FindPrunable(database, reader, head));
  if (prunable.last >= prunable.oldest) return std::nullopt;
  return ReadLeft(reader);
}

}  // namespace

void ChangePruner::Start(Database& database, Done done) {
  const absl::StatusOr<std::optional<PrunedLog>> looked = Look(database);
  if (!looked.ok()) return done(looked.status());
  if (looked->has_value()) return done(**looked);
  const std::shared_ptr<ChangePruner> pruner(
      new ChangePruner(database, std::move(done)));
  pruner->SubmitSlice();
}

void ChangePruner::SubmitSlice() {
  database_.Submit(
      {.run =
           [self = shared_from_this()](WriteTransaction& transaction) {
             return self->RunSlice(transaction);
           },
       .done =
           [self = shared_from_this()](const absl::Status& status) {
             if (!status.ok()) {
               self->done_(status);
             } else if (self->ended_) {
               self->done_(self->left_);
             } else {
               self->SubmitSlice();
             }
           },
       .rows = kLeastSlice});
}

absl::Status ChangePruner::RunSlice(WriteTransaction& transaction) {
  sqlite::Connection& connection = transaction.connection();
  const LogHead& head = transaction.log().head();
  // Anew, as the log has grown, and followers have moved.
  ASSIGN_OR_RETURN(const Prunable prunable,
                   FindPrunable(database_, connection, head));
  const int64_t added =
      seen_sequence_ == 0 ? 0 : head.sequence - seen_sequence_;
  const int64_t slice = std::clamp(2 * added, kLeastSlice, kMostSlice);
  seen_sequence_ = head.sequence;
  ended_ = prunable.last < prunable.oldest + slice;
  if (prunable.last >= prunable.oldest) {
    RETURN_IF_ERROR(RemoveChanges(
        connection, std::min(prunable.last, prunable.oldest - 1 + slice)));
  }
  ASSIGN_OR_RETURN(left_, ReadLeft(connection));
  return absl::OkStatus();
}

}  // namespace engram::storage
