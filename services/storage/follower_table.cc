#include "services/storage/follower_table.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

constexpr size_t kMaxNameBytes = 63;

constexpr absl::string_view kSelectAll = R"sql(
SELECT name, epoch, sequence, acknowledged_us FROM _followers ORDER BY name)sql";
constexpr absl::string_view kSelect =
    "SELECT epoch, sequence FROM _followers WHERE name = ?";
constexpr absl::string_view kCount = "SELECT count(*) FROM _followers";
constexpr absl::string_view kUpsert = R"sql(
INSERT INTO _followers (name, epoch, sequence, acknowledged_us)
VALUES (?, ?, ?, ?)
ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch,
  sequence = excluded.sequence, acknowledged_us = excluded.acknowledged_us)sql";
constexpr absl::string_view kDelete = "DELETE FROM _followers WHERE name = ?";

// That a follower may be at `sequence`, if it is one that is known.
absl::Status CheckProgress(WriteTransaction& transaction,
                           absl::string_view name, int64_t sequence) {
  sqlite::Connection& connection = transaction.connection();
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Cached(kSelect));
  select.BindText(1, name);
  ASSIGN_OR_RETURN(const bool found, select.Step());
  if (!found) {
    ASSIGN_OR_RETURN(const int64_t count, connection.QueryInt(kCount));
    if (count < static_cast<int64_t>(FollowerTable::kMaxFollowers)) {
      return absl::OkStatus();
    }
    return absl::ResourceExhaustedError(
        absl::StrCat("the database has ", count,
                     " followers already; remove one that is gone for good"));
  }
  // What it had of an epoch that has ended says nothing.
  const bool is_of_this_epoch =
      static_cast<uint64_t>(select.Int(0)) == transaction.log().epoch();
  if (!is_of_this_epoch || sequence >= select.Int(1)) return absl::OkStatus();
  return InvalidField(
      "position",
      absl::StrCat("is at ", sequence, ", but the follower \"", name,
                   "\" acknowledged ", select.Int(1),
                   " already; to go back, remove the follower first"));
}

}  // namespace

absl::Status FollowerTable::Load(sqlite::Connection& connection) {
  ASSIGN_OR_RETURN(sqlite::Statement select, connection.Prepare(kSelectAll));
  while (true) {
    ASSIGN_OR_RETURN(const bool found, select.Step());
    if (!found) return absl::OkStatus();
    Publish({.name = std::string(select.Text(0)),
             .epoch = static_cast<uint64_t>(select.Int(1)),
             .sequence = select.Int(2),
             .acknowledged_us = select.Int(3)});
  }
}

absl::Status FollowerTable::Acknowledge(WriteTransaction& transaction,
                                        absl::string_view name,
                                        int64_t sequence, Follower* follower) {
  const ChangeLog& log = transaction.log();
  if (sequence > log.head().sequence) {
    return InvalidField("position", absl::StrCat("is at ", sequence,
                                                 ", but the newest change is ",
                                                 log.head().sequence));
  }
  RETURN_IF_ERROR(CheckProgress(transaction, name, sequence));
  *follower = {.name = std::string(name),
               .epoch = log.epoch(),
               .sequence = sequence,
               .acknowledged_us = transaction.now_us()};
  ASSIGN_OR_RETURN(sqlite::Statement upsert,
                   transaction.connection().Cached(kUpsert));
  upsert.BindText(1, name);
  upsert.BindInt(2, static_cast<int64_t>(follower->epoch));
  upsert.BindInt(3, follower->sequence);
  upsert.BindInt(4, follower->acknowledged_us);
  return upsert.Run();
}

absl::Status FollowerTable::Remove(WriteTransaction& transaction,
                                   absl::string_view name) {
  ASSIGN_OR_RETURN(sqlite::Statement remove,
                   transaction.connection().Cached(kDelete));
  remove.BindText(1, name);
  RETURN_IF_ERROR(remove.Run());
  if (transaction.connection().changes() > 0) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kNotFound, common::v1::ERROR_REASON_FOLLOWER_UNKNOWN,
      absl::StrCat("no follower is called \"", CutText(name, 80), "\""),
      {{"follower", CutText(name, 80)}});
}

void FollowerTable::Publish(const Follower& follower) {
  absl::MutexLock lock(&mutex_);
  followers_[follower.name] = follower;
}

void FollowerTable::Forget(absl::string_view name) {
  absl::MutexLock lock(&mutex_);
  const auto found = followers_.find(name);
  if (found != followers_.end()) followers_.erase(found);
}

std::optional<Follower> FollowerTable::Find(absl::string_view name) const {
  absl::MutexLock lock(&mutex_);
  const auto found = followers_.find(name);
  if (found == followers_.end()) return std::nullopt;
  return found->second;
}

std::vector<Follower> FollowerTable::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Follower> followers;
  for (const auto& [name, follower] : followers_) followers.push_back(follower);
  return followers;
}

std::optional<int64_t> FollowerTable::Slowest(uint64_t epoch,
                                              int64_t oldest) const {
  absl::MutexLock lock(&mutex_);
  std::optional<int64_t> slowest;
  for (const auto& [name, follower] : followers_) {
    if (follower.epoch != epoch) continue;
    if (follower.sequence < OldestPosition(oldest)) continue;
    slowest = std::min(slowest.value_or(follower.sequence), follower.sequence);
  }
  return slowest;
}

absl::Status CheckFollowerName(absl::string_view name) {
  const auto is_allowed = [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '_' ||
           c == '.' || c == '-';
  };
  if (!name.empty() && name.size() <= kMaxNameBytes &&
      absl::ascii_islower(name[0]) &&
      std::all_of(name.begin(), name.end(), is_allowed)) {
    return absl::OkStatus();
  }
  return InvalidField(
      "follower",
      absl::StrCat("is \"", CutText(name, 80),
                   "\"; give a name of a to z, 0 "
                   "to 9, _, . and -, which begins with a letter and has at "
                   "most ",
                   kMaxNameBytes, " characters"));
}

}  // namespace engram::storage
