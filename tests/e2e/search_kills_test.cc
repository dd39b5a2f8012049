// Search killed while it builds a graph, saves its cache, and has just put
// other indexes in the place of those that served: the next start finds what is
// true, and its index is storage's.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/vector/vector.h"
#include "tests/e2e/cluster.h"

namespace engram::e2e {
namespace {

namespace fs = std::filesystem;
using common::v1::Operation;

constexpr int kDimensions = 1024;
// More than is scanned, so that there is a graph: 20 MB.
constexpr int kRecords = 5000;
constexpr int kQueries = 10;
constexpr int kLimit = 10;
// How often a moment that passes in milliseconds is looked for.
constexpr int kMaxTries = 8;

constexpr absl::string_view kImages = R"yaml(
collection: images
fields:
  name: {type: string}
vectors:
  pixels: {supplied: true, dimensions: 1024, metric: cosine}
)yaml";

class SearchKillsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.Start();
    cluster_.ApplySchema(kImages);
    for (int i = 0; i < kRecords; i += 250) WriteSome("image", i, 250);
    cluster_.WaitForPosition(written_);
    // A cache to begin with, and a graph.
    Rebuild();
  }

  // Writes `count` images, named from `first` on, in one call.
  void WriteSome(const std::string& prefix, int first, int count) {
    storage::v1::WriteRequest request;
    std::map<std::string, std::vector<float>> added;
    for (int i = first; i < first + count; ++i) {
      const std::string id = absl::StrCat(prefix, i);
      const auto vector = added.emplace(id, Near()).first;
      storage::v1::WriteItem& item = *request.add_items();
      item.set_collection("images");
      item.mutable_upsert()->set_id(id);
      storage::v1::SuppliedVectors& vectors =
          *item.mutable_upsert()->add_vectors();
      vectors.set_vector_field("pixels");
      vectors.add_chunks()->set_values(
          std::string(vector::Pack(vector->second)));
    }
    storage::v1::WriteResponse response;
    const grpc::Status status =
        cluster_.records().Write(Cluster::Context().get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    written_ = response.position();
    for (auto& [id, vector] : added) truth_[id] = std::move(vector);
  }

  // A vector of one of some clusters.
  std::vector<float> Near() {
    if (centers_.empty()) {
      for (int i = 0; i < 50; ++i) centers_.push_back(Draw());
    }
    const std::vector<float>& center = centers_[random_() % centers_.size()];
    std::vector<float> values = Draw();
    for (int i = 0; i < kDimensions; ++i) {
      values[i] = center[i] + 0.5f * values[i];
    }
    vector::Normalize(absl::MakeSpan(values));
    return values;
  }

  std::string StartRebuild() {
    search::v1::RebuildIndexResponse response;
    const grpc::Status status = cluster_.indexes().RebuildIndex(
        Cluster::Context().get(), {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.operation().name();
  }
  void Rebuild() {
    search::v1::OperationServiceWaitRequest request;
    request.set_name(StartRebuild());
    search::v1::OperationServiceWaitResponse response;
    ASSERT_TRUE(
        cluster_.operations()
            .Wait(Cluster::Context(absl::Minutes(1)).get(), request, &response)
            .ok());
    ASSERT_EQ(response.operation().state(), Operation::STATE_SUCCEEDED)
        << response.operation().DebugString();
  }
  // Whether a rebuild has read its snapshot, and goes on.
  bool BuildsGraphs(const std::string& operation) {
    search::v1::OperationServiceGetRequest request;
    request.set_name(operation);
    search::v1::OperationServiceGetResponse response;
    EXPECT_TRUE(cluster_.operations()
                    .Get(Cluster::Context().get(), request, &response)
                    .ok());
    const Operation& now = response.operation();
    EXPECT_EQ(now.state(), Operation::STATE_RUNNING) << now.DebugString();
    return now.progress().total() > 0 &&
           now.progress().done() >= now.progress().total();
  }

  std::string Manifest() const {
    std::ostringstream text;
    text << std::ifstream(cluster_.CacheDirectory() + "/manifest").rdbuf();
    return text.str();
  }
  std::set<std::string> CacheFiles() const {
    std::set<std::string> names;
    std::error_code ignored;  // They come and go meanwhile.
    for (const auto& entry :
         fs::directory_iterator(cluster_.CacheDirectory(), ignored)) {
      names.insert(entry.path().filename());
    }
    return names;
  }
  // Files that no manifest names: a save was under way.
  bool HasUnnamedFiles() const {
    const std::string manifest = Manifest();
    const std::set<std::string> names = CacheFiles();
    return std::any_of(names.begin(), names.end(), [&](const auto& name) {
      return name != "manifest" && manifest.find(name) == std::string::npos;
    });
  }
  // How often search has put indexes in the place of others.
  int Swaps() const {
    const std::string log = cluster_.SearchLog();
    int swaps = 0;
    for (size_t at = log.find("indexes built"); at != std::string::npos;
         at = log.find("indexes built", at + 1)) {
      ++swaps;
    }
    return swaps;
  }

  static void WaitUntil(const std::function<bool()>& condition) {
    const absl::Time give_up = absl::Now() + absl::Seconds(60);
    while (!condition()) ASSERT_LT(absl::Now(), give_up);
  }

  // Rebuilds under writes and kills search once `is_moment`; then has it start
  // again. Returns whether `was_moment` holds for what the kill left.
  bool KillWhen(const std::function<bool(const std::string& operation)>& moment,
                const std::function<bool()>& was_moment) {
    const int round = ++rounds_;
    std::thread writer([&] {
      for (int i = 0; i < 5; ++i) {
        WriteSome(absl::StrCat("late", round, "-"), 10 * i, 10);
        WriteSome("image", (50 * round + 10 * i) % kRecords, 10);
      }
    });
    const std::string operation = StartRebuild();
    WaitUntil([&] { return moment(operation); });
    cluster_.KillSearch();
    writer.join();
    const bool was = was_moment();
    const int swaps = Swaps();
    cluster_.StartSearch();
    Check();
    // It went on from what was saved, and read no snapshot.
    EXPECT_EQ(Swaps(), swaps);
    return was;
  }

  // That search finds what is true, by a scan and by its graph.
  void Check() {
    cluster_.WaitForPosition(written_);
    int found = 0;
    for (int i = 0; i < kQueries; ++i) {
      const std::vector<float> query = Near();
      const std::vector<std::string> nearest = Nearest(query);
      EXPECT_EQ(Find(query, /*exact=*/true), nearest);
      for (const std::string& id : Find(query, /*exact=*/false)) {
        found += std::count(nearest.begin(), nearest.end(), id);
      }
    }
    EXPECT_GE(found, kQueries * kLimit * 85 / 100);
    const auto verified = cluster_.Verify("images");
    EXPECT_EQ(verified.difference_count(), 0) << verified.DebugString();
    EXPECT_EQ(verified.vectors(), static_cast<int64_t>(truth_.size()));
  }

  std::vector<std::string> Find(const std::vector<float>& query, bool exact) {
    search::v1::QueryRequest request;
    request.set_collection("images");
    request.mutable_vector()->set_values(std::string(vector::Pack(query)));
    request.set_min_position(written_);
    request.set_limit(kLimit);
    request.set_exact(exact);
    search::v1::QueryResponse response;
    const grpc::Status status =
        cluster_.search().Query(Cluster::Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const auto& hit : response.hits()) ids.push_back(hit.id());
    return ids;
  }

  std::vector<std::string> Nearest(const std::vector<float>& query) const {
    std::vector<std::pair<double, std::string>> all;
    for (const auto& [id, vector] : truth_) {
      double score = 0;
      for (int i = 0; i < kDimensions; ++i) score += query[i] * vector[i];
      all.emplace_back(-score, id);
    }
    std::partial_sort(all.begin(), all.begin() + kLimit, all.end());
    std::vector<std::string> ids;
    for (int i = 0; i < kLimit; ++i) ids.push_back(all[i].second);
    return ids;
  }

  Cluster cluster_;
  // What was acknowledged.
  std::map<std::string, std::vector<float>> truth_;
  std::string written_;

 private:
  std::vector<float> Draw() {
    std::vector<float> values(kDimensions);
    for (float& value : values) value = normal_(random_);
    return values;
  }

  std::mt19937 random_{7};
  std::normal_distribution<float> normal_;
  std::vector<std::vector<float>> centers_;
  int rounds_ = 0;
};

TEST_F(SearchKillsTest, KilledWhileItBuildsAGraphItServesWhatItServedBefore) {
  const int swaps = Swaps();
  const std::string manifest = Manifest();
  EXPECT_TRUE(KillWhen(
      [&](const std::string& operation) { return BuildsGraphs(operation); },
      [&] { return Swaps() == swaps && Manifest() == manifest; }))
      << "what was built was in place already: make it larger";
}

// The indexes that were built serve by then, and nothing on disk is of them.
TEST_F(SearchKillsTest,
       KilledWhileItSavesWhatTookThePlaceOfTheOldNothingIsLost) {
  bool was_moment = false;
  for (int tries = 0; tries < kMaxTries && !was_moment; ++tries) {
    const int swaps = Swaps();
    const std::string manifest = Manifest();
    const std::set<std::string> files = CacheFiles();
    was_moment =
        KillWhen([&](const std::string&) { return CacheFiles() != files; },
                 [&] {
                   return Swaps() == swaps + 1 && Manifest() == manifest &&
                          HasUnnamedFiles();
                 });
    if (HasFailure()) return;
  }
  EXPECT_TRUE(was_moment) << "never killed in the middle of a save";
}

// The save is the new one's, and the files of the earlier one are there, too.
TEST_F(SearchKillsTest, KilledAsASaveTakesThePlaceOfAnotherItIsOneOfTheTwo) {
  for (int kills = 0; kills < 2; ++kills) {
    const std::string manifest = Manifest();
    const std::set<std::string> files = CacheFiles();
    const auto is_replaced = [&](const std::string&) {
      const std::set<std::string> now = CacheFiles();
      if (Manifest() != manifest) return true;
      // As long as it is the earlier one, what it names is there.
      EXPECT_TRUE(
          std::includes(now.begin(), now.end(), files.begin(), files.end()));
      return false;
    };
    KillWhen(is_replaced, [] { return true; });
    if (HasFailure()) return;
  }
}

// Not killed: writers that never pause are caught up with.
TEST_F(SearchKillsTest, ARebuildUnderFullWriteLoadEndsWithATrueIndex) {
  std::atomic<bool> done = false;
  int written = 0;
  std::thread writer([&] {
    for (; !done; written += 100) WriteSome("image", written % kRecords, 100);
  });
  Rebuild();
  Rebuild();
  done = true;
  writer.join();
  EXPECT_GT(written, kRecords / 10);
  Check();
}

}  // namespace
}  // namespace engram::e2e
