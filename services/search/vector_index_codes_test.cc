// A VectorIndex's graph compares by what is asked for; where nothing is, it
// gets codes of 4 bits where these find as much.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/vector_index.h"

namespace engram::search {
namespace {

using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;

constexpr int kRecords = 1500;
constexpr int kLimit = 10;

bool Always() { return true; }

// Vectors that lie as those of texts do: in clusters, and off them in a few
// directions.
class Sampler {
 public:
  // Of the components, `loud` are much larger than the others, and the same in
  // all vectors.
  explicit Sampler(int dimensions, int loud = 0)
      : dimensions_(dimensions), loud_(loud) {
    for (int i = 0; i < 20; ++i) centers_.push_back(Draw());
    for (int i = 0; i < 16; ++i) directions_.push_back(Draw());
  }

  int dimensions() const { return dimensions_; }

  std::vector<float> Next() {
    std::vector<float> values = centers_[random_() % centers_.size()];
    for (const std::vector<float>& direction : directions_) {
      const float distance = 0.25f * normal_(random_);
      for (int i = 0; i < dimensions_; ++i) {
        values[i] += distance * direction[i];
      }
    }
    for (float& value : values) value += 0.2f * normal_(random_);
    for (int i = 0; i < loud_; ++i) values[i] = i % 2 == 0 ? 30 : -30;
    vector::Normalize(absl::MakeSpan(values));
    return values;
  }

 private:
  std::vector<float> Draw() {
    std::vector<float> values(dimensions_);
    for (float& value : values) value = normal_(random_);
    return values;
  }

  const int dimensions_;
  const int loud_;
  std::mt19937 random_{5};
  std::normal_distribution<float> normal_;
  std::vector<std::vector<float>> centers_;
  std::vector<std::vector<float>> directions_;
};

class VectorIndexCodesTest : public ::testing::TestWithParam<Metric> {
 protected:
  ~VectorIndexCodesTest() override { std::filesystem::remove_all(folder_); }

  std::unique_ptr<Index> Build(Sampler& sampler, int records = kRecords,
                               GraphPolicy policy = kPolicy) {
    auto index = std::make_unique<VectorIndex>(SpecOf(sampler), policy);
    for (int row = 0; row < records; ++row) {
      const std::string id = absl::StrCat(row);
      index->Apply({{.kind = IndexChange::Kind::kPutVectors,
                     .row = row,
                     .sequence = row + 1,
                     .id = id,
                     .chunks = {vector::Pack(sampler.Next())}}},
                   row + 1);
    }
    index->Optimize(Always);
    EXPECT_EQ(index->Stats().graph_vectors, records);
    return index;
  }
  std::unique_ptr<Index> Build(Sampler& sampler, Precision precision) {
    return Build(sampler, kRecords, PolicyOf(precision));
  }

  SavedIndex Save(Index& index, const std::string& name) {
    std::filesystem::create_directories(folder_);
    auto saved = index.Save(folder_ / name, SavedIndex());
    EXPECT_THAT(saved, IsOk());
    return *std::move(saved);
  }

  // What is saved of `index`, loaded to compare by `precision`.
  std::unique_ptr<Index> Reload(Index& index,
                                Precision precision = Precision::kAuto) {
    SavedIndex saved = Save(index, "1");
    auto loaded =
        VectorIndex::Load(index.spec(), saved, kRecords, PolicyOf(precision));
    EXPECT_THAT(loaded, IsOk());
    EXPECT_TRUE((*loaded)->HasGraphOf(saved));
    return *std::move(loaded);
  }

  // Bytes of each vector's code, without what kL2 has beside it.
  static int64_t CodeBytes(const Index& index) {
    const IndexStats stats = index.Stats();
    const bool has_norm =
        GetParam() == Metric::kL2 && stats.precision != Precision::kFloat32;
    return stats.memory.codes / stats.vectors - (has_norm ? 4 : 0);
  }

  static double Recall(const Index& index, Sampler& sampler, double target) {
    return Recall(index, sampler, [&](const std::vector<float>& query) {
      return index.Search(query, kLimit, AnyRow, {.target_recall = target});
    });
  }

  static double Recall(
      const Index& index, Sampler& sampler,
      absl::FunctionRef<SearchResult(const std::vector<float>& query)> search) {
    int found = 0;
    constexpr int kQueries = 50;
    for (int i = 0; i < kQueries; ++i) {
      const std::vector<float> query = sampler.Next();
      const float last =
          index.SearchAll(query, kLimit, AnyRow).candidates.back().score;
      for (const Candidate& candidate : search(query).candidates) {
        const bool is_near = GetParam() == Metric::kL2
                                 ? candidate.score <= last
                                 : candidate.score >= last;
        found += is_near ? 1 : 0;
      }
    }
    return static_cast<double>(found) / (kQueries * kLimit);
  }

  static IndexSpec SpecOf(const Sampler& sampler) {
    return {.generation = 1,
            .dimensions = sampler.dimensions(),
            .metric = GetParam()};
  }

  // Optimize takes one thread, so the graph is the same each time.
  static constexpr GraphPolicy kPolicy = {.min_bytes = 0};
  static GraphPolicy PolicyOf(Precision precision) {
    return {.min_bytes = 0, .precision = precision};
  }
  const std::filesystem::path folder_ =
      std::filesystem::path(::testing::TempDir()) /
      absl::StrCat("vector_index_codes_", getpid());
};

INSTANTIATE_TEST_SUITE_P(All, VectorIndexCodesTest,
                         ::testing::Values(Metric::kCosine, Metric::kL2),
                         [](const auto& info) {
                           return info.param == Metric::kL2 ? "L2" : "Cosine";
                         });

TEST_P(VectorIndexCodesTest, TheyHave4BitsWhereTheseFindAsMuch) {
  Sampler sampler(256);
  const auto index = Build(sampler);
  EXPECT_EQ(CodeBytes(*index), 128);
  EXPECT_EQ(index->Stats().precision, Precision::kInt4);
  EXPECT_FALSE(index->Recall().calibration.empty());
  EXPECT_GE(Recall(*index, sampler, 0.95), 0.95);
  // Of certain rows, here all, only a few are scored exactly.
  const auto search_rows = [&](const std::vector<float>& query) {
    return index->SearchRows(query, kLimit, RowSet(index->Rows()), AnyRow,
                             {.target_recall = 0.999});
  };
  EXPECT_GE(Recall(*index, sampler, search_rows), 0.995);
  EXPECT_LT(search_rows(sampler.Next()).cost.distances, kRecords + 100);
}

TEST_P(VectorIndexCodesTest, TheyHave8BitsWhere4FindLess) {
  Sampler sampler(256, /*loud=*/8);
  const auto index = Build(sampler);
  EXPECT_EQ(CodeBytes(*index), 256);
  EXPECT_EQ(index->Stats().precision, Precision::kInt8);
  EXPECT_GE(Recall(*index, sampler, 0.95), 0.9);
}

TEST_P(VectorIndexCodesTest, TheyHave8BitsOfFewDimensions) {
  Sampler sampler(255);
  EXPECT_EQ(CodeBytes(*Build(sampler)), 255);
}

// Walks of any width would be wider than a scan.
TEST_P(VectorIndexCodesTest, TheyHave8BitsWhereNothingCanBeMeasured) {
  Sampler sampler(256);
  EXPECT_EQ(CodeBytes(*Build(sampler, /*records=*/60)), 256);
}

TEST_P(VectorIndexCodesTest, TheyHave8BitsWhereTheseAreAskedFor) {
  Sampler sampler(256);
  EXPECT_EQ(CodeBytes(*Build(sampler, Precision::kInt8)), 256);
}

// Of few dimensions, too, and where nothing can be measured.
TEST_P(VectorIndexCodesTest, TheyHave4BitsWhereTheseAreAskedFor) {
  Sampler sampler(60);
  const auto index = Build(sampler, Precision::kInt4);
  EXPECT_EQ(CodeBytes(*index), 30);
  EXPECT_GE(Recall(*index, sampler, 0.95), 0.93);
  EXPECT_EQ(CodeBytes(*Build(sampler, 100, PolicyOf(Precision::kInt4))), 30);
}

// Its scores are those of a comparison with every vector, to the last bit.
TEST_P(VectorIndexCodesTest, TheyAreTheVectorsWhereThatIsAskedFor) {
  Sampler sampler(60);
  const auto index = Build(sampler, Precision::kFloat32);
  EXPECT_EQ(CodeBytes(*index), 60 * sizeof(float));
  EXPECT_EQ(index->Stats().precision, Precision::kFloat32);
  EXPECT_FALSE(index->Recall().calibration.empty());
  EXPECT_GE(Recall(*index, sampler, 0.95), 0.93);
  for (int i = 0; i < 20; ++i) {
    const std::vector<float> query = sampler.Next();
    const SearchResult found = index->Search(query, kLimit, AnyRow);
    EXPECT_GT(found.cost.width, 0);
    const auto all = index->SearchAll(query, kRecords, AnyRow).candidates;
    for (const Candidate& candidate : found.candidates) {
      const auto same = std::find_if(
          all.begin(), all.end(),
          [&](const Candidate& other) { return other.id == candidate.id; });
      ASSERT_NE(same, all.end());
      EXPECT_EQ(candidate.score, same->score);
    }
  }
}

TEST_P(VectorIndexCodesTest, AnotherPrecisionIsOfTheSameVectors) {
  Sampler sampler(256);
  const auto index = Build(sampler);
  Precision now = Precision::kInt4;
  const auto change_to = [&](Precision asked, Precision becomes) {
    index->SetPrecision(asked);
    EXPECT_EQ(index->precision(), asked);
    // What there is serves until then.
    EXPECT_EQ(index->Stats().precision, now);
    EXPECT_GT(index->Search(sampler.Next(), kLimit, AnyRow).cost.width, 0);
    index->Optimize(Always);
    EXPECT_EQ(index->Stats().precision, becomes);
    EXPECT_EQ(index->Stats().graph_vectors, kRecords);
    EXPECT_FALSE(index->Recall().calibration.empty());
    now = becomes;
  };
  change_to(Precision::kFloat32, Precision::kFloat32);
  change_to(Precision::kInt8, Precision::kInt8);
  // It is found out now.
  change_to(Precision::kAuto, Precision::kInt4);
  EXPECT_GE(Recall(*index, sampler, 0.95), 0.93);
}

TEST_P(VectorIndexCodesTest, WhatWasMeasuredForAnotherPrecisionIsForgotten) {
  Sampler sampler(256);
  const auto index = Build(sampler, Precision::kInt8);
  index->SetPrecision(Precision::kAuto);
  index->Optimize([&] {
    index->SetPrecision(Precision::kInt8);
    return true;
  });
  EXPECT_EQ(index->Stats().precision, Precision::kInt8);
}

// 4 bits that were asked for are no proof that they find as much.
TEST_P(VectorIndexCodesTest, WhatWasAskedForIsCheckedOnceItIsNot) {
  Sampler sampler(256, /*loud=*/8);
  const auto index = Build(sampler, Precision::kInt4);
  EXPECT_EQ(CodeBytes(*index), 128);
  index->SetPrecision(Precision::kAuto);
  // Also after a restart before it is.
  const auto loaded = Reload(*index);
  for (Index* each : {loaded.get(), index.get()}) {
    each->Optimize(Always);
    EXPECT_EQ(CodeBytes(*each), 256);
  }
}

// Too small by now for another graph, it is scanned.
TEST_P(VectorIndexCodesTest, ASmallGraphOfAnotherPrecisionGoes) {
  Sampler sampler(60);
  const auto index =
      Build(sampler, kRecords,
            {.min_bytes = (kRecords - 50) * 60 * int64_t{sizeof(float)}});
  for (int row = 0; row < 100; ++row) {
    index->Apply({{.kind = IndexChange::Kind::kDeleteRecord, .row = row}},
                 kRecords + 1);
  }
  index->Optimize(Always);
  EXPECT_EQ(index->Stats().graph_vectors, kRecords - 100);
  index->SetPrecision(Precision::kFloat32);
  index->Optimize(Always);
  EXPECT_EQ(index->Stats().graph_vectors, 0);
  EXPECT_EQ(index->Stats().precision, Precision::kFloat32);
}

TEST_P(VectorIndexCodesTest, WhatIsSavedFindsTheSame) {
  for (const Precision precision : {Precision::kAuto, Precision::kFloat32}) {
    Sampler sampler(256);
    const auto index = Build(sampler, precision);
    const auto loaded = Reload(*index, precision);
    EXPECT_EQ(CodeBytes(*loaded), precision == Precision::kAuto ? 128 : 1024);
    EXPECT_EQ(loaded->Recall().calibration, index->Recall().calibration);
    for (int i = 0; i < 20; ++i) {
      const std::vector<float> query = sampler.Next();
      const auto before = index->Search(query, kLimit, AnyRow).candidates;
      const auto after = loaded->Search(query, kLimit, AnyRow).candidates;
      ASSERT_EQ(after.size(), before.size());
      for (size_t place = 0; place < before.size(); ++place) {
        EXPECT_EQ(after[place].id, before[place].id);
      }
    }
    // There is nothing to do to it.
    const SavedIndex again = Save(*loaded, "2");
    loaded->Optimize(Always);
    EXPECT_TRUE(loaded->HasGraphOf(again));
  }
}

TEST_P(VectorIndexCodesTest, WhatIsSavedOfAnotherPrecisionIsBuiltAnew) {
  Sampler sampler(60);
  const auto loaded = Reload(*Build(sampler), Precision::kFloat32);
  EXPECT_EQ(loaded->Stats().precision, Precision::kInt8);
  loaded->Optimize(Always);
  EXPECT_EQ(loaded->Stats().precision, Precision::kFloat32);
}

// Else what is found would be scored by others.
TEST_P(VectorIndexCodesTest, AGraphOfOtherVectorsIsRefused) {
  Sampler sampler(60);
  SavedIndex one = Save(*Build(sampler, Precision::kFloat32), "1");
  const SavedIndex other = Save(*Build(sampler, Precision::kFloat32), "2");
  one.graph_path = other.graph_path;
  EXPECT_THAT(VectorIndex::Load(SpecOf(sampler), one, kRecords,
                                PolicyOf(Precision::kFloat32)),
              StatusIs(absl::StatusCode::kDataLoss));
}

// Its nodes are still those of the slots that they were of.
TEST_P(VectorIndexCodesTest, WhatChangesLaterIsAsItChanged) {
  for (const Precision precision : {Precision::kAuto, Precision::kFloat32}) {
    Sampler sampler(256);
    const auto index = Build(sampler, precision);
    ASSERT_EQ(CodeBytes(*index), precision == Precision::kAuto ? 128 : 1024);
    const std::vector<float> query = sampler.Next();
    const auto before = index->Search(query, kLimit, AnyRow).candidates;
    const auto put = [&](int64_t row, const std::vector<float>& values) {
      const std::string id = absl::StrCat(row);
      index->Apply({{.kind = IndexChange::Kind::kPutVectors,
                     .row = row,
                     .sequence = kRecords + 1,
                     .id = id,
                     .chunks = {vector::Pack(values)}}},
                   kRecords + 1);
    };
    put(before[0].row, sampler.Next());
    put(kRecords, query);
    index->Apply({{.kind = IndexChange::Kind::kDeleteRecord,
                   .row = before[1].row,
                   .sequence = kRecords + 2}},
                 kRecords + 2);
    const auto after = index->Search(query, kLimit, AnyRow).candidates;
    EXPECT_EQ(after[0].row, kRecords);
    EXPECT_EQ(after[1].row, before[2].row);
    EXPECT_EQ(after[2].row, before[3].row);
  }
}

}  // namespace
}  // namespace engram::search
