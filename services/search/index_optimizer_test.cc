// With how many threads graphs are built, at which priority, and of what.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

namespace fs = std::filesystem;

using ::engram::search::testing::SearchTest;

// Little more than what a scan is fast enough for.
constexpr int kDimensions = 1024;
constexpr int kRecords = 4400;

class IndexOptimizerTest : public SearchTest {
 protected:
  void Declare(absl::string_view attributes) {
    ASSERT_OK(
        storage_.ApplySchema({absl::StrCat(R"(
collection: points
fields: {name: {type: string}}
vectors: {at: {supplied: true, metric: cosine, dimensions: )",
                                           kDimensions, attributes, "}}")}));
  }

  void PutAll() {
    Declare("");
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    constexpr int kAtOnce = 400;
    for (int first = 0; first < kRecords; first += kAtOnce) {
      storage::v1::WriteRequest request;
      for (int i = first; i < first + kAtOnce; ++i) {
        storage::v1::WriteItem& item = *request.add_items();
        item.set_collection("points");
        item.mutable_create()->set_id(absl::StrCat("p", i));
        storage::v1::SuppliedVectors& vectors =
            *item.mutable_create()->add_vectors();
        vectors.set_vector_field("at");
        std::vector<float> at(kDimensions);
        for (float& value : at) value = normal(random);
        vectors.add_chunks()->set_values(std::string(vector::Pack(at)));
      }
      ASSERT_OK(storage_.Write(request));
    }
  }

  bool HasGraph() {
    for (const v1::Index& index : ListIndexes()) {
      if (index.graph_vectors() == kRecords) return true;
    }
    return false;
  }

  v1::Index Points() {
    for (const v1::Index& index : ListIndexes()) {
      if (index.collection() == "points") return index;
    }
    return v1::Index();
  }

  void WaitUntil(absl::FunctionRef<bool(const v1::Index&)> holds) {
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    while (!holds(Points())) {
      ASSERT_LT(absl::Now(), give_up);
      absl::SleepFor(absl::Milliseconds(5));
    }
  }
  void WaitForPrecision(common::v1::Precision precision) {
    WaitUntil(
        [&](const v1::Index& index) { return index.precision() == precision; });
  }
  void WaitForKind(common::v1::IndexKind kind) {
    WaitUntil([&](const v1::Index& index) { return index.kind() == kind; });
  }

  // This process's threads that have a lower priority than this one.
  static int YieldingThreads() {
    const int own = getpriority(PRIO_PROCESS, 0);
    int count = 0;
    for (const auto& thread : fs::directory_iterator("/proc/self/task")) {
      const std::string id = thread.path().filename();
      // One that has ended meanwhile has an error, which is none above `own`.
      if (getpriority(PRIO_PROCESS, std::atoi(id.c_str())) > own) ++count;
    }
    return count;
  }

  // Waits for the graph; returns how many threads there were at most.
  int WatchBuild() {
    int most = 0;
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    while (!HasGraph() && absl::Now() < give_up) {
      most = std::max(most, YieldingThreads());
    }
    EXPECT_TRUE(HasGraph());
    return most;
  }
};

TEST_F(IndexOptimizerTest, TheSettingIsHowManyThreadsBuildBesideQueries) {
  options_.threads = 3;
  PutAll();
  StartSearchSoon();
  EXPECT_EQ(WatchBuild(), 3);
  EXPECT_EQ(YieldingThreads(), 1);  // Which waits for more to do.
}

// Without another vector from storage.
TEST_F(IndexOptimizerTest, ASchemaOfAnotherPrecisionHasTheGraphBuiltAnew) {
  PutAll();
  StartSearchSoon();
  WatchBuild();
  EXPECT_NE(Points().precision(), common::v1::PRECISION_FLOAT32);
  const int64_t generation = Points().generation();
  Declare(", precision: float32");
  WaitForPrecision(common::v1::PRECISION_FLOAT32);
  EXPECT_EQ(Points().graph_vectors(), kRecords);
  EXPECT_EQ(Points().generation(), generation);
  StopSearch();
  StartSearch();
  EXPECT_EQ(Points().precision(), common::v1::PRECISION_FLOAT32);
  EXPECT_EQ(Points().graph_vectors(), kRecords);
  Declare(", precision: int8");
  WaitForPrecision(common::v1::PRECISION_INT8);
}

TEST_F(IndexOptimizerTest, ASchemaOfAnotherIndexHasTheGraphDroppedAndBuilt) {
  PutAll();
  StartSearchSoon();
  WatchBuild();
  const int64_t generation = Points().generation();
  Declare(", index: flat");
  WaitForKind(common::v1::INDEX_KIND_FLAT);
  StopSearch();
  StartSearch();
  EXPECT_EQ(Points().kind(), common::v1::INDEX_KIND_FLAT);
  Declare(", index: hnsw");
  WaitForKind(common::v1::INDEX_KIND_HNSW);
  EXPECT_EQ(Points().graph_vectors(), kRecords);
  EXPECT_EQ(Points().generation(), generation);
}

TEST_F(IndexOptimizerTest, OneThreadMayDoItAlone) {
  options_.threads = 1;
  PutAll();
  StartSearchSoon();
  EXPECT_EQ(WatchBuild(), 1);
}

}  // namespace
}  // namespace engram::search
