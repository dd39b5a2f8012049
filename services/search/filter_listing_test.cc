// Filters that search cannot answer, where what meets them is few or far: found
// all the same, and with few questions to storage.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::SearchTest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kPoints = 20'000;

// Points p0, p1 ... , the first nearest to what queries ask for. Search holds
// `half`, and not `author`.
class FilterListingTest : public SearchTest {
 protected:
  FilterListingTest() {
    EXPECT_OK(storage_.ApplySchema({R"(
collection: points
fields:
  half: {type: int, index: true}
  author: {type: string}
vectors: {at: {supplied: true, dimensions: 2, metric: cosine}}
)"}));
  }

  static std::string IdOf(int i) { return absl::StrCat("p", i); }

  void PutAll(absl::FunctionRef<bool(int i)> is_of_ada, int points = kPoints) {
    constexpr int kAtOnce = 10'000;
    for (int first = 0; first < points; first += kAtOnce) {
      storage::v1::WriteRequest request;
      for (int i = first; i < std::min(first + kAtOnce, points); ++i) {
        storage::v1::WriteItem& item = *request.add_items();
        item.set_collection("points");
        storage::v1::Record& record = *item.mutable_create();
        record.set_id(IdOf(i));
        auto& fields = *record.mutable_fields()->mutable_fields();
        fields["half"].set_number_value(i % 2);
        fields["author"].set_string_value(is_of_ada(i) ? "ada" : "bob");
        storage::v1::SuppliedVectors& vectors = *record.add_vectors();
        vectors.set_vector_field("at");
        const float angle = static_cast<float>(i) / points;
        const std::vector<float> at = {std::cos(angle), std::sin(angle)};
        vectors.add_chunks()->set_values(std::string(vector::Pack(at)));
      }
      ASSERT_OK(storage_.Write(request));
    }
    StartSearch();
    WaitUntilIndexed();
  }

  static v1::QueryRequest Filtered(const std::string& filter) {
    v1::QueryRequest request = VectorQuery({1, 0});
    request.set_collection("points");
    request.set_filter(filter);
    return request;
  }

  // How often storage was asked to answer this.
  int Reads(const v1::QueryRequest& request) {
    const int before = proxy_.reads();
    EXPECT_OK(Query(request));
    return proxy_.reads() - before;
  }
};

TEST_F(FilterListingTest, TheFewThatMeetItAreFoundByTwoQuestions) {
  PutAll([](int i) { return i % 6000 == 5999; });
  v1::QueryRequest request = Filtered("author = 'ada'");
  request.set_explain(true);
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  EXPECT_THAT(IdsOf(found), ElementsAre("p5999", "p11999", "p17999"));
  EXPECT_LE(Reads(request), 2);
  EXPECT_EQ(found.explanation().strategy(),
            v1::Explanation::STRATEGY_SCAN_MATCHING);
  // Of so many only those were compared with, but for the first candidates.
  EXPECT_LT(found.explanation().distances(), kPoints + 10);
  request.mutable_include()->mutable_fields()->add_paths("author");
  ASSERT_OK_AND_ASSIGN(const auto with_records, Query(request));
  EXPECT_THAT(IdsOf(with_records), ElementsAre("p5999", "p11999", "p17999"));
  EXPECT_EQ(with_records.hits(2)
                .record()
                .fields()
                .fields()
                .at("author")
                .string_value(),
            "ada");
  EXPECT_LE(Reads(request), 3);
  EXPECT_THAT(Ids(Filtered("author = 'ada' AND half = 0")), IsEmpty());
  EXPECT_THAT(Ids(Filtered("author = 'eve'")), IsEmpty());
  request = Filtered("author = 'ada'");
  request.set_limit(1);
  request.set_offset(1);
  EXPECT_THAT(Ids(request), ElementsAre("p11999"));
  // The cosine with the second is 0.82.
  request = Filtered("author = 'ada'");
  request.set_min_score(0.8f);
  EXPECT_THAT(Ids(request), ElementsAre("p5999", "p11999"));
}

// Candidates come in batches, and when the list comes one of them still waits
// to be asked about: of those like p0, it is the 64th that is p0 itself, so of
// 256 there are 63, 64 and 127 asked about.
TEST_F(FilterListingTest, WhatWaitedToBeAskedAboutIsFoundInTheList) {
  PutAll(
      [](int i) {
        return (i > 0 && i <= 5) || i == 100 || i == 101 || i >= 255;
      },
      /*points=*/600);
  v1::QueryRequest request = Filtered("author = 'ada'");
  request.set_id("p0");
  request.set_limit(10);
  request.set_explain(true);
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  EXPECT_THAT(IdsOf(found), ElementsAre("p1", "p2", "p3", "p4", "p5", "p100",
                                        "p101", "p255", "p256", "p257"));
  EXPECT_EQ(found.explanation().strategy(),
            v1::Explanation::STRATEGY_SCAN_MATCHING);
}

TEST_F(FilterListingTest, WhatStorageListsIsAsItIsNow) {
  PutAll([](int i) { return i % 6000 == 5999; });
  proxy_.HoldFeed();
  EXPECT_OK(storage_.Delete("points", "p11999"));
  EXPECT_OK(storage_.Upsert("points", "p7000", R"({"author": "ada"})"));
  EXPECT_OK(storage_.Upsert("points", "new", R"({"author": "ada"})"));
  EXPECT_THAT(Ids(Filtered("author = 'ada'")),
              ElementsAre("p5999", "p7000", "p17999"));
  proxy_.ReleaseFeed();
}

TEST_F(FilterListingTest, WhereManyMeetItCandidatesAreAskedAbout) {
  PutAll([](int i) { return i % 3 == 0; });
  v1::QueryRequest request = Filtered("author = 'ada'");
  request.set_limit(4);
  EXPECT_THAT(Ids(request), ElementsAre("p0", "p3", "p6", "p9"));
  EXPECT_EQ(Reads(request), 1);
}

// So many meet it that storage's list is not read to its end, but none of what
// is near.
TEST_F(FilterListingTest, TheManyThatMeetItFarAwayAreFound) {
  PutAll([](int i) { return i >= 9000; });
  v1::QueryRequest request = Filtered("author = 'ada'");
  request.set_limit(3);
  request.set_explain(true);
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  EXPECT_THAT(IdsOf(found), ElementsAre("p9000", "p9001", "p9002"));
  EXPECT_NE(found.explanation().strategy(),
            v1::Explanation::STRATEGY_SCAN_MATCHING);
  // A list of ten pages, and ever more candidates at once: not 64 each time.
  EXPECT_LT(Reads(request), 30);
}

}  // namespace
}  // namespace engram::search
