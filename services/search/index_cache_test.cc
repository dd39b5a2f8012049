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
#include "libs/vector/vector.h"
#include "services/search/durable_file.h"
#include "services/search/testing/feed_builder.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

namespace fs = std::filesystem;
using ::engram::search::testing::FeedBuilder;
using ::engram::search::testing::KindNotes;
using ::engram::search::testing::NotesCollection;
using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::IsSupersetOf;
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

  // Gives the index a graph, as one of many vectors has.
  void BuildGraph() {
    const auto index = std::make_shared<VectorIndex>(
        (*database_.Find("notes", ""))->spec(), GraphPolicy{.min_bytes = 0});
    const std::vector<float> vectors[] = {{1, 0}, {3, 0}, {2, 0}};
    index->Apply(
        {{.kind = IndexChange::Kind::kPutVectors,
          .row = 1,
          .id = "a",
          .chunks = {vector::Pack(vectors[0]), vector::Pack(vectors[1])}},
         {.kind = IndexChange::Kind::kPutVectors,
          .row = 2,
          .id = "b",
          .chunks = {vector::Pack(vectors[2])}}},
        database_.position().sequence);
    index->Optimize([] { return true; });
    ASSERT_EQ(index->Stats().graph_vectors, 3);
    database_.SetIndex(index);
  }

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
    int64_t graph_vectors = 0;
    std::shared_ptr<DatabaseIndex> database;
  };
  Loaded Load() {
    Loaded loaded;
    loaded.database = IndexCache(directory_).Load();
    if (loaded.database == nullptr) return loaded;
    loaded.exists = true;
    loaded.sequence = loaded.database->position().sequence;
    const auto index = *loaded.database->Find("notes", "");
    loaded.graph_vectors = index->Stats().graph_vectors;
    const SearchResult result = index->Search({1, 0}, 10, AnyRow);
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

TEST_F(IndexCacheTest, WhatTheIndexIsToBeIsKnownAfterARestart) {
  storage::v1::Collection notes = NotesCollection();
  notes.mutable_vector_fields(0)->set_precision(common::v1::PRECISION_FLOAT32);
  notes.mutable_vector_fields(0)->set_index_kind(common::v1::INDEX_KIND_FLAT);
  feed_.ChangeCollection("notes", notes);
  Apply();
  Save();
  const Loaded loaded = Load();
  const auto index = *loaded.database->Find("notes", "");
  EXPECT_EQ(index->precision(), Precision::kFloat32);
  EXPECT_EQ(index->kind(), IndexKind::kFlat);
}

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
  BuildGraph();
  Save();
  EXPECT_EQ(Load().graph_vectors, 3);
  const std::set<std::string> names = Files();
  // Manifest, collections, expiries, attributes, vectors and ids, the changes
  // of both, keys, graph.
  ASSERT_EQ(names.size(), 10);
  const std::string good = directory_ + ".good";
  fs::copy(directory_, good, fs::copy_options::recursive);
  for (const std::string& name : names) {
    const auto size = fs::file_size(fs::path(good) / name);
    // Every byte of the small files, some hundred of the graph's.
    for (uintmax_t at = 0; at < size; at += 1 + size / 400) {
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
  BuildGraph();
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
  // Whole, with a checksum that fits, but of a format before or to come.
  for (const char* other : {"cache 5", "cache 7"}) {
    Save();
    text.replace(text.find("cache "), 7, other);
    text.resize(text.rfind("end "));
    absl::StrAppendFormat(&text, "end %016x\n", vector::Checksum(text));
    ASSERT_THAT(ReplaceFile(path, text), IsOk());
    EXPECT_FALSE(Load().exists);
  }
}

// A save killed before its manifest is in place leaves files, whole or not,
// that no manifest names.
TEST_F(IndexCacheTest, ASaveThatWasKilledLeavesTheEarlierOne) {
  Save();
  const std::set<std::string> saved = Files();
  std::ofstream(fs::path(directory_) / "2-collections") << "whole";
  std::ofstream(fs::path(directory_) / "2-1.vectors") << "engr";
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
  BuildGraph();
  Save();
  const std::set<std::string> saved = Files();
  feed_.Delete(1, "a");
  Apply();
  IndexCache cache(directory_);
  ASSERT_NE(cache.Load(), nullptr);
  for (const char* name :
       {"2-collections", "2-1.graph.faiss", "2-1.vectors.tmp",
        "2-1.vectors.changes", "2-1.ids.tmp", "2-1.ids.changes", "2-1.keys",
        "manifest.tmp"}) {
    // A full disk, and a folder where the file would go.
    const fs::path path = fs::path(directory_) / name;
    fs::create_symlink("/dev/full", path);
    EXPECT_THAT(cache.Save(database_),
                StatusIs(absl::StatusCode::kResourceExhausted))
        << name;
    fs::remove(path);
    fs::create_directory(path);
    EXPECT_THAT(cache.Save(database_), Not(IsOk())) << name;
    fs::remove(path);
    const Loaded loaded = Load();
    EXPECT_THAT(loaded.ids, ElementsAre("a", "b")) << name;
    EXPECT_EQ(loaded.graph_vectors, 3);
    EXPECT_EQ(Files(), saved);
  }
  // Once there is room again it succeeds, and leaves nothing behind.
  EXPECT_THAT(cache.Save(database_), IsOk());
  EXPECT_THAT(Load().ids, ElementsAre("b"));
  EXPECT_EQ(Files().size(), saved.size());
}

TEST_F(IndexCacheTest, AGraphStaysInTheFileOfTheSaveThatFirstHadIt) {
  BuildGraph();
  Save();
  EXPECT_THAT(Files(), Contains("1-1.graph.faiss"));
  // After a start, with changes, and again.
  IndexCache cache(directory_);
  const std::shared_ptr<DatabaseIndex> database = cache.Load();
  ASSERT_NE(database, nullptr);
  const fs::path graph = fs::path(directory_) / "1-1.graph.faiss";
  const auto written = fs::last_write_time(graph);
  feed_.Delete(1, "a");
  ASSERT_THAT(database->ApplyChanges(feed_.changes()), IsOk());
  for (const char* changes : {"2-1.vectors.changes", "3-1.vectors.changes"}) {
    ASSERT_THAT(cache.Save(*database), IsOk());
    EXPECT_THAT(Files(), IsSupersetOf({changes, "1-1.vectors", "1-1.ids",
                                       "1-1.graph.faiss"}));
    EXPECT_EQ(fs::last_write_time(graph), written);
    EXPECT_THAT(Load().ids, ElementsAre("b"));
    EXPECT_EQ(Load().graph_vectors, 1);
  }
  // It is written again if it is not there.
  fs::remove(graph);
  ASSERT_THAT(cache.Save(*database), IsOk());
  EXPECT_THAT(Files(), Contains("4-1.graph.faiss"));
  EXPECT_EQ(Load().graph_vectors, 1);
  // So are vectors and ids.
  fs::remove(fs::path(directory_) / "4-1.vectors");
  ASSERT_THAT(cache.Save(*database), IsOk());
  EXPECT_THAT(Files(), IsSupersetOf({"4-1.graph.faiss", "5-1.vectors"}));
  fs::remove(fs::path(directory_) / "4-1.ids");
  ASSERT_THAT(cache.Save(*database), IsOk());
  EXPECT_THAT(Files(), IsSupersetOf({"5-1.vectors", "6-1.ids"}));
  EXPECT_THAT(Load().ids, ElementsAre("b"));
}

// A graph may come, and be calibrated, while nothing is written any more.
TEST_F(IndexCacheTest, ItIsKnownWhetherAGraphIsSaved) {
  IndexCache cache(directory_);
  EXPECT_FALSE(cache.LacksGraphOf(database_)) << "there is no save yet";
  ASSERT_THAT(cache.Save(database_), IsOk());
  EXPECT_FALSE(cache.LacksGraphOf(database_));
  BuildGraph();
  EXPECT_TRUE(cache.LacksGraphOf(database_));
  ASSERT_THAT(cache.Save(database_), IsOk());
  EXPECT_FALSE(cache.LacksGraphOf(database_));
  // After a start, too.
  const std::shared_ptr<DatabaseIndex> loaded = cache.Load();
  EXPECT_FALSE(cache.LacksGraphOf(*loaded));
  EXPECT_TRUE(cache.LacksGraphOf(database_)) << "it is another one's";
}

// Another index of the same generation, as after a snapshot.
TEST_F(IndexCacheTest, AnotherGraphTakesThePlaceOfTheEarlierOne) {
  BuildGraph();
  IndexCache cache(directory_);
  ASSERT_THAT(cache.Save(database_), IsOk());
  BuildGraph();
  ASSERT_THAT(cache.Save(database_), IsOk());
  EXPECT_THAT(Files(), Contains("2-1.graph.faiss"));
  EXPECT_THAT(Files(), Not(Contains("1-1.graph.faiss")));
  EXPECT_EQ(Load().graph_vectors, 3);
}

// Killed between any two files of a save: those before it are whole, the one
// it was at is not, and no manifest names them.
TEST_F(IndexCacheTest, AKillBetweenTheFilesOfASaveLeavesTheEarlierOne) {
  BuildGraph();
  Save();
  const std::set<std::string> saved = Files();
  const std::string before = directory_ + ".before";
  const std::string after = directory_ + ".after";
  fs::copy(directory_, before, fs::copy_options::recursive);
  feed_.Delete(1, "a");
  Apply();
  Save();
  fs::copy(directory_, after, fs::copy_options::recursive);
  const std::vector<std::string> order = {
      "2-collections", "2-1.graph.faiss", "2-1.vectors", "2-1.vectors.changes",
      "2-1.ids",       "2-1.ids.changes", "2-1.keys"};
  for (size_t at = 0; at < order.size(); ++at) {
    for (const bool half : {true, false}) {
      fs::remove_all(directory_);
      fs::copy(before, directory_, fs::copy_options::recursive);
      for (size_t i = 0; i <= at; ++i) {
        fs::copy(fs::path(after) / order[i], directory_);
      }
      const fs::path last = fs::path(directory_) / order[at];
      if (half) fs::resize_file(last, fs::file_size(last) / 2);
      const Loaded loaded = Load();
      EXPECT_THAT(loaded.ids, ElementsAre("a", "b")) << last;
      EXPECT_EQ(loaded.graph_vectors, 3);
      EXPECT_EQ(Files(), saved);
    }
  }
  fs::remove_all(before);
  fs::remove_all(after);
}

// With checksums that fit: only a mistake of ours could write such.
TEST(CacheManifestTest, FilesAreNamedOnceAndLieInTheFolder) {
  CacheManifest manifest;
  manifest.save = 3;
  manifest.position = Position{"default", 7, 3};
  manifest.collections_file = "3-collections";
  manifest.indexes[1] = {.vectors = "1-1.vectors",
                         .vector_changes = "3-1.vectors.changes",
                         .ids = "1-1.ids",
                         .id_changes = "3-1.ids.changes",
                         .keys = "3-1.keys"};
  manifest.indexes[2] = {.vectors = "2-2.vectors",
                         .vector_changes = "3-2.vectors.changes",
                         .ids = "2-2.ids",
                         .id_changes = "3-2.ids.changes",
                         .keys = "3-2.keys",
                         .graph = "1-2.graph.faiss"};
  for (const char* name :
       {"3-collections", "1-1.vectors", "3-1.vectors.changes", "3-1.keys",
        "1-1.ids", "3-1.ids.changes", "2-2.vectors", "3-2.vectors.changes",
        "2-2.ids", "3-2.ids.changes", "3-2.keys", "1-2.graph.faiss"}) {
    manifest.files[name] = {.size = 5, .checksum = 6};
  }
  ASSERT_OK_AND_ASSIGN(const CacheManifest read,
                       CacheManifest::Decode(manifest.Encode()));
  EXPECT_EQ(read.Encode(), manifest.Encode());
  EXPECT_EQ(read.indexes, manifest.indexes);

  const auto with = [&](auto change) {
    CacheManifest changed = manifest;
    change(changed);
    return CacheManifest::Decode(changed.Encode());
  };
  EXPECT_THAT(with([](auto& one) { one.files.erase("1-2.graph.faiss"); }),
              StatusIs(absl::StatusCode::kDataLoss, "1-2.graph.faiss"));
  EXPECT_THAT(with([](auto& one) { one.files["other"] = {}; }),
              StatusIs(absl::StatusCode::kDataLoss, "a file too many"));
  EXPECT_THAT(with([](auto& one) {
                one.files["../x"] = {};
                one.expiry_files["notes"] = "../x";
              }),
              StatusIs(absl::StatusCode::kDataLoss, "../x"));
  EXPECT_THAT(with([](auto& one) { one.position = Position(); }),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(with([](auto& one) { one.save = -1; }),
              StatusIs(absl::StatusCode::kDataLoss, "save -1"));
}

TEST(IndexCacheWithoutFolderTest, KeepsNothing) {
  IndexCache cache("");
  DatabaseIndex database(Position{"default", 7, 3}, 1);
  EXPECT_THAT(cache.Save(database), IsOk());
  EXPECT_EQ(cache.Load(), nullptr);
}

}  // namespace
}  // namespace engram::search
