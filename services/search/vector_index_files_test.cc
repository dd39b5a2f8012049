// A VectorIndex with a graph, saved and loaded: the graph comes back, knows
// what it knew, and is written once.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/hnsw/testing/sample_vectors.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/durable_file.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

namespace fs = std::filesystem;
using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;
using ::testing::EndsWith;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kDimensions = 16;
constexpr int kRecords = 600;
// A small graph is built for 63 vectors.
constexpr GraphPolicy kAlways = {.min_bytes = 16'000};

bool Always() { return true; }

class VectorIndexFilesTest : public ::testing::TestWithParam<Metric> {
 protected:
  VectorIndexFilesTest() {
    fs::create_directories(folder_);
    for (int row = 0; row < kRecords; ++row) Put(row, row);
  }
  ~VectorIndexFilesTest() override { fs::remove_all(folder_); }

  IndexSpec Spec() const {
    return {.generation = 1, .dimensions = kDimensions, .metric = GetParam()};
  }

  void Put(int64_t row, int64_t sample) {
    const std::string id = absl::StrCat("id", row);
    const absl::string_view packed = vector::Pack(samples_.Row(sample));
    ++sequence_;
    index_->Apply({{.kind = IndexChange::Kind::kPutVectors,
                    .row = row,
                    .sequence = sequence_,
                    .id = id,
                    .chunks = {packed}}},
                  sequence_);
  }
  void Delete(int64_t row) {
    ++sequence_;
    index_->Apply({{.kind = IndexChange::Kind::kDeleteRecord,
                    .row = row,
                    .sequence = sequence_}},
                  sequence_);
  }

  void Save() {
    const std::string stem = folder_ / absl::StrCat(++saves_, "-1");
    auto saved = index_->Save(stem, saved_);
    ASSERT_THAT(saved, IsOk());
    saved_ = *std::move(saved);
  }
  // A copy of what was saved last.
  std::unique_ptr<Index> Load() {
    auto loaded = VectorIndex::Load(Spec(), saved_, sequence_, kAlways);
    EXPECT_THAT(loaded, IsOk());
    return *std::move(loaded);
  }

  // That both find the same, by the graph and without it.
  static void ExpectSame(const Index& one, const Index& other) {
    EXPECT_EQ(one.Stats().graph_vectors, other.Stats().graph_vectors);
    EXPECT_EQ(one.Recall().calibration, other.Recall().calibration);
    EXPECT_EQ(one.Recall().width, other.Recall().width);
    for (int i = 0; i < 40; ++i) {
      const absl::Span<const float> query = samples_.Row(kRecords + i);
      ExpectSame(one.Search(query, 10, AnyRow),
                 other.Search(query, 10, AnyRow));
      ExpectSame(one.SearchAll(query, 10, AnyRow),
                 other.SearchAll(query, 10, AnyRow));
    }
  }
  static void ExpectSame(const SearchResult& one, const SearchResult& other) {
    ASSERT_EQ(one.candidates.size(), other.candidates.size());
    for (size_t i = 0; i < one.candidates.size(); ++i) {
      EXPECT_EQ(one.candidates[i].id, other.candidates[i].id);
      EXPECT_EQ(one.candidates[i].score, other.candidates[i].score);
    }
  }

  inline static const hnsw::SampleVectors samples_{kRecords + 100, kDimensions,
                                                   hnsw::Metric::kDot, true};
  const fs::path folder_ = fs::path(::testing::TempDir()) /
                           absl::StrCat("vector_index_files_", getpid());
  std::unique_ptr<Index> index_ =
      std::make_unique<VectorIndex>(Spec(), kAlways);
  int64_t sequence_ = 0;
  int saves_ = 0;
  SavedIndex saved_;
};

INSTANTIATE_TEST_SUITE_P(All, VectorIndexFilesTest,
                         ::testing::Values(Metric::kCosine, Metric::kL2),
                         [](const auto& info) {
                           return info.param == Metric::kL2 ? "L2" : "Cosine";
                         });

TEST_P(VectorIndexFilesTest, AnIndexComesBackWithItsGraph) {
  index_->Optimize(Always);
  for (int row = 0; row < 20; ++row) {
    Delete(row);
    Put(100 + row, kRecords + 50 + row);
  }
  Save();
  const auto loaded = Load();
  EXPECT_EQ(loaded->Stats().graph_vectors, kRecords - 40);
  ExpectSame(*index_, *loaded);
  // Nothing is left to do.
  const auto idle = Load();
  idle->Optimize(Always);
  ExpectSame(*index_, *idle);
}

TEST_P(VectorIndexFilesTest, ALoadedIndexGoesOnAsTheSavedOne) {
  index_->Optimize(Always);
  Save();
  std::unique_ptr<Index> other = Load();
  for (int i = 0; i < 2; ++i) {
    for (int row = 0; row < 30; ++row) {
      Put(row * 7, kRecords + row);
      Delete(row * 11);
    }
    std::swap(index_, other);
  }
  EXPECT_LT(index_->Stats().graph_vectors, kRecords - 30);
  ExpectSame(*index_, *other);
  Save();
  ExpectSame(*index_, *Load());
}

TEST_P(VectorIndexFilesTest, AGraphIsWrittenOnce) {
  Save();
  EXPECT_EQ(saved_.graph_path, "");
  index_->Optimize(Always);
  Save();
  const std::string first = saved_.graph_path;
  EXPECT_THAT(first, EndsWith("2-1.graph.faiss"));
  Delete(3);
  Save();
  EXPECT_EQ(saved_.graph_path, first);
  ExpectSame(*index_, *Load());
  // After a start, too.
  const auto loaded = Load();
  const auto again = loaded->Save(folder_ / "9-1", saved_);
  ASSERT_THAT(again, IsOk());
  EXPECT_EQ(again->graph_path, first);
  // Another graph is another file.
  for (int row = 0; row < 100; ++row) Put(row, kRecords + row % 90);
  index_->Optimize(Always);
  Save();
  EXPECT_THAT(saved_.graph_path, EndsWith("4-1.graph.faiss"));
  ExpectSame(*index_, *Load());
}

TEST_P(VectorIndexFilesTest, ASmallGraphIsNotSavedButBuiltAgain) {
  index_->Optimize(Always);
  Save();
  const std::string large = saved_.graph_path;
  for (int row = 0; row < 64; ++row) Put(kRecords + row, kRecords + row);
  index_->Optimize(Always);
  EXPECT_EQ(index_->Stats().graph_vectors, kRecords + 64);
  Save();
  EXPECT_EQ(saved_.graph_path, large);
  const auto loaded = Load();
  EXPECT_EQ(loaded->Stats().graph_vectors, kRecords);
  loaded->Optimize(Always);
  EXPECT_EQ(loaded->Stats().graph_vectors, kRecords + 64);
  ExpectSame(*index_, *loaded);
}

// With a graph, as all of them are read for it anyway.
TEST_P(VectorIndexFilesTest, VectorsAreWrittenOnceAGraphAndMappedFromThere) {
  index_->Optimize(Always);
  EXPECT_EQ(index_->Stats().memory.mapped, 0);
  const int64_t held = index_->Stats().memory.vectors;
  EXPECT_GE(held, kRecords * kDimensions * sizeof(float));
  Save();
  const std::string first = saved_.vectors.base_path;
  EXPECT_THAT(first, EndsWith("1-1.vectors"));
  EXPECT_EQ(index_->Stats().memory.vectors, 0);
  EXPECT_GE(index_->Stats().memory.mapped, held);
  const auto all = index_->Freeze().vectors;
  // What changes is in memory again, and in the next save beside them.
  Put(3, kRecords);
  EXPECT_GT(index_->Stats().memory.vectors, 0);
  EXPECT_LT(index_->Stats().memory.vectors, held / 2);
  Save();
  EXPECT_EQ(saved_.vectors.base_path, first);
  EXPECT_GT(index_->Stats().memory.vectors, 0);
  ExpectSame(*index_, *Load());
  for (int row = 0; row < 100; ++row) Put(row, kRecords + row % 90);
  index_->Optimize(Always);
  Save();
  EXPECT_THAT(saved_.vectors.base_path, EndsWith("3-1.vectors"));
  EXPECT_EQ(index_->Stats().memory.vectors, 0);
  ExpectSame(*index_, *Load());
  EXPECT_EQ(index_->Freeze().vectors.size(), all.size());
}

// Its width is found out then.
TEST_P(VectorIndexFilesTest, AGraphThatWasSavedUncalibratedIsCalibratedLater) {
  int asked = 0;
  index_->Optimize([&] {
    // Built and installed, and no query has been tried.
    if (index_->Stats().graph_vectors == 0) return true;
    return ++asked < 2;
  });
  Save();
  const auto loaded = Load();
  EXPECT_EQ(loaded->Stats().graph_vectors, kRecords);
  ExpectSame(*index_, *loaded);
  EXPECT_TRUE(loaded->HasGraphOf(saved_));
  EXPECT_THAT(loaded->Recall().calibration, IsEmpty());
  loaded->Optimize(Always);
  EXPECT_THAT(loaded->Recall().calibration, Not(IsEmpty()));
  EXPECT_FALSE(loaded->HasGraphOf(saved_)) << "now it is worth a save";
  EXPECT_EQ(loaded->Stats().graph_vectors, kRecords);
}

TEST_P(VectorIndexFilesTest, WhatQueriesTaughtIsSaved) {
  index_->Optimize(Always);
  Save();
  // All of them are run again.
  auto sampled =
      VectorIndex::Load(Spec(), saved_, sequence_,
                        {.min_bytes = kAlways.min_bytes, .sampled_share = 1e9});
  ASSERT_THAT(sampled, IsOk());
  index_ = *std::move(sampled);
  ASSERT_TRUE(index_->HasGraphOf(saved_));
  int queries = 0;
  for (; queries < 100 && index_->HasGraphOf(saved_); ++queries) {
    index_->Search(samples_.Row(kRecords + queries % 40), 10, AnyRow);
    index_->Optimize(Always);
  }
  EXPECT_GT(queries, 1) << "not for each";
  EXPECT_LT(queries, 100);
  Save();
  EXPECT_EQ(index_->Recall().calibration, Load()->Recall().calibration);
}

TEST_P(VectorIndexFilesTest, FilesThatDoNotFitTogetherAreNotTrusted) {
  index_->Optimize(Always);
  Save();
  // The keys tell of a graph that is not there.
  SavedIndex without = saved_;
  without.graph_path.clear();
  EXPECT_THAT(VectorIndex::Load(Spec(), without, sequence_),
              StatusIs(absl::StatusCode::kDataLoss));
  // The vectors in place of the graph.
  SavedIndex exchanged = saved_;
  exchanged.graph_path = saved_.vectors.base_path;
  EXPECT_THAT(VectorIndex::Load(Spec(), exchanged, sequence_),
              StatusIs(absl::StatusCode::kDataLoss, "IHNs"));
  // The last number is a node: one that there is twice, or not at all.
  const std::string keys = *ReadFile(saved_.keys_path);
  for (const uint32_t node : {uint32_t{0}, uint32_t{kRecords}, ~uint32_t{0}}) {
    std::string wrong = keys;
    wrong.resize(wrong.size() - sizeof(node));
    AppendNumber(wrong, node);
    ASSERT_THAT(ReplaceFile(saved_.keys_path, wrong), IsOk());
    EXPECT_THAT(VectorIndex::Load(Spec(), saved_, sequence_),
                StatusIs(absl::StatusCode::kDataLoss, "keys"));
  }
  ASSERT_THAT(ReplaceFile(saved_.keys_path, keys), IsOk());
  EXPECT_THAT(VectorIndex::Load(Spec(), saved_, sequence_), IsOk());
}

TEST_P(VectorIndexFilesTest, AFullDiskFailsTheSave) {
  index_->Optimize(Always);
  for (const char* name :
       {"1-1.graph.faiss", "1-1.vectors.tmp", "1-1.vectors.changes",
        "1-1.ids.tmp", "1-1.ids.changes", "1-1.keys"}) {
    fs::create_symlink("/dev/full", folder_ / name);
    EXPECT_THAT(index_->Save(folder_ / "1-1", SavedIndex()),
                StatusIs(absl::StatusCode::kResourceExhausted))
        << name;
    fs::remove(folder_ / name);
  }
}

}  // namespace
}  // namespace engram::search
