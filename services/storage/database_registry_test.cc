#include "services/storage/database_registry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::SizeIs;

class DatabaseRegistryTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_OK(Open()); }

  absl::Status Open() {
    registry_.reset();
    auto opened =
        DatabaseRegistry::Open(directory_.path(), {}, &clock_, &metrics_);
    if (!opened.ok()) return opened.status();
    registry_ = *std::move(opened);
    return absl::OkStatus();
  }

  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const Database* database : registry_->List()) {
      names.push_back(database->name());
    }
    return names;
  }

  // The files and folders below a folder of the data directory.
  std::vector<std::string> Below(const std::string& folder) {
    std::vector<std::string> found;
    std::error_code error;
    for (const auto& entry :
         std::filesystem::directory_iterator(directory_.File(folder), error)) {
      found.push_back(entry.path().string());
    }
    return found;
  }

  absl::Status RunOnSystem(const std::string& sql) {
    const auto system = sqlite::Connection::Open(directory_.File("system.db"),
                                                 sqlite::Access::kReadWrite);
    if (!system.ok()) return system.status();
    return (*system)->Execute(sql);
  }

  engram::testing::TempDirectory directory_;
  engram::testing::FakeClock clock_;
  prometheus::Registry prometheus_;
  StorageMetrics metrics_{prometheus_};
  std::unique_ptr<DatabaseRegistry> registry_;
};

TEST_F(DatabaseRegistryTest, ADeletedDatabaseIsGoneWithItsFiles) {
  ASSERT_OK_AND_ASSIGN(Database* const database, registry_->Create("apple"));
  std::filesystem::create_directories(database->backup_directory());
  std::ofstream(absl::StrCat(database->backup_directory(), "/schema-x.db"))
      << "x";
  ASSERT_THAT(Below("apple"), SizeIs(1));
  ASSERT_OK(registry_->Delete("apple"));
  EXPECT_THAT(Names(), ElementsAre("default"));
  EXPECT_FALSE(std::filesystem::exists(directory_.File("apple")));
  EXPECT_FALSE(std::filesystem::exists(directory_.File("backups/apple")));
  const absl::Status unknown = registry_->Find("apple").status();
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(ReasonOf(unknown), common::v1::ERROR_REASON_DATABASE_UNKNOWN);
  // Who still has it is told, and harms nothing.
  EXPECT_TRUE(database->commits().stopped());
  EXPECT_THAT(database->BeginRead().status(),
              StatusIs(absl::StatusCode::kUnavailable));
  registry_->Tick();
  registry_->Prune();
  ASSERT_OK(Open());
  EXPECT_THAT(Names(), ElementsAre("default"));
}

TEST_F(DatabaseRegistryTest, ANameCanBeUsedAgain) {
  ASSERT_OK_AND_ASSIGN(Database* const first, registry_->Create("apple"));
  const uint64_t epoch = first->epoch();
  ASSERT_OK(registry_->Delete("apple"));
  ASSERT_OK_AND_ASSIGN(Database* const second, registry_->Create("apple"));
  EXPECT_NE(second->epoch(), epoch);
  ASSERT_OK(Open());
  EXPECT_THAT(Names(), ElementsAre("apple", "default"));
}

TEST_F(DatabaseRegistryTest, TheDefaultAndUnknownOnesAreNotDeleted) {
  EXPECT_THAT(registry_->Delete("default"),
              StatusIs(absl::StatusCode::kFailedPrecondition, "default"));
  EXPECT_THAT(registry_->Delete("nowhere"),
              StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(registry_->Delete("../default"),
              StatusIs(absl::StatusCode::kNotFound));
}

TEST_F(DatabaseRegistryTest, BackupsAreNoDatabase) {
  EXPECT_THAT(registry_->Create("backups").status(),
              StatusIs(absl::StatusCode::kInvalidArgument, "backups"));
}

TEST_F(DatabaseRegistryTest, AStartFinishesWhatACrashInterrupted) {
  ASSERT_OK(registry_->Create("apple").status());
  ASSERT_OK(registry_->Create("pear").status());
  registry_.reset();
  // Deleted, its files still there; and half created, beside one of the same
  // name that lives.
  const std::string half = directory_.File("pear/00000000000000aa");
  std::filesystem::create_directories(half);
  std::ofstream(half + "/engram.db") << "x";
  ASSERT_OK(RunOnSystem(
      "INSERT INTO _removals SELECT name, incarnation FROM _databases "
      "WHERE name = 'apple';"
      "DELETE FROM _databases WHERE name = 'apple';"
      "INSERT INTO _removals VALUES ('pear', '00000000000000aa')"));
  ASSERT_OK(Open());
  EXPECT_THAT(Names(), ElementsAre("default", "pear"));
  EXPECT_FALSE(std::filesystem::exists(directory_.File("apple")));
  EXPECT_FALSE(std::filesystem::exists(half));
  EXPECT_THAT(Below("pear"), SizeIs(1));
  registry_.reset();
  const auto system = sqlite::Connection::Open(directory_.File("system.db"),
                                               sqlite::Access::kReadWrite);
  ASSERT_OK(system);
  EXPECT_EQ((*system)->QueryInt("SELECT count(*) FROM _removals").value(), 0);
}

TEST_F(DatabaseRegistryTest, ADamagedDatabaseHarmsNoOther) {
  ASSERT_OK(registry_->Create("apple").status());
  registry_.reset();
  const std::string file = Below("apple").at(0) + "/engram.db";
  for (const auto size :
       {std::filesystem::file_size(file) / 2, std::uintmax_t{1000}}) {
    std::filesystem::resize_file(file, size);
    ASSERT_OK(Open());
    EXPECT_THAT(Names(), ElementsAre("default"));
    // Its callers are told what is wrong.
    EXPECT_THAT(registry_->Find("apple").status(),
                StatusIs(absl::StatusCode::kDataLoss));
    registry_.reset();
  }
  // It can be given up.
  ASSERT_OK(Open());
  EXPECT_OK(registry_->Delete("apple"));
  EXPECT_OK(registry_->Create("apple").status());
}

// Makes the folder and all in it one user's, who may not write there, and this
// process that user, as root may write everywhere. Undone at the end of the
// scope.
class ReadOnlyFolder {
 public:
  explicit ReadOnlyFolder(const std::string& path) : path_(path) {
    Change(0500);
    is_root_ = geteuid() == 0;
    if (is_root_) {
      EXPECT_EQ(seteuid(kNobody), 0);
    }
  }
  ~ReadOnlyFolder() {
    if (is_root_) {
      EXPECT_EQ(seteuid(0), 0);
    }
    Change(0700);
  }

 private:
  static constexpr uid_t kNobody = 65534;

  void Change(mode_t folder_mode) {
    const auto change = [&](const std::filesystem::path& path) {
      if (geteuid() == 0) {
        EXPECT_EQ(chown(path.c_str(), kNobody, -1), 0);
      }
      if (std::filesystem::is_directory(path)) {
        EXPECT_EQ(chmod(path.c_str(), folder_mode), 0);
      }
    };
    std::vector<std::filesystem::path> paths = {path_};
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(path_)) {
      paths.push_back(entry.path());
    }
    for (const auto& path : paths) change(path);
  }

  const std::string path_;
  bool is_root_ = false;
};

TEST_F(DatabaseRegistryTest, AFolderThatCannotBeWrittenIsAnError) {
  registry_.reset();
  {
    const ReadOnlyFolder read_only(directory_.path());
    EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                 directory_.File("system.db")));
  }
  EXPECT_OK(Open());
  EXPECT_THAT(Names(), ElementsAre("default"));
}

}  // namespace
}  // namespace engram::storage
