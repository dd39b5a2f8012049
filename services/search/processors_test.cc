#include "services/search/processors.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <thread>

#include "libs/sqlite/testing/temp_directory.h"

namespace engram::search {
namespace {

namespace fs = std::filesystem;

const int kAll =
    std::max(1, static_cast<int>(std::thread::hardware_concurrency()));

// Control groups as the kernel shows them.
class ProcessorsTest : public ::testing::Test {
 protected:
  void Tell(const std::string& file, const std::string& text) {
    const fs::path path = fs::path(groups_.path()) / file;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text << "\n";
  }
  int Usable() { return UsableProcessors(groups_.path()); }

  const engram::testing::TempDirectory groups_;
};

TEST_F(ProcessorsTest, WithoutALimitTheyAreThoseOfTheMachine) {
  EXPECT_EQ(Usable(), kAll);
  Tell("cpu.max", "max 100000");
  EXPECT_EQ(Usable(), kAll);
  Tell("cpu.max", "100000000 100000");
  EXPECT_EQ(Usable(), kAll);
  EXPECT_GE(UsableProcessors(), 1);
}

TEST_F(ProcessorsTest, AControlGroupsTimeIsTheLimit) {
  Tell("cpu.max", "50000 100000");
  EXPECT_EQ(Usable(), 1);
  Tell("cpu.max", "150000 100000");
  EXPECT_EQ(Usable(), std::min(2, kAll));
}

TEST_F(ProcessorsTest, SoItIsWithControlGroupsOfVersion1) {
  Tell("cpu/cpu.cfs_period_us", "100000");
  Tell("cpu/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(Usable(), kAll);
  Tell("cpu/cpu.cfs_quota_us", "70000");
  EXPECT_EQ(Usable(), 1);
}

TEST(YieldToQueriesTest, IsOfTheThreadAndThoseThatItStarts) {
  const auto niceness = [] { return getpriority(PRIO_PROCESS, 0); };
  const int before = niceness();
  int once = 0;
  int twice = 0;
  int child = 0;
  std::thread thread([&] {
    YieldToQueries();
    once = niceness();
    YieldToQueries();
    twice = niceness();
    std::thread([&] { child = niceness(); }).join();
  });
  thread.join();
  EXPECT_GT(once, before);
  EXPECT_EQ(twice, once);
  EXPECT_EQ(child, once);
  EXPECT_EQ(niceness(), before);
}

}  // namespace
}  // namespace engram::search
