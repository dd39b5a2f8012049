#include "services/storage/feed.h"

#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/change_encoder.h"
#include "services/storage/change_log.h"

namespace engram::storage {
namespace {

absl::Status EpochChanged(const Position& position) {
  return MakeError(
      absl::StatusCode::kOutOfRange, common::v1::ERROR_REASON_EPOCH_CHANGED,
      absl::StrCat("the change log has no position ", position.ToString(),
                   " with this checksum; take a snapshot"),
      {{"position", position.ToString()}});
}

absl::StatusOr<std::string> FindOldestPosition(const Database& database,
                                               sqlite::Connection& reader) {
  ASSIGN_OR_RETURN(const int64_t oldest, ReadOldestSequence(reader));
  return database.PositionAt(OldestPosition(oldest)).ToString();
}

absl::Status Pruned(const Database& database, sqlite::Connection& reader,
                    int64_t sequence) {
  const std::string position = database.PositionAt(sequence).ToString();
  ASSIGN_OR_RETURN(const std::string oldest,
                   FindOldestPosition(database, reader));
  return MakeError(
      absl::StatusCode::kOutOfRange, common::v1::ERROR_REASON_POSITION_PRUNED,
      absl::StrCat("the changes after ", position,
                   " are not kept any more: the oldest position that can be "
                   "followed from is ",
                   oldest, "; take a snapshot"),
      {{"position", position}, {"oldest_position", oldest}});
}

// About what a change takes in a message.
int64_t SizeOf(const v1::Change& change, const FeedScope& scope) {
  // Not counted piece by piece where there is little to count.
  constexpr int64_t kSmallChange = 64;
  if (scope.view == FeedScope::View::kIndex && change.has_record_changed()) {
    const v1::RecordChanged& changed = change.record_changed();
    const int64_t parts = changed.has_attributes() ? 2 : 1;
    return parts * kSmallChange +
           static_cast<int64_t>(changed.id().size() +
                                changed.collection().size() +
                                changed.attributes().fields().size());
  }
  return static_cast<int64_t>(change.ByteSizeLong());
}

}  // namespace

absl::Status CheckFollower(Database& database, const Position& position,
                           uint64_t checksum) {
  if (position.epoch != database.epoch() ||
      position.sequence > database.NewestPosition().sequence) {
    return EpochChanged(position);
  }
  ASSIGN_OR_RETURN(const ReadView view, database.BeginRead());
  sqlite::Connection& reader = view.connection();
  ASSIGN_OR_RETURN(const std::optional<uint64_t> expected,
                   ReadChecksum(reader, position.epoch, position.sequence));
  if (!expected.has_value()) {
    return Pruned(database, reader, position.sequence);
  }
  if (checksum != 0 && checksum != *expected) return EpochChanged(position);
  return absl::OkStatus();
}

absl::StatusOr<FeedProgress> ReadFeed(Database& database, int64_t sequence,
                                      const FeedScope& scope,
                                      v1::WatchChangesResponse* response) {
  // Changes and what they name, of one state of the file.
  ASSIGN_OR_RETURN(ReadView view, database.BeginRead());
  ChangeEncoder encoder(view, scope);
  FeedProgress progress = {.sequence = sequence, .has_caught_up = true};
  int64_t bytes = 0;
  int changes = 0;
  bool has_gap = false;
  RETURN_IF_ERROR(
      VisitChanges(view.connection(), sequence,
                   [&](const Change& change) -> absl::StatusOr<bool> {
                     // Pruned while the follower was reading.
                     has_gap = change.sequence != progress.sequence + 1;
                     if (has_gap) return false;
                     ASSIGN_OR_RETURN(const bool is_wanted,
                                      encoder.Encode(change, *response));
                     progress.sequence = change.sequence;
                     if (is_wanted)
                       bytes += SizeOf(*response->changes().rbegin(), scope);
                     progress.has_caught_up =
                         bytes < kChangesBytes && ++changes < kMostChanges;
                     return progress.has_caught_up;
                   }));
  if (has_gap) {
    return Pruned(database, view.connection(), progress.sequence);
  }
  response->set_position(database.PositionAt(progress.sequence).ToString());
  response->set_newest_position(database.NewestPosition().ToString());
  return progress;
}

}  // namespace engram::storage
