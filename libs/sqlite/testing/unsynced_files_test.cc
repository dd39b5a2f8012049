#include "libs/sqlite/testing/unsynced_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "libs/sqlite/testing/temp_directory.h"

namespace engram::testing {
namespace {

using ::testing::Contains;
using ::testing::IsSupersetOf;

constexpr size_t kSector = UnsyncedFiles::kSectorBytes;

class UnsyncedFilesTest : public ::testing::Test {
 protected:
  // Does `story` with a file that holds `content`, and returns what hundreds of
  // power losses after it leave: "gone" where the file is.
  std::set<std::string> Outcomes(
      const std::string& content,
      const std::function<void(UnsyncedFiles&)>& story) {
    std::set<std::string> outcomes;
    for (int i = 0; i < 500; ++i) {
      std::ofstream(path_, std::ios::trunc) << content;
      UnsyncedFiles files;
      files.Open(path_);
      story(files);
      files.LosePower(random_);
      outcomes.insert(Read());
    }
    return outcomes;
  }

  std::string Read() {
    if (!std::filesystem::exists(path_)) return "gone";
    std::ostringstream bytes;
    bytes << std::ifstream(path_).rdbuf();
    return bytes.str();
  }

  TempDirectory directory_;
  const std::string path_ = directory_.File("file");
  std::mt19937_64 random_{1};
};

TEST_F(UnsyncedFilesTest, WhatWasSyncedSurvives) {
  EXPECT_THAT(Outcomes("old",
                       [&](UnsyncedFiles& files) {
                         files.Write(path_, 0, "newer");
                         files.Sync(path_);
                       }),
              ::testing::ElementsAre("newer"));
}

TEST_F(UnsyncedFilesTest, WhatWasNotMayBeLostOrKept) {
  EXPECT_THAT(
      Outcomes("old",
               [&](UnsyncedFiles& files) { files.Write(path_, 0, "new"); }),
      ::testing::UnorderedElementsAre("old", "new"));
}

TEST_F(UnsyncedFilesTest, AWriteIsTornBetweenSectorsAndNeverWithin) {
  const std::string a(kSector, 'a');
  const std::string b(kSector, 'b');
  EXPECT_THAT(
      Outcomes(a + a,
               [&](UnsyncedFiles& files) { files.Write(path_, 0, b + b); }),
      ::testing::UnorderedElementsAre(a + a, a + b, b + a, b + b));
}

TEST_F(UnsyncedFilesTest, ALaterWriteMayGetToTheDiskBeforeAnEarlierOne) {
  const std::string a(kSector, 'a');
  const std::string b(kSector, 'b');
  EXPECT_THAT(Outcomes(a + a,
                       [&](UnsyncedFiles& files) {
                         files.Write(path_, 0, b);
                         files.Write(path_, kSector, b);
                       }),
              Contains(a + b));
}

TEST_F(UnsyncedFilesTest, ATruncationMayBeLostOrKept) {
  const auto outcomes = Outcomes(
      "content", [&](UnsyncedFiles& files) { files.Truncate(path_, 0); });
  EXPECT_THAT(outcomes, IsSupersetOf({"content", ""}));
}

TEST_F(UnsyncedFilesTest, AFileMayGrowWithoutItsContent) {
  const std::string a(kSector, 'a');
  const auto outcomes =
      Outcomes("", [&](UnsyncedFiles& files) { files.Write(path_, 0, a); });
  EXPECT_THAT(outcomes,
              IsSupersetOf({std::string(), a, std::string(kSector, '\0')}));
}

TEST_F(UnsyncedFilesTest, ADeletedFileMayComeBackUntilItsDirectoryIsSynced) {
  EXPECT_THAT(Outcomes("old",
                       [&](UnsyncedFiles& files) {
                         files.Delete(path_);
                         std::filesystem::remove(path_);
                       }),
              ::testing::UnorderedElementsAre("old", "gone"));
  EXPECT_THAT(Outcomes("old",
                       [&](UnsyncedFiles& files) {
                         files.Delete(path_);
                         std::filesystem::remove(path_);
                         files.SyncDirectoryOf(directory_.File("other"));
                       }),
              ::testing::ElementsAre("gone"));
}

}  // namespace
}  // namespace engram::testing
