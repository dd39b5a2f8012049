// A disk that is full at any write of a commit or of a migration: what fails is
// told so and leaves nothing behind, and with room again all goes on.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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

using ::engram::testing::StatusIs;
using ::testing::AnyOf;

// More than anything here writes, and a step that is less than a page.
constexpr int kMuchRoom = 1'000'000;
constexpr int kRoomStep = 6000;

class DiskFullTest : public ::testing::Test {
 protected:
  std::string Path() const {
    return directory_.File(absl::StrCat(file_, ".db"));
  }

  std::unique_ptr<sqlite::Connection> Connect() {
    auto connection =
        sqlite::Connection::Open(Path(), sqlite::Access::kReadWrite);
    EXPECT_OK(connection);
    return *std::move(connection);
  }

  void ExpectWhole(sqlite::Connection& connection) {
    ASSERT_OK_AND_ASSIGN(auto check,
                         connection.Prepare("PRAGMA integrity_check"));
    ASSERT_OK(check.Step());
    EXPECT_EQ(check.Text(0), "ok");
  }

  engram::testing::TempDirectory directory_;
  engram::testing::FaultVfs disk_;
  int file_ = 0;
};

class DiskFullCommitTest : public DiskFullTest {
 protected:
  void Open() {
    ++file_;
    auto connection = Connect();
    ASSERT_OK(sqlite::Migrate(*connection, DatabaseMigrations(), "test"));
    ASSERT_OK(connection->Execute("CREATE TABLE t (a INTEGER, content BLOB)"));
    ASSERT_OK_AND_ASSIGN(
        committer_,
        GroupCommitter::Create(std::move(connection), {}, &clock_, &metrics_,
                               [](const GroupCommitter::Commit&) {}));
  }

  // A write of `kilobytes` in two rows, with a change each.
  Write MakeWrite(int number, int kilobytes, absl::Status& result) {
    return {
        .run = [=](WriteTransaction& transaction) -> absl::Status {
          for (int row = 0; row < 2; ++row) {
            RETURN_IF_ERROR(transaction.connection().Execute(
                absl::StrCat("INSERT INTO t VALUES (", number, ", randomblob(",
                             kilobytes * 512, "))")));
            RETURN_IF_ERROR(
                transaction.Append(ChangeKind::kRecordChanged, 1, number, "id")
                    .status());
          }
          return absl::OkStatus();
        },
        .done = [&result](absl::Status status) { result = status; }};
  }

  // Commits writes of these sizes as one group on a disk with so many bytes of
  // room; returns what each was told.
  std::vector<absl::Status> CommitGroup(const std::vector<int>& kilobytes,
                                        int room) {
    std::vector<absl::Status> results(kilobytes.size(),
                                      absl::UnknownError("not told"));
    absl::Notification paused;
    absl::Notification resume;
    committer_->Submit({.run =
                            [&](WriteTransaction&) {
                              paused.Notify();
                              resume.WaitForNotification();
                              return absl::OkStatus();
                            },
                        .done = [](absl::Status) {}});
    paused.WaitForNotification();
    for (size_t i = 0; i < kilobytes.size(); ++i) {
      committer_->Submit(
          MakeWrite(static_cast<int>(i), kilobytes[i], results[i]));
    }
    disk_.LimitRoom(room);
    resume.Notify();
    committer_->Stop();
    disk_.Heal();
    return results;
  }

  static int64_t RowsOf(sqlite::Connection& connection, size_t number) {
    return connection
        .QueryInt(absl::StrCat("SELECT count(*) FROM t WHERE a = ", number))
        .value();
  }
  static int64_t ChangesOf(sqlite::Connection& connection, size_t number) {
    return connection
        .QueryInt(
            absl::StrCat("SELECT count(*) FROM _changes WHERE row = ", number))
        .value();
  }

  engram::testing::FakeClock clock_;
  prometheus::Registry registry_;
  StorageMetrics metrics_{registry_};
  std::unique_ptr<GroupCommitter> committer_;
};

TEST_F(DiskFullCommitTest, EveryWriteIsTheFilesOrToldThatTheDiskIsFull) {
  int harmless_failures = 0;
  for (int room = 0; room < kMuchRoom; room += kRoomStep) {
    SCOPED_TRACE(absl::StrCat("room for ", room, " bytes"));
    Open();
    // The third is far too much for the small rooms, the others are not.
    const auto results = CommitGroup({1, 1, 300, 1, 1}, room);
    committer_.reset();
    const auto connection = Connect();
    ExpectWhole(*connection);
    for (size_t i = 0; i < results.size(); ++i) {
      SCOPED_TRACE(absl::StrCat("write ", i));
      EXPECT_THAT(results[i],
                  AnyOf(engram::testing::IsOk(),
                        StatusIs(absl::StatusCode::kResourceExhausted)));
      EXPECT_EQ(RowsOf(*connection, i), results[i].ok() ? 2 : 0);
      EXPECT_EQ(ChangesOf(*connection, i), results[i].ok() ? 2 : 0);
    }
    if (HasFailure() || results[2].ok()) break;
    if (results[1].ok()) ++harmless_failures;
  }
  // The large write failed while the small ones of its group were kept.
  EXPECT_GT(harmless_failures, 10);
}

TEST_F(DiskFullCommitTest, WithRoomAgainWritesSucceedAndTheLogHasNoGap) {
  Open();
  absl::Notification told;
  absl::Status full;
  disk_.LimitRoom(0);
  Write write = MakeWrite(1, 1, full);
  write.done = [&](absl::Status status) {
    full = status;
    told.Notify();
  };
  committer_->Submit(std::move(write));
  told.WaitForNotification();
  EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted));
  disk_.Heal();
  absl::Status later = absl::UnknownError("not told");
  committer_->Submit(MakeWrite(2, 1, later));
  committer_->Stop();
  EXPECT_OK(later);
  committer_.reset();
  const auto connection = Connect();
  EXPECT_EQ(RowsOf(*connection, 1), 0);
  EXPECT_EQ(RowsOf(*connection, 2), 2);
  EXPECT_EQ(connection->QueryInt("SELECT max(sequence) FROM _changes").value(),
            2);
}

// Each migration is one transaction: the file is at one of the steps, and the
// next start takes it on from there.
TEST_F(DiskFullTest, AMigrationLeavesAStepAndGoesOnFromIt) {
  int failures = 0;
  for (int room = 0; room < kMuchRoom; room += kRoomStep) {
    SCOPED_TRACE(absl::StrCat("room for ", room, " bytes"));
    ++file_;
    auto connection = Connect();
    disk_.LimitRoom(room);
    const absl::Status full =
        sqlite::Migrate(*connection, DatabaseMigrations(), "test");
    disk_.Heal();
    ExpectWhole(*connection);
    if (full.ok()) {
      EXPECT_GT(failures, 3);
      return;
    }
    ++failures;
    EXPECT_THAT(full, StatusIs(absl::StatusCode::kResourceExhausted));
    // As the next process finds it.
    connection.reset();
    connection = Connect();
    ASSERT_OK(sqlite::Migrate(*connection, DatabaseMigrations(), "test"));
    ExpectWhole(*connection);
    EXPECT_OK(connection->QueryInt("SELECT count(*) FROM _changes"));
  }
  FAIL() << "never had enough room";
}

}  // namespace
}  // namespace engram::storage
