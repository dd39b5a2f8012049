#include "services/search/index_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/checksum.h"
#include "services/search/durable_file.h"
#include "services/search/testing/feed_builder.h"

namespace engram::search {
namespace {

namespace fs = std::filesystem;
using ::engram::search::testing::FeedBuilder;
using ::engram::search::testing::KindNotes;
using ::engram::testing::IsOk;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::Not;

class IndexCacheTest : public ::testing::Test {
 protected:
  IndexCacheTest()
      : directory_(fs::path(::testing::TempDir()) /
                   absl::StrCat("index_cache_", getpid(), "_", next_++)) {
    feed_.CreateNotes().Write(1, "a").Store(1, "a", {{1, 0}, {3, 0}});
    feed_.Write(2, "b").Store(2, "b", {{2, 0}}).Write(3, "c");
    Apply();
  }
  ~IndexCacheTest() override { fs::remove_all(directory_); }

  // Applies what the feed holds by now.
  void Apply() { ASSERT_THAT(database_.ApplyChanges(feed_.changes()), IsOk()); }

  void Save() {
    IndexCache cache(directory_);
    cache.Load();
    ASSERT_THAT(cache.Save(database_), IsOk());
  }

  // The ids found after a restart; the position that the cache was of.
  struct Loaded {
    bool exists = false;
    std::vector<std::string> ids;
    int64_t sequence = 0;
    std::shared_ptr<DatabaseIndex> database;
  };
  Loaded Load() {
    Loaded loaded;
    loaded.database = IndexCache(directory_).Load();
    if (loaded.database == nullptr) return loaded;
    loaded.exists = true;
    loaded.sequence = loaded.database->position().sequence;
    const SearchResult result =
        (*loaded.database->Find("notes", ""))->Search({1, 0}, 10, AnyRow);
    for (const Candidate& candidate : result.candidates) {
      loaded.ids.push_back(candidate.id);
    }
    return loaded;
  }

  std::set<std::string> Files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      names.insert(entry.path().filename());
    }
    return names;
  }

  inline static int next_ = 0;
  const std::string directory_;
  DatabaseIndex database_{Position{"default", 7, 0}, 0};
  FeedBuilder feed_;
};

TEST_F(IndexCacheTest, ARestartFindsWhatWasSavedAndItsPosition) {
  EXPECT_FALSE(Load().exists);
  Save();
  const Loaded loaded = Load();
  ASSERT_TRUE(loaded.exists);
  EXPECT_THAT(loaded.ids, ElementsAre("a", "b"));
  EXPECT_EQ(loaded.database->position().ToString(),
            database_.position().ToString());
  EXPECT_EQ(loaded.database->checksum(), database_.checksum());
  EXPECT_EQ(loaded.database->Reached(), database_.Reached());
  // It goes on where it stopped.
  feed_.Store(3, "c", {{7, 0}});
  ASSERT_THAT(loaded.database->ApplyChanges(feed_.changes()), IsOk());
  EXPECT_EQ((*loaded.database->Find("notes", ""))->Stats().records, 3);
}

TEST_F(IndexCacheTest, ARestartKnowsWhatExpires) {
  feed_.Touch(1, "a", 2'000'000'000);
  Apply();
  Save();
  const Loaded loaded = Load();
  ASSERT_TRUE(loaded.exists);
  const auto expiries = loaded.database->ExpiriesOf("notes");
  EXPECT_TRUE(expiries->IsExpired(1, absl::FromUnixSeconds(2'000'000'000)));
  EXPECT_FALSE(expiries->IsExpired(2, absl::InfiniteFuture()));
}

// A collection whose records have attributes, of the position of the rest.
TEST_F(IndexCacheTest, ARestartKnowsWhatFiltersAskFor) {
  feed_.ChangeCollection("notes", KindNotes()).Kind(1, "a", "fact");
  feed_.Kind(2, "b", "rumour");
  Apply();
  database_.CompleteAttributes("notes", 0);
  Save();
  EXPECT_THAT(Files(), Contains(EndsWith("-notes.attributes")));
  const Loaded loaded = Load();
  ASSERT_TRUE(loaded.exists);
  const auto attributes = loaded.database->AttributesOf("notes");
  EXPECT_EQ(attributes->size(), 2);
  EXPECT_FALSE(attributes->WantsFill());
  EXPECT_EQ(attributes->Freeze()->checksums,
            database_.AttributesOf("notes")->Freeze()->checksums);
  EXPECT_EQ(attributes->Freeze()->sequence, loaded.sequence);
}

TEST_F(IndexCacheTest, ARemovedCacheLeavesNothing) {
  Save();
  IndexCache cache(directory_);
  cache.Remove();
  EXPECT_FALSE(fs::exists(directory_));
  EXPECT_EQ(cache.Load(), nullptr);
}

TEST_F(IndexCacheTest, ALaterSaveTakesThePlaceOfTheEarlierOne) {
  Save();
  const std::set<std::string> before = Files();
  feed_.Delete(1, "a");
  Apply();
  Save();
  EXPECT_THAT(Load().ids, ElementsAre("b"));
  EXPECT_EQ(Files().size(), before.size()) << "old files were left behind";
}

TEST_F(IndexCacheTest, AFlippedByteInAnyFileIsNeverTrusted) {
  feed_.Touch(1, "a", 2'000'000'000);
  feed_.ChangeCollection("notes", KindNotes()).Kind(2, "b", "rumour");
  Apply();
  Save();
  const std::set<std::string> names = Files();
  // Manifest, collections, expiries, attributes, vectors, keys.
  ASSERT_EQ(names.size(), 6);
  const std::string good = directory_ + ".good";
  fs::copy(directory_, good, fs::copy_options::recursive);
  for (const std::string& name : names) {
    const auto size = fs::file_size(fs::path(good) / name);
    for (uintmax_t at = 0; at < size; ++at) {
      fs::remove_all(directory_);
      fs::copy(good, directory_, fs::copy_options::recursive);
      std::fstream file(fs::path(directory_) / name,
                        std::ios::in | std::ios::out | std::ios::binary);
      file.seekg(static_cast<std::streamoff>(at));
      const char byte = static_cast<char>(file.get());
      file.seekp(static_cast<std::streamoff>(at));
      file.put(static_cast<char>(byte ^ 0x10));
      file.close();
      ASSERT_FALSE(Load().exists) << name << " at " << at;
      ASSERT_TRUE(Files().empty()) << "what is not trusted is removed";
    }
  }
  fs::remove_all(good);
}

TEST_F(IndexCacheTest, ATruncatedOrMissingFileIsNeverTrusted) {
  Save();
  const std::string good = directory_ + ".good";
  fs::copy(directory_, good, fs::copy_options::recursive);
  for (const std::string& name : Files()) {
    for (const bool removed : {false, true}) {
      fs::remove_all(directory_);
      fs::copy(good, directory_, fs::copy_options::recursive);
      const fs::path path = fs::path(directory_) / name;
      if (removed) {
        fs::remove(path);
      } else {
        fs::resize_file(path, fs::file_size(path) / 2);
      }
      EXPECT_FALSE(Load().exists) << name;
    }
  }
  fs::remove_all(good);
}

TEST_F(IndexCacheTest, ACacheOfAnotherFormatIsRebuiltNotConverted) {
  Save();
  const std::string path = fs::path(directory_) / "manifest";
  ASSERT_OK_AND_ASSIGN(std::string text, ReadFile(path));
  // Whole, with a checksum that fits, but of a format to come.
  text.replace(text.find("cache 4"), 7, "cache 5");
  text.resize(text.rfind("end "));
  absl::StrAppendFormat(&text, "end %016x\n", vector::Checksum(text));
  ASSERT_THAT(ReplaceFile(path, text), IsOk());
  EXPECT_FALSE(Load().exists);
}

// A save killed before its manifest is in place leaves files, whole or not,
// that no manifest names.
TEST_F(IndexCacheTest, ASaveThatWasKilledLeavesTheEarlierOne) {
  Save();
  const std::set<std::string> saved = Files();
  std::ofstream(fs::path(directory_) / "2-collections") << "whole";
  std::ofstream(fs::path(directory_) / "2-1.faiss") << "IxF";
  std::ofstream(fs::path(directory_) / "manifest.tmp") << "engram-index";
  EXPECT_THAT(Load().ids, ElementsAre("a", "b"));
  EXPECT_EQ(Files(), saved);
}

// One killed after its manifest is in place leaves the files of the save
// before.
TEST_F(IndexCacheTest, ASaveThatWasKilledBeforeItCleanedUpStands) {
  Save();
  const std::string old = directory_ + ".old";
  fs::copy(directory_, old, fs::copy_options::recursive);
  feed_.Store(3, "c", {{7, 0}});
  Apply();
  Save();
  const std::set<std::string> saved = Files();
  fs::copy(old, directory_, fs::copy_options::skip_existing);
  EXPECT_THAT(Load().ids, ElementsAre("c", "a", "b"));
  EXPECT_EQ(Files(), saved);
  fs::remove_all(old);
}

TEST_F(IndexCacheTest, ASaveThatCannotBeWrittenLeavesTheEarlierOne) {
  Save();
  feed_.Delete(1, "a");
  Apply();
  IndexCache cache(directory_);
  ASSERT_NE(cache.Load(), nullptr);
  // A folder where the vectors' file would go.
  fs::create_directory(fs::path(directory_) / "2-1.faiss");
  EXPECT_THAT(cache.Save(database_), Not(IsOk()));
  fs::remove(fs::path(directory_) / "2-1.faiss");
  EXPECT_THAT(Load().ids, ElementsAre("a", "b"));
}

TEST(IndexCacheWithoutFolderTest, KeepsNothing) {
  IndexCache cache("");
  DatabaseIndex database(Position{"default", 7, 3}, 1);
  EXPECT_THAT(cache.Save(database), IsOk());
  EXPECT_EQ(cache.Load(), nullptr);
}

}  // namespace
}  // namespace engram::search
