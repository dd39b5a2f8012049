// Which part of what a query finds it returns: limit, offset, min_score.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::SearchTest;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ResultPageTest : public SearchTest {};

TEST_F(ResultPageTest, PagesFitTogether) {
  StartSearch();
  std::vector<std::string> bodies;
  for (int i = 0; i < 30; ++i) {
    bodies.push_back(std::string(30 - i, 'a') + std::string(i, 'b'));
  }
  WriteAndIndex(bodies);
  for (const char* filter : {"", "body LIKE '%aab%'"}) {
    for (const bool with_records : {false, true}) {
      v1::QueryRequest request = TextQuery("a");
      request.set_filter(filter);
      if (with_records) {
        request.mutable_include()->mutable_fields()->add_paths("*");
      }
      request.set_limit(1000);
      const std::vector<std::string> all = Ids(request);
      EXPECT_GE(all.size(), 28);
      request.set_limit(7);
      std::vector<std::string> pages;
      for (int offset = 0; offset < 35; offset += 7) {
        request.set_offset(offset);
        for (const std::string& id : Ids(request)) pages.push_back(id);
      }
      EXPECT_EQ(pages, all) << filter;
    }
  }
}

TEST_F(ResultPageTest, APageBeyondTheEndIsEmpty) {
  StartSearch();
  WriteAndIndex({"a", "ab"});
  v1::QueryRequest request = TextQuery("a");
  request.set_offset(2);
  EXPECT_THAT(Ids(request), IsEmpty());
  request.set_offset(990);
  EXPECT_THAT(Ids(request), IsEmpty());
}

TEST_F(ResultPageTest, NoRecordScoresWorseThanMinScore) {
  StartSearch();
  WriteAndIndex({"a", "aab", "ab", "abb", "b"});
  v1::QueryRequest request = TextQuery("a");
  request.set_min_score(0);
  EXPECT_EQ(Ids(request).size(), 5);  // "b" has exactly that.
  request.set_min_score(0.7f);
  EXPECT_THAT(Ids(request), ElementsAre("a", "aab", "ab"));
  request.set_offset(1);
  EXPECT_THAT(Ids(request), ElementsAre("aab", "ab"));
  request.set_offset(0);
  request.mutable_include()->mutable_fields()->add_paths("*");
  // Vanished, and nothing worse takes their place.
  proxy_.HoldFeed();
  Delete("aab");
  EXPECT_THAT(Ids(request), ElementsAre("a", "ab"));
  request.set_limit(2);
  EXPECT_THAT(Ids(request), ElementsAre("a", "ab"));
}

TEST_F(ResultPageTest, WithDistancesMinScoreIsTheLargest) {
  ASSERT_OK(storage_.ApplySchema({R"(
collection: places
fields:
  name: {type: string}
vectors:
  at: {supplied: true, dimensions: 2, metric: l2}
)"}));
  StartSearch();
  for (int x = 0; x < 4; ++x) {
    storage::v1::WriteRequest write;
    storage::v1::WriteItem& item = *write.add_items();
    item.set_collection("places");
    item.mutable_create()->set_id(absl::StrCat("at", x));
    storage::v1::SuppliedVectors& vectors =
        *item.mutable_create()->add_vectors();
    vectors.set_vector_field("at");
    const std::vector<float> values = {static_cast<float>(x), 0};
    vectors.add_chunks()->set_values(std::string(vector::Pack(values)));
    ASSERT_OK(storage_.Write(write));
  }
  v1::QueryRequest request = VectorQuery({0, 0});
  request.set_collection("places");
  request.set_min_position(Newest());
  request.set_min_score(4);
  EXPECT_THAT(Ids(request), ElementsAre("at0", "at1", "at2"));
  request.set_offset(1);
  request.set_limit(1);
  EXPECT_THAT(Ids(request), ElementsAre("at1"));
}

TEST_F(ResultPageTest, WhatCannotBeNamesTheFieldAndTheRemedy) {
  StartSearch();
  v1::QueryRequest request = TextQuery("a");
  request.set_offset(991);
  EXPECT_THAT(Query(request),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "offset: is 991; with a limit of 10 send 0 to 990"));
  request.set_offset(-1);
  EXPECT_THAT(Query(request),
              StatusIs(absl::StatusCode::kInvalidArgument, "offset: is -1"));
  request.set_offset(0);
  request.set_min_score(NAN);
  EXPECT_THAT(Query(request), StatusIs(absl::StatusCode::kInvalidArgument,
                                       "min_score: is not"));
}

}  // namespace
}  // namespace engram::search
