#include "libs/hnsw/link_selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "libs/hnsw/code_table.h"

namespace engram::hnsw {
namespace {

using ::testing::ElementsAre;

class LinkSelectorTest : public ::testing::TestWithParam<Metric> {
 protected:
  LinkSelectorTest() : codes_(Rows().data(), 5, 3, GetParam()) {}

  // Returns the nodes chosen as neighbours of node 0, in order.
  std::vector<uint32_t> Select(int most) {
    const CodeView view = codes_.view();
    NodeDistances from(view);
    from.From(0);
    std::vector<Link> links;
    for (uint32_t node = 1; node < 5; ++node) {
      Link& link = links.emplace_back(Link{.id = node});
      from.Score(&node, 1, &link.distance);
    }
    LinkSelector(view, nullptr).Select(links, most);
    std::vector<uint32_t> nodes;
    for (const Link& link : links) nodes.push_back(link.id);
    return nodes;
  }

 private:
  // Unit vectors, ever farther from the first. Node 2 is a little nearer to 1
  // than to 0, node 3 lies on the other side, 4 is much nearer to 1.
  static std::vector<float> Rows() {
    constexpr float kPlane[][2] = {
        {0, 0}, {0.25, 0}, {0.132, 0.3}, {-0.35, 0}, {0.3, 0.25}};
    std::vector<float> rows;
    for (const auto& [x, y] : kPlane) {
      rows.insert(rows.end(), {x, y, std::sqrt(1 - x * x - y * y)});
    }
    return rows;
  }

  CodeTable codes_;
};

TEST_P(LinkSelectorTest, PrunedOnesComeLastAndOnlyIfNotMuchNearerToAChosenOne) {
  EXPECT_THAT(Select(4), ElementsAre(1, 3, 2));
  EXPECT_THAT(Select(2), ElementsAre(1, 3));
}

INSTANTIATE_TEST_SUITE_P(Metrics, LinkSelectorTest,
                         ::testing::Values(Metric::kDot, Metric::kL2));

}  // namespace
}  // namespace engram::hnsw
