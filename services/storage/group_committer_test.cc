#include "services/storage/group_committer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/sqlite/migrator.h"
#include "libs/sqlite/testing/fault_vfs.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/migrations/migrations.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;

// Writes rows into a table of one column, unique values only.
class GroupCommitterTest : public ::testing::Test {
 protected:
  using Work = std::function<absl::Status(WriteTransaction&)>;

  void SetUp() override {
    Open();
    ASSERT_OK(Wait([](WriteTransaction& transaction) {
      return transaction.connection().Execute(
          "CREATE TABLE t (a INTEGER UNIQUE); CREATE TABLE large (a BLOB)");
    }));
    commits_.clear();
  }

  void Open(GroupCommitter::Options options = {}) {
    auto connection =
        sqlite::Connection::Open(path_, sqlite::Access::kReadWrite);
    ASSERT_OK(connection);
    ASSERT_OK(sqlite::Migrate(**connection, DatabaseMigrations(), "test"));
    writer_ = connection->get();
    auto committer = GroupCommitter::Create(
        *std::move(connection), options, &clock_, &metrics_,
        [this](const GroupCommitter::Commit& commit) {
          commits_.push_back(commit.head.sequence);
        });
    ASSERT_OK(committer);
    committer_ = *std::move(committer);
  }

  // Holds the writer in a write of its own until Resume, so that what is
  // submitted meanwhile is one group.
  void Pause() {
    committer_->Submit({.run =
                            [this](WriteTransaction&) {
                              paused_.Notify();
                              resume_.WaitForNotification();
                              return absl::OkStatus();
                            },
                        .done = [](absl::Status) {}});
    paused_.WaitForNotification();
  }
  void Resume() { resume_.Notify(); }

  // Submits work; its result is found in results_ after Stop.
  void Submit(Work work, absl::Time deadline = absl::InfiniteFuture(),
              size_t bytes = 0) {
    const size_t place = results_.size();
    results_.push_back(absl::UnknownError("not done"));
    committer_->Submit(
        {.run = work,
         .done = [this,
                  place](absl::Status status) { results_[place] = status; },
         .bytes = bytes,
         .deadline = deadline});
  }

  absl::Status Wait(Work work) {
    absl::Notification done;
    absl::Status result;
    committer_->Submit({.run = work, .done = [&](absl::Status status) {
                          result = status;
                          done.Notify();
                        }});
    done.WaitForNotification();
    return result;
  }

  static Work Insert(int value) {
    return [value](WriteTransaction& transaction) -> absl::Status {
      RETURN_IF_ERROR(transaction.connection().Execute(
          absl::StrCat("INSERT INTO t VALUES (", value, ")")));
      return transaction.Append(ChangeKind::kRecordChanged, 1, value, "id")
          .status();
    };
  }

  void SubmitAlone(std::function<absl::Status(WriterAccess&)> work) {
    const size_t place = results_.size();
    results_.push_back(absl::UnknownError("not done"));
    committer_->Submit({.run_alone = std::move(work),
                        .done = [this, place](absl::Status status) {
                          results_[place] = status;
                        }});
  }

  // Inserts in a transaction of its own, which it gives up unless `result` is
  // OK.
  static std::function<absl::Status(WriterAccess&)> InsertAlone(
      int value, const absl::Status& result) {
    return [value, result](WriterAccess& access) -> absl::Status {
      EXPECT_FALSE(access.connection.in_transaction());
      ASSIGN_OR_RETURN(
          sqlite::Transaction transaction,
          sqlite::Transaction::Begin(access.connection,
                                     sqlite::Transaction::Kind::kWrite));
      RETURN_IF_ERROR(access.connection.Execute(
          absl::StrCat("INSERT INTO t VALUES (", value, ")")));
      RETURN_IF_ERROR(access.log
                          .Append(ChangeKind::kRecordChanged, 1, value, "id",
                                  "", access.now_us)
                          .status());
      RETURN_IF_ERROR(result);
      return access.Commit(transaction);
    };
  }

  // Grows the write-ahead log by some 64 KiB.
  static Work InsertLarge() {
    return [](WriteTransaction& transaction) {
      return transaction.connection().Execute(
          "INSERT INTO large VALUES (zeroblob(65536))");
    };
  }

  // One state of the file, for as long as it lives.
  class Read {
   public:
    explicit Read(const std::string& path)
        : connection_(
              *sqlite::Connection::Open(path, sqlite::Access::kReadOnly)),
          transaction_(*sqlite::Transaction::Begin(
              *connection_, sqlite::Transaction::Kind::kRead)) {
      EXPECT_OK(connection_->QueryInt("SELECT count(*) FROM t"));
    }

   private:
    const std::unique_ptr<sqlite::Connection> connection_;
    const sqlite::Transaction transaction_;
  };

  std::vector<int64_t> Values() {
    std::vector<int64_t> values;
    auto reader = sqlite::Connection::Open(path_, sqlite::Access::kReadOnly);
    EXPECT_OK(reader);
    auto select = (*reader)->Prepare("SELECT a FROM t ORDER BY a");
    EXPECT_OK(select);
    while (*select->Step()) values.push_back(select->Int(0));
    return values;
  }

  std::vector<int64_t> LoggedRows() {
    std::vector<int64_t> rows;
    auto reader = sqlite::Connection::Open(path_, sqlite::Access::kReadOnly);
    EXPECT_OK(reader);
    EXPECT_OK(VisitChanges(**reader, 0,
                           [&](const Change& change) -> absl::StatusOr<bool> {
                             rows.push_back(change.row);
                             return true;
                           }));
    return rows;
  }

  engram::testing::TempDirectory directory_;
  const std::string path_ = directory_.File("engram.db");
  engram::testing::FakeClock clock_;
  prometheus::Registry registry_;
  StorageMetrics metrics_{registry_};
  std::vector<int64_t> commits_;
  std::vector<absl::Status> results_;
  absl::Notification paused_;
  absl::Notification resume_;
  sqlite::Connection* writer_ = nullptr;
  std::unique_ptr<GroupCommitter> committer_;
};

TEST_F(GroupCommitterTest, QueuedWritesShareOneCommit) {
  Pause();
  for (int i = 1; i <= 3; ++i) Submit(Insert(i));
  Resume();
  committer_->Stop();
  // The pause's own commit, then one for all three.
  EXPECT_THAT(commits_, ElementsAre(0, 3));
  EXPECT_THAT(results_, ::testing::Each(engram::testing::IsOk()));
  EXPECT_THAT(Values(), ElementsAre(1, 2, 3));
}

TEST_F(GroupCommitterTest, WorkThatRunsAloneHasItsTurnBetweenGroups) {
  Pause();
  Submit(Insert(1));
  SubmitAlone(InsertAlone(2, absl::OkStatus()));
  Submit(Insert(3));
  Submit(Insert(4));
  Resume();
  committer_->Stop();
  EXPECT_THAT(commits_, ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(results_, ::testing::Each(engram::testing::IsOk()));
  EXPECT_THAT(LoggedRows(), ElementsAre(1, 2, 3, 4));
}

TEST_F(GroupCommitterTest, WorkThatRunsAloneAndFailsLeavesNothing) {
  Pause();
  Submit(Insert(1));
  SubmitAlone(InsertAlone(2, absl::AbortedError("no")));
  Submit(Insert(3));
  Resume();
  committer_->Stop();
  EXPECT_THAT(results_[1], StatusIs(absl::StatusCode::kAborted));
  EXPECT_THAT(Values(), ElementsAre(1, 3));
  EXPECT_THAT(LoggedRows(), ElementsAre(1, 3));
}

TEST_F(GroupCommitterTest, AFailedWriteHarmsNoOther) {
  Pause();
  Submit(Insert(1));
  Submit([](WriteTransaction& transaction) -> absl::Status {
    RETURN_IF_ERROR(Insert(2)(transaction));
    // Taken by the write before; undoes the row above too.
    return Insert(1)(transaction);
  });
  Submit(Insert(3));
  Resume();
  committer_->Stop();
  EXPECT_OK(results_[0]);
  EXPECT_THAT(results_[1], StatusIs(absl::StatusCode::kAlreadyExists));
  EXPECT_OK(results_[2]);
  EXPECT_THAT(Values(), ElementsAre(1, 3));
  EXPECT_THAT(LoggedRows(), ElementsAre(1, 3));
  EXPECT_THAT(commits_, ElementsAre(0, 2));
}

TEST_F(GroupCommitterTest, WhereTheWholeTransactionFailsWritesRunOneByOne) {
  ASSERT_OK(writer_->Execute("CREATE TABLE big (a BLOB)"));
  // Room for a few more pages, not for a large row.
  ASSERT_OK_AND_ASSIGN(const int64_t pages,
                       writer_->QueryInt("PRAGMA page_count"));
  Pause();
  Submit(Insert(1));
  Submit([&](WriteTransaction& transaction) {
    return transaction.connection().Execute(
        absl::StrCat("PRAGMA max_page_count = ", pages + 4,
                     "; INSERT INTO big VALUES (zeroblob(1000000))"));
  });
  Submit(Insert(3));
  Resume();
  committer_->Stop();
  EXPECT_OK(results_[0]);
  EXPECT_THAT(results_[1], StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_OK(results_[2]);
  EXPECT_THAT(Values(), ElementsAre(1, 3));
  EXPECT_THAT(LoggedRows(), ElementsAre(1, 3));
  // A commit each, where they would have shared one.
  EXPECT_THAT(commits_, ElementsAre(0, 1, 2));
}

// What a failed sync left on disk is anybody's guess, so nothing is built on
// it.
TEST_F(GroupCommitterTest, AFailedSyncRefusesWritesUntilTheFileIsOpenedAgain) {
  committer_.reset();
  engram::testing::FaultVfs disk;
  Open();
  ASSERT_OK(Wait(Insert(1)));
  disk.FailSyncs();
  const absl::Status failed = Wait(Insert(2));
  EXPECT_THAT(failed, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(ReasonOf(failed), common::v1::ERROR_REASON_DURABILITY_UNKNOWN);
  disk.Heal();
  EXPECT_EQ(ReasonOf(Wait(Insert(3))),
            common::v1::ERROR_REASON_DURABILITY_UNKNOWN);
  committer_.reset();
  Open();
  EXPECT_OK(Wait(Insert(4)));
  EXPECT_THAT(Values(), ::testing::IsSupersetOf({1, 4}));
  EXPECT_THAT(Values(), ::testing::Not(::testing::Contains(3)));
  committer_.reset();
}

TEST_F(GroupCommitterTest, AWritePastItsDeadlineIsNotBegun) {
  Pause();
  Submit(Insert(1), absl::Now() - absl::Seconds(1));
  Submit(Insert(2), absl::Now() + absl::Hours(1));
  Resume();
  committer_->Stop();
  EXPECT_THAT(results_[0], StatusIs(absl::StatusCode::kDeadlineExceeded));
  EXPECT_THAT(Values(), ElementsAre(2));
}

TEST_F(GroupCommitterTest, AFullQueueRefusesAtOnce) {
  committer_.reset();
  Open({.max_queued_writes = 2, .max_queued_bytes = 100});
  Pause();
  Submit(Insert(1), absl::InfiniteFuture(), 60);
  Submit(Insert(2), absl::InfiniteFuture(), 60);
  EXPECT_THAT(results_[1], StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_EQ(ReasonOf(results_[1]), common::v1::ERROR_REASON_OVERLOADED);
  Submit(Insert(3), absl::InfiniteFuture(), 1);
  Submit(Insert(4), absl::InfiniteFuture(), 1);
  EXPECT_THAT(results_[3], StatusIs(absl::StatusCode::kResourceExhausted));
  Resume();
  committer_->Stop();
  EXPECT_THAT(Values(), ElementsAre(1, 3));
}

TEST_F(GroupCommitterTest, StopCommitsWhatIsQueuedAndRefusesWhatComesLater) {
  Pause();
  Submit(Insert(1));
  Resume();
  committer_->Stop();
  Submit(Insert(2));
  EXPECT_OK(results_[0]);
  EXPECT_THAT(results_[1], StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(Values(), ElementsAre(1));
}

TEST_F(GroupCommitterTest, ReadsWithoutAGapDoNotLetTheWriteAheadLogGrow) {
  committer_->Stop();
  Open({.max_wal_bytes = 1 << 20});
  std::atomic<bool> end = false;
  std::thread readers([&] {
    // Each read begins before the other ends.
    std::unique_ptr<Read> reads[2];
    for (int i = 0; !end; i = 1 - i) {
      reads[i] = std::make_unique<Read>(path_);
      absl::SleepFor(absl::Milliseconds(2));
      reads[1 - i].reset();
    }
  });
  int64_t max_wal_bytes = 0;
  for (int i = 0; i < 200; ++i) {
    ASSERT_OK(Wait(InsertLarge()));
    max_wal_bytes = std::max(max_wal_bytes, writer_->wal_bytes());
  }
  end = true;
  readers.join();
  EXPECT_LT(max_wal_bytes, 3 << 20);
}

TEST_F(GroupCommitterTest, WritesGoOnBesideAReadLongerThanTheWaitForIt) {
  committer_->Stop();
  Open({.max_wal_bytes = 1 << 20, .max_restart_wait = absl::ZeroDuration()});
  {
    const Read read(path_);
    for (int i = 0; i < 100; ++i) ASSERT_OK(Wait(InsertLarge()));
    EXPECT_GT(writer_->wal_bytes(), 6 << 20);
  }
  for (int i = 0; i < 200; ++i) ASSERT_OK(Wait(InsertLarge()));
  EXPECT_LT(writer_->wal_bytes(), 3 << 20);
}

TEST_F(GroupCommitterTest, TheLogGoesOnWhereItEnded) {
  ASSERT_OK(Wait(Insert(1)));
  const uint64_t epoch = committer_->epoch();
  committer_.reset();
  Open();
  EXPECT_EQ(committer_->epoch(), epoch);
  EXPECT_EQ(committer_->first_head().sequence, 1);
  ASSERT_OK(Wait(Insert(2)));
  EXPECT_THAT(LoggedRows(), ElementsAre(1, 2));
}

TEST_F(GroupCommitterTest, ChecksumsDependOnEveryEarlierChange) {
  ASSERT_OK(Wait(Insert(1)));
  ASSERT_OK(Wait(Insert(2)));
  const uint64_t checksum = [&] {
    auto reader = sqlite::Connection::Open(path_, sqlite::Access::kReadOnly);
    EXPECT_OK(reader);
    return **ReadChecksum(**reader, committer_->epoch(), 2);
  }();
  committer_.reset();
  // Another first change, the same second one.
  ASSERT_OK_AND_ASSIGN(auto connection, sqlite::Connection::Open(
                                            path_, sqlite::Access::kReadWrite));
  ASSERT_OK(connection->Execute("DELETE FROM _changes; DELETE FROM t"));
  connection.reset();
  Open();
  ASSERT_OK(Wait(Insert(7)));
  ASSERT_OK(Wait(Insert(2)));
  auto reader = sqlite::Connection::Open(path_, sqlite::Access::kReadOnly);
  ASSERT_OK(reader);
  EXPECT_NE(**ReadChecksum(**reader, committer_->epoch(), 2), checksum);
}

}  // namespace
}  // namespace engram::storage
