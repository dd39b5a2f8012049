#include "services/storage/data_directory_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <optional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;

class DataDirectoryLockTest : public ::testing::Test {
 protected:
  absl::StatusOr<DataDirectoryLock> Acquire(
      absl::Duration wait = absl::ZeroDuration()) {
    return DataDirectoryLock::Acquire(directory_.File("data"), wait);
  }

  engram::testing::TempDirectory directory_;
};

TEST_F(DataDirectoryLockTest, TheSecondIsRefusedAndToldOfTheFirst) {
  ASSERT_OK_AND_ASSIGN(const DataDirectoryLock first, Acquire());
  EXPECT_THAT(Acquire().status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("in use by process ", getpid(), ";")));
}

TEST_F(DataDirectoryLockTest, TheSecondWaitsAsLongAsItIsTold) {
  ASSERT_OK_AND_ASSIGN(const DataDirectoryLock first, Acquire());
  const absl::Time start = absl::Now();
  EXPECT_THAT(Acquire(absl::Milliseconds(200)).status(),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(200));
}

TEST_F(DataDirectoryLockTest, TheSecondGetsTheFolderOnceTheFirstLeaves) {
  auto first = Acquire();
  ASSERT_OK(first);
  std::optional<DataDirectoryLock> held(*std::move(first));
  absl::Status second;
  std::thread waiting(
      [&] { second = Acquire(absl::InfiniteDuration()).status(); });
  held.reset();
  waiting.join();
  EXPECT_OK(second);
}

TEST_F(DataDirectoryLockTest, AnotherProcessIsKeptOutUntilThisOneDies) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    const auto lock = Acquire();
    const char answer = lock.ok() ? 'y' : 'n';
    if (write(ready[1], &answer, 1) != 1) _exit(1);
    // Dies with its parent's signal only.
    pause();
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  EXPECT_THAT(Acquire().status(),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       absl::StrCat("in use by process ", child, ";")));
  ASSERT_EQ(kill(child, SIGKILL), 0);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_OK(Acquire());
  close(ready[0]);
  close(ready[1]);
}

TEST_F(DataDirectoryLockTest, TheFolderIsTheOwnersAlone) {
  ASSERT_OK(Acquire());
  struct stat folder;
  ASSERT_EQ(stat(directory_.File("data").c_str(), &folder), 0);
  EXPECT_EQ(folder.st_mode & 0777, 0700);
}

}  // namespace
}  // namespace engram::storage
