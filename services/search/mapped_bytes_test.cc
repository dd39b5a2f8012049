#include "services/search/mapped_bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/durable_file.h"

namespace engram::search {
namespace {

namespace fs = std::filesystem;
using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using ::testing::EndsWith;
using ::testing::Not;

constexpr size_t kPage = MappedBytes::kPageBytes;
// Of an item: no part of a page.
constexpr uint64_t kWidth = 12;

std::string Pattern(size_t size, int seed) {
  std::mt19937 random(seed);
  std::string bytes(size, 0);
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// What the kernel says of the pages from `data` on: kilobytes in memory that no
// file has.
int64_t AnonymousKilobytes(const char* data) {
  std::ifstream maps("/proc/self/smaps");
  bool is_it = false;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0, end = 0;
    int64_t kilobytes = 0;
    if (std::sscanf(line.c_str(), "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) ==
        2) {
      is_it = begin == reinterpret_cast<uintptr_t>(data);
    } else if (is_it && std::sscanf(line.c_str(), "Anonymous: %" SCNd64,
                                    &kilobytes) == 1) {
      return kilobytes;
    }
  }
  ADD_FAILURE() << "nothing is mapped there";
  return -1;
}

class MappedBytesTest : public ::testing::Test {
 protected:
  MappedBytesTest() { fs::create_directories(folder_); }
  ~MappedBytesTest() override { fs::remove_all(folder_); }

  static std::string Content(const MappedBytes& bytes) {
    return std::string(bytes.data(), bytes.size());
  }
  // Saves as the index does: a new base is mapped in place of what was held.
  void Save(MappedBytes& bytes, bool anew = false) {
    const std::string path = folder_ / absl::StrCat(++saves_, "-1.vectors");
    auto saved = bytes.Save(path, kWidth, anew, saved_);
    ASSERT_THAT(saved, IsOk());
    saved_ = *std::move(saved);
    if (!saved_.base.expired()) return;
    auto mapped = MappedBytes::Load(saved_, kWidth);
    ASSERT_THAT(mapped, IsOk());
    bytes = *std::move(mapped);
  }
  absl::StatusOr<MappedBytes> Load() {
    SavedBytes saved = saved_;
    return MappedBytes::Load(saved, kWidth);
  }
  // With other bytes than those of one of the files.
  absl::Status LoadWith(std::string SavedBytes::*path,
                        const std::string& bytes) {
    SavedBytes saved = saved_;
    saved.*path = folder_ / "other";
    std::ofstream(saved.*path, std::ios::binary | std::ios::trunc) << bytes;
    return MappedBytes::Load(saved, kWidth).status();
  }

  const fs::path folder_ =
      fs::path(::testing::TempDir()) / absl::StrCat("mapped_bytes_", getpid());
  SavedBytes saved_;
  int saves_ = 0;
};

TEST_F(MappedBytesTest, WhatIsSavedTakesNoMemoryUntilItIsWrittenTo) {
  const std::string pattern = Pattern(kWidth * (100 * kPage), 1);
  MappedBytes bytes;
  bytes.Append(pattern);
  EXPECT_GE(bytes.memory_bytes(), pattern.size());
  EXPECT_EQ(bytes.mapped_bytes(), 0);
  Save(bytes);
  EXPECT_EQ(bytes.memory_bytes(), 0);
  EXPECT_EQ(bytes.mapped_bytes(), pattern.size());
  EXPECT_EQ(AnonymousKilobytes(bytes.data()), 0);
  EXPECT_EQ(Content(bytes), pattern);
  EXPECT_EQ(AnonymousKilobytes(bytes.data()), 0);
  // Across two pages.
  bytes.Write(3 * kPage - 1, "ab");
  EXPECT_EQ(AnonymousKilobytes(bytes.data()), 2 * kPage / 1024);
  EXPECT_GE(bytes.memory_bytes(), 2 * kPage);
  EXPECT_LT(bytes.memory_bytes(), 3 * kPage);
  EXPECT_EQ(bytes.mapped_bytes(), pattern.size() - 2 * kPage);
  Save(bytes, /*anew=*/true);
  EXPECT_EQ(AnonymousKilobytes(bytes.data()), 0);
  EXPECT_EQ(bytes.mapped_bytes(), pattern.size());
}

TEST_F(MappedBytesTest, LaterSavesWriteWhatIsDifferent) {
  std::string model = Pattern(kWidth * (10 * kPage), 1);
  MappedBytes bytes;
  bytes.Append(model);
  Save(bytes);
  const std::string base = saved_.base_path;
  EXPECT_THAT(base, EndsWith("/1-1.vectors"));
  const auto written = fs::last_write_time(base);
  bytes.Write(5 * kPage, "five");
  model.replace(5 * kPage, 4, "five");
  bytes.Append(Pattern(kWidth, 2));
  model += Pattern(kWidth, 2);
  Save(bytes);
  EXPECT_EQ(saved_.base_path, base);
  EXPECT_EQ(fs::last_write_time(base), written);
  EXPECT_LT(fs::file_size(saved_.changes_path), 2 * kPage);
  ASSERT_OK_AND_ASSIGN(MappedBytes loaded, Load());
  EXPECT_EQ(Content(loaded), model);
  // After a start it goes on so.
  const SavedBytes before = saved_;
  ASSERT_OK_AND_ASSIGN(loaded, MappedBytes::Load(saved_, kWidth));
  loaded.Write(0, "zero");
  model.replace(0, 4, "zero");
  Save(loaded);
  EXPECT_EQ(saved_.base_path, base);
  ASSERT_OK_AND_ASSIGN(const MappedBytes again, Load());
  EXPECT_EQ(Content(again), model);
}

TEST_F(MappedBytesTest, ANewBaseIsWrittenWhereTheEarlierOneDoesNotServe) {
  MappedBytes bytes;
  bytes.Append(Pattern(kWidth * (10 * kPage), 1));
  Save(bytes);
  // What is no more in the folder.
  saved_.base_path.clear();
  Save(bytes);
  EXPECT_THAT(saved_.base_path, EndsWith("/2-1.vectors"));
  // Another one's.
  MappedBytes other;
  other.Append(Pattern(kWidth, 2));
  Save(other);
  EXPECT_THAT(saved_.base_path, EndsWith("/3-1.vectors"));
  Save(bytes);
  EXPECT_THAT(saved_.base_path, EndsWith("/4-1.vectors"));
  // More than a fifth is different: scattered, and behind.
  for (size_t page = 0; page < 20; ++page) bytes.Write(page * kPage, "x");
  Save(bytes);
  EXPECT_THAT(saved_.base_path, EndsWith("/4-1.vectors"));
  bytes.Append(Pattern(kWidth * kPage, 3));
  Save(bytes);
  EXPECT_THAT(saved_.base_path, EndsWith("/6-1.vectors"));
  const std::string all = Content(bytes);
  ASSERT_OK_AND_ASSIGN(const MappedBytes loaded, Load());
  EXPECT_EQ(Content(loaded), all);
}

// Whatever is done to it, it is as bytes in memory are, and so is a copy from
// its files.
TEST_F(MappedBytesTest, ItIsAsItsModelThroughSavesAndGrowth) {
  std::mt19937 random(7);
  const auto below = [&](size_t end) { return random() % end; };
  MappedBytes bytes;
  std::string model;
  for (int step = 0; step < 3000; ++step) {
    switch (below(8)) {
      case 0:
      case 1:
      case 2: {
        const std::string more = Pattern(kWidth * below(400), step);
        bytes.Append(more);
        model += more;
        break;
      }
      case 3:
        // More comes than goes.
        model.resize(model.size() -
                     kWidth * below(model.size() / kWidth / 30 + 1));
        bytes.Truncate(model.size());
        break;
      case 4:
        if (below(8) == 0) {
          Save(bytes, /*anew=*/below(8) == 0);
          ASSERT_OK_AND_ASSIGN(const MappedBytes loaded, Load());
          ASSERT_EQ(Content(loaded), model) << "step " << step;
        }
        break;
      default: {
        if (model.size() < 2 * kWidth) break;
        const size_t item = kWidth * below(model.size() / kWidth);
        const std::string other = Pattern(kWidth, step);
        bytes.Write(item, other);
        model.replace(item, kWidth, other);
      }
    }
    if (step % 50 == 0) {
      ASSERT_EQ(Content(bytes), model) << "step " << step;
    }
  }
  EXPECT_EQ(Content(bytes), model);
  EXPECT_GT(model.size(), 50 * kPage) << "else growth was not tried";
}

TEST_F(MappedBytesTest, MemoryOfWhatIsCutOffIsGivenBack) {
  MappedBytes bytes;
  bytes.Append(Pattern(32 << 20, 1));
  bytes.Truncate(kPage);
  EXPECT_LE(bytes.memory_bytes(), 2 * kPage);
  EXPECT_LE(AnonymousKilobytes(bytes.data()), 2 * kPage / 1024);
}

// Else whoever reads it would be killed.
TEST_F(MappedBytesTest, AFileThatIsReplacedOrRemovedStaysMapped) {
  const std::string pattern = Pattern(kWidth * (10 * kPage), 1);
  MappedBytes bytes;
  bytes.Append(pattern);
  Save(bytes);
  MappedBytes small;
  small.Append(Pattern(kWidth, 2));
  ASSERT_THAT(small.Save(saved_.base_path, kWidth, true, SavedBytes()), IsOk());
  EXPECT_EQ(Content(bytes), pattern);
  fs::remove(saved_.base_path);
  EXPECT_EQ(Content(bytes), pattern);
}

TEST_F(MappedBytesTest, OtherFilesAreNotTrusted) {
  MappedBytes bytes;
  bytes.Append(Pattern(kWidth * 1000, 1));
  Save(bytes);
  bytes.Write(kPage - 1, "abc");
  bytes.Append(Pattern(kWidth * 400, 2));
  SavedBytes saved =
      *bytes.Save(folder_ / "2-1.vectors", kWidth, false, saved_);
  ASSERT_EQ(saved.base_path, saved_.base_path) << "it has changes";
  saved_ = saved;
  ASSERT_THAT(Load(), IsOk());
  EXPECT_THAT(MappedBytes::Load(saved, kWidth + 1),
              StatusIs(absl::StatusCode::kDataLoss, "base"));

  const std::string base = *ReadFile(saved_.base_path);
  for (const size_t size : {size_t{0}, size_t{20}, size_t{64} << 10,
                            base.size() - kWidth, base.size() - 1}) {
    EXPECT_THAT(LoadWith(&SavedBytes::base_path, base.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, "base file"))
        << size;
  }
  EXPECT_THAT(LoadWith(&SavedBytes::base_path, base + "x"),
              StatusIs(absl::StatusCode::kDataLoss));
  // Any of the words that say what it is.
  for (size_t at = 0; at < 24; ++at) {
    std::string wrong = base;
    wrong[at] ^= 0x10;
    EXPECT_THAT(LoadWith(&SavedBytes::base_path, wrong),
                StatusIs(absl::StatusCode::kDataLoss))
        << at;
  }

  const std::string changes = *ReadFile(saved_.changes_path);
  for (size_t size = 0; size < changes.size(); size += 1 + size / 30) {
    EXPECT_THAT(LoadWith(&SavedBytes::changes_path, changes.substr(0, size)),
                StatusIs(absl::StatusCode::kDataLoss, "changes file"))
        << size;
  }
  EXPECT_THAT(LoadWith(&SavedBytes::changes_path, changes + "x"),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_THAT(
      LoadWith(&SavedBytes::changes_path, changes + std::string(kWidth, 'x')),
      StatusIs(absl::StatusCode::kDataLoss, "behind the base"));
  // Pages 0 and 1, in another order.
  std::string swapped = changes;
  std::swap(swapped[32], swapped[40]);
  EXPECT_THAT(LoadWith(&SavedBytes::changes_path, swapped),
              StatusIs(absl::StatusCode::kDataLoss, "page 0"));
  // The words before its bytes, of which the last is the number of a page.
  for (size_t at = 0; at < 40; ++at) {
    std::string wrong = changes;
    wrong[at] ^= 0x10;
    EXPECT_THAT(LoadWith(&SavedBytes::changes_path, wrong), Not(IsOk())) << at;
  }
  EXPECT_THAT(Load(), IsOk());
}

TEST_F(MappedBytesTest, AFullDiskFailsTheSave) {
  MappedBytes bytes;
  bytes.Append(Pattern(kWidth * (10 * kPage), 1));
  for (const char* name : {"1-1.vectors.tmp", "1-1.vectors.changes"}) {
    fs::create_symlink("/dev/full", folder_ / name);
    EXPECT_THAT(bytes.Save(folder_ / "1-1.vectors", kWidth, false, saved_),
                StatusIs(absl::StatusCode::kResourceExhausted))
        << name;
    fs::remove(folder_ / name);
  }
}

}  // namespace
}  // namespace engram::search
