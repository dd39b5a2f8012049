// What a power loss at any moment leaves of a database: every write that was
// acknowledged, and of the others each as a whole or not at all.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/sqlite/migrator.h"
#include "libs/sqlite/testing/fault_vfs.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/group_committer.h"
#include "services/storage/migrations/migrations.h"

namespace engram::storage {
namespace {

constexpr int kLosses = 1000;
constexpr int kRowsInBatch = 4;

// The table holds batches of rows; a write adds one batch or removes one, with
// a change-log entry a row.
class PowerLossTest : public ::testing::Test {
 protected:
  PowerLossTest() { disk_.KeepUnsyncedApart(); }

  int Draw(int below) {
    return std::uniform_int_distribution<int>(0, below - 1)(random_);
  }

  // Fails only where the power goes while it opens.
  absl::Status Open() {
    ASSIGN_OR_RETURN(auto connection, sqlite::Connection::Open(
                                          path_, sqlite::Access::kReadWrite));
    RETURN_IF_ERROR(sqlite::Migrate(*connection, DatabaseMigrations(), "test"));
    RETURN_IF_ERROR(
        connection->Execute("CREATE TABLE IF NOT EXISTS rows "
                            "(batch INTEGER, part INTEGER, content BLOB)"));
    // A log so small that checkpoints, and the reuse of the log, are under way
    // as often as commits are.
    ASSIGN_OR_RETURN(
        committer_,
        GroupCommitter::Create(std::move(connection),
                               {.max_wal_bytes = 100'000}, &clock_, &metrics_,
                               [](const GroupCommitter::Commit&) {}));
    return absl::OkStatus();
  }

  // Adds batch `id`, or removes it if it is there; notes what is acknowledged.
  void SubmitChange(int id) {
    const bool adds = batches_.count(id) == 0;
    in_flight_[id] = adds;
    committer_->Submit(
        {.run = [=](WriteTransaction& tx) { return Change(tx, id, adds); },
         .done =
             [=, this](const absl::Status& status) {
               if (!status.ok()) return;
               absl::MutexLock lock(&mutex_);
               acknowledged_.insert(id);
             }});
  }

  static absl::Status Change(WriteTransaction& transaction, int id, bool adds) {
    for (int part = 0; part < kRowsInBatch; ++part) {
      RETURN_IF_ERROR(transaction.connection().Execute(
          adds ? absl::StrCat("INSERT INTO rows VALUES (", id, ", ", part,
                              ", randomblob(700))")
               : absl::StrCat("DELETE FROM rows WHERE batch = ", id,
                              " AND part = ", part)));
      RETURN_IF_ERROR(transaction
                          .Append(adds ? ChangeKind::kRecordChanged
                                       : ChangeKind::kRecordDeleted,
                                  1, id, absl::StrCat(part))
                          .status());
    }
    return absl::OkStatus();
  }

  // Changes batches until the power goes, at a random one of the next
  // operations on files.
  void WorkUntilPowerIsLost() {
    // Some are lost while the file is opened, or made.
    if (Draw(4) == 0) disk_.LosePowerAfter(1 + Draw(30));
    const absl::Status opened = Open();
    ASSERT_TRUE(opened.ok() || disk_.power_is_lost()) << opened;
    if (!disk_.power_is_lost()) disk_.LosePowerAfter(1 + Draw(60));
    while (!disk_.power_is_lost()) {
      SubmitSome();
      WaitUntilIdle();
      Settle();
    }
    committer_.reset();
    disk_.RestorePower(random_);
  }

  // Several at once, so that groups form; none twice, for what becomes of a
  // batch would depend on the order.
  void SubmitSome() {
    std::set<int> ids;
    for (int i = Draw(6); i >= 0; --i) ids.insert(next_id_++);
    for (int i = Draw(6); i > 0 && !batches_.empty(); --i) {
      ids.insert(*std::next(batches_.begin(), Draw(batches_.size())));
    }
    for (const int id : ids) SubmitChange(id);
  }

  // Goes on in a file that does not exist yet.
  void StartAfresh(int number) {
    path_ = directory_.File(absl::StrCat(number, ".db"));
    batches_.clear();
  }

  // Queues a write that does nothing behind all others.
  void WaitUntilIdle() {
    absl::Notification idle;
    committer_->Submit(
        {.run = [](WriteTransaction&) { return absl::OkStatus(); },
         .done = [&](const absl::Status&) { idle.Notify(); }});
    idle.WaitForNotification();
  }

  // Takes what was acknowledged as done.
  void Settle() {
    absl::MutexLock lock(&mutex_);
    for (const int id : acknowledged_) {
      if (in_flight_[id]) {
        batches_.insert(id);
      } else {
        batches_.erase(id);
      }
      in_flight_.erase(id);
    }
    acknowledged_.clear();
  }

  // Checks the file, and takes note of which unacknowledged batches got in.
  void Check() {
    ASSERT_OK(Open());
    committer_.reset();
    ASSERT_OK_AND_ASSIGN(auto reader, sqlite::Connection::Open(
                                          path_, sqlite::Access::kReadOnly));
    {
      ASSERT_OK_AND_ASSIGN(auto check,
                           reader->Prepare("PRAGMA integrity_check"));
      ASSERT_OK(check.Step());
      ASSERT_EQ(check.Text(0), "ok");
    }
    ASSERT_OK_AND_ASSIGN(const std::set<int> found, ReadBatches(*reader));
    for (const auto& [id, adds] : in_flight_) {
      if (found.count(id) > 0) {
        batches_.insert(id);
      } else {
        batches_.erase(id);
      }
    }
    in_flight_.clear();
    ASSERT_EQ(found, batches_);
    CheckLog(*reader);
  }

  // None may be there in part.
  static absl::StatusOr<std::set<int>> ReadBatches(
      sqlite::Connection& connection) {
    ASSIGN_OR_RETURN(
        auto select,
        connection.Prepare("SELECT batch, count(*) FROM rows GROUP BY batch"));
    std::set<int> batches;
    while (true) {
      ASSIGN_OR_RETURN(const bool found, select.Step());
      if (!found) return batches;
      batches.insert(static_cast<int>(select.Int(0)));
      EXPECT_EQ(select.Int(1), kRowsInBatch) << "a write is half there";
    }
  }

  // The log has no gap, and says of every batch what the table holds.
  void CheckLog(sqlite::Connection& connection) {
    std::map<int, int> parts;
    int64_t sequence = 0;
    ASSERT_OK(VisitChanges(
        connection, 0,
        [&](const storage::Change& change) -> absl::StatusOr<bool> {
          EXPECT_EQ(change.sequence, ++sequence);
          parts[static_cast<int>(change.row)] +=
              change.kind == ChangeKind::kRecordChanged ? 1 : -1;
          return true;
        }));
    for (const auto& [id, count] : parts) {
      ASSERT_EQ(count, batches_.count(id) > 0 ? kRowsInBatch : 0) << id;
    }
  }

  engram::testing::TempDirectory directory_;
  std::string path_;
  engram::testing::FaultVfs disk_;
  std::mt19937_64 random_{
      static_cast<uint64_t>(::testing::UnitTest::GetInstance()->random_seed())};
  engram::testing::FakeClock clock_;
  prometheus::Registry registry_;
  StorageMetrics metrics_{registry_};
  int next_id_ = 1;
  // The batches that are there, and those that the writes under way add (true)
  // or remove.
  std::set<int> batches_;
  std::map<int, bool> in_flight_;
  absl::Mutex mutex_;
  std::set<int> acknowledged_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<GroupCommitter> committer_;
};

TEST_F(PowerLossTest, AThousandLossesUnderLoadLoseNoAcknowledgedWrite) {
  for (int loss = 0; loss < kLosses; ++loss) {
    SCOPED_TRACE(absl::StrCat("power loss ", loss));
    // Files stay small, and some losses come while one is made.
    if (loss % 20 == 0) StartAfresh(loss);
    WorkUntilPowerIsLost();
    Check();
    if (HasFailure()) return;
  }
  // Enough got through between the losses to have been at risk.
  EXPECT_GT(next_id_, kLosses);
}

}  // namespace
}  // namespace engram::storage
