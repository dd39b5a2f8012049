// `engramctl search`: what it asks for beside the nearest to a text.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tools/engramctl/testing/cli_fixture.h"

namespace engram::engramctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SearchCliTest : public testing::CliFixture {
 protected:
  SearchCliTest() { CreateNotes(); }

  const search::v1::QueryRequest& request() {
    return engram_.search.last_request;
  }
};

TEST_F(SearchCliTest, AsksForPagesScoresGroupsDiversityAndFacets) {
  EXPECT_EQ(
      Engramctl({"search", "notes", "tea", "--offset", "20", "--min-score",
                 "-0.5", "--group-by", "author", "--group-size", "2",
                 "--diversity", "0.25", "--facet", "kind, stars", "--explain"}),
      0);
  EXPECT_EQ(request().text(), "tea");
  EXPECT_EQ(request().offset(), 20);
  EXPECT_EQ(request().min_score(), -0.5f);
  EXPECT_EQ(request().group_by(), "author");
  EXPECT_EQ(request().group_size(), 2);
  EXPECT_EQ(request().diversity(), 0.25f);
  EXPECT_THAT(request().facets(), ElementsAre("kind", "stars"));
  EXPECT_TRUE(request().explain());
  EXPECT_EQ(Engramctl({"search", "notes", "tea"}), 0);
  EXPECT_FALSE(request().has_min_score());
  EXPECT_FALSE(request().explain());
}

TEST_F(SearchCliTest, RecordsStandInPlaceOfWords) {
  engram_.search.answer.add_hits()->set_id("n9");
  EXPECT_EQ(Engramctl({"search", "notes", "--like", "n1"}), 0);
  EXPECT_EQ(request().id(), "n1");
  EXPECT_THAT(output_, HasSubstr("n9"));

  EXPECT_EQ(Engramctl({"search", "notes", "--like", "n1", "--like", "n2",
                       "--unlike", "n3", "--limit", "4"}),
            0);
  const search::v1::RecommendRequest& recommend = engram_.search.last_recommend;
  EXPECT_THAT(recommend.positive_ids(), ElementsAre("n1", "n2"));
  EXPECT_THAT(recommend.negative_ids(), ElementsAre("n3"));
  EXPECT_EQ(recommend.query().limit(), 4);
  EXPECT_EQ(recommend.query().query_case(),
            search::v1::QueryRequest::QUERY_NOT_SET);
  EXPECT_THAT(output_, HasSubstr("n9"));
}

TEST_F(SearchCliTest, ACommandLineThatMakesNoSenseIsCode2) {
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{
           {"search", "notes"},
           {"search", "notes", "tea", "--like", "n1"},
           {"search", "notes", "tea", "--unlike", "n1"},
           {"search", "notes", "tea", "--group-size", "2"},
           {"search", "notes", "tea", "--diversity", "2"},
           {"search", "notes", "tea", "--offset", "-1"}}) {
    EXPECT_EQ(Engramctl(arguments), 2);
    EXPECT_THAT(errors_, HasSubstr("--help"));
  }
}

TEST_F(SearchCliTest, ShowsFacetsAndHowItWasFound) {
  search::v1::QueryResponse& answer = engram_.search.answer;
  search::v1::Hit& hit = *answer.add_hits();
  hit.set_id("n1");
  hit.set_score(0.5);
  search::v1::Facet& facet = *answer.add_facets();
  facet.set_field("stars");
  facet.set_value_count(3);
  search::v1::FacetValue& value = *facet.add_values();
  value.mutable_value()->set_number_value(5);
  value.set_count(1200);
  search::v1::Explanation& told = *answer.mutable_explanation();
  told.set_strategy(search::v1::Explanation::STRATEGY_GRAPH);
  told.set_distances(1234);
  told.set_width(64);
  told.set_matching_records(10);
  told.set_records(2000);
  told.set_searches(1);
  search::v1::Stage& stage = *told.add_stages();
  stage.set_name("search");
  stage.mutable_duration()->set_nanos(1'500'000);
  EXPECT_EQ(Engramctl({"search", "notes", "tea", "--fields", "title"}), 0);
  EXPECT_EQ(output_,
            "SCORE  ID  title\n"
            "0.500  n1\n"
            "\n"
            "stars  RECORDS\n"
            "5        1,200\n"
            "and 2 other values\n"
            "\n"
            "found       the graph was walked\n"
            "distances   1,234\n"
            "width       64\n"
            "matching    10 of 2,000 records\n"
            "searches    1\n"
            "search      1.500 ms\n");
  EXPECT_EQ(Engramctl({"search", "notes", "tea", "--json"}), 0);
  EXPECT_EQ(output_,
            R"({"id":"n1","score":0.5,"fields":{}}
{"facet":"stars","values":[{"value":5,"count":1200}],"value_count":3}
{"explanation":{"strategy":"graph","distances":1234,"width":64,)"
            R"("matching_records":10,"records":2000,"searches":1,)"
            R"("stages":[{"name":"search","milliseconds":1.5}]}}
)");
}

}  // namespace
}  // namespace engram::engramctl
