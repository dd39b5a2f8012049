#include "services/search/recall_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace engram::search {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

class RecallMetricsTest : public ::testing::Test {
 protected:
  static NamedRecall Index(const std::string& collection, double recall,
                           int64_t samples) {
    return {"db",
            collection,
            "text",
            {.is_exact = false,
             .recall = recall,
             .samples = samples,
             .all_samples = samples}};
  }
  // By collection.
  std::map<std::string, double> Recalls() const {
    std::map<std::string, double> recalls;
    for (const auto& family : registry_.Collect()) {
      if (family.name != "engram_search_recall") continue;
      for (const auto& metric : family.metric) {
        for (const auto& label : metric.label) {
          if (label.name == "collection") {
            recalls[label.value] = metric.gauge.value;
          }
        }
      }
    }
    return recalls;
  }
  double Samples() const {
    for (const auto& family : registry_.Collect()) {
      if (family.name == "engram_search_recall_samples_total") {
        return family.metric.at(0).counter.value;
      }
    }
    return -1;
  }

  prometheus::Registry registry_;
  RecallMetrics metrics_{registry_};
};

TEST_F(RecallMetricsTest, TellsOfEachIndexThatIsKnown) {
  metrics_.Update({Index("a", 0.9, 30),
                   Index("unknown", 1, 0),
                   {"db", "small", "text", {.is_exact = true}}});
  EXPECT_THAT(Recalls(), ElementsAre(Pair("a", 0.9), Pair("small", 1)));
  metrics_.Update({Index("a", 0.95, 50)});
  EXPECT_THAT(Recalls(), ElementsAre(Pair("a", 0.95)));
  metrics_.Update({});
  EXPECT_THAT(Recalls(), IsEmpty());
}

TEST_F(RecallMetricsTest, CountsEverySampleOnce) {
  EXPECT_EQ(Samples(), 0);
  metrics_.Update({Index("a", 0.9, 30), Index("b", 0.9, 5)});
  metrics_.Update({Index("a", 0.9, 31), Index("b", 0.9, 5)});
  EXPECT_EQ(Samples(), 36);
  metrics_.Update({Index("a", 0.9, 2)});  // Another one of this name.
  EXPECT_EQ(Samples(), 38);
}

TEST_F(RecallMetricsTest, OfVeryManyItTellsOfTheWorst) {
  std::vector<NamedRecall> indexes;
  for (int i = 0; i < 300; ++i) {
    indexes.push_back(Index(absl::StrCat("c", i), 0.999 - 0.001 * i, 10));
  }
  metrics_.Update(indexes);
  const auto recalls = Recalls();
  EXPECT_EQ(recalls.size(), RecallMetrics::kMaxIndexes);
  EXPECT_TRUE(recalls.contains("c299"));
  EXPECT_FALSE(recalls.contains("c0"));
}

}  // namespace
}  // namespace engram::search
