// Random graphs, asked here and of a naive copy in memory.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/graph_fixture.h"

namespace engram::storage {
namespace {

struct NaiveEdge {
  std::string id;
  std::string source;
  std::string target;
  std::string kind;
  int weight = 0;
};

// What a question is about.
struct Question {
  std::set<std::string> start;
  bool out = true;
  bool in = false;
  std::set<std::string> kinds;
  int least_weight = 0;
  bool only_open = false;
  int depth = 1;
  size_t limit = 100;
};

class NaiveGraph {
 public:
  using Nodes = std::set<std::string>;
  using IsUsed = std::function<bool(const NaiveEdge&)>;

  std::vector<NaiveEdge> edges;
  // Those that have a record that is open.
  Nodes open;

  static IsUsed UsedBy(const Question& question) {
    return [question](const NaiveEdge& edge) {
      return (question.kinds.empty() || question.kinds.count(edge.kind) > 0) &&
             edge.weight >= question.least_weight;
    };
  }

  struct Found {
    std::vector<std::string> nodes;
    std::vector<std::string> edges;
    bool truncated = false;
  };

  Found Walk(const Question& question) const {
    const IsUsed used = UsedBy(question);
    // Depth and the smallest node before.
    std::map<std::string, std::pair<int, std::string>> reached;
    Nodes frontier = question.start;
    for (int depth = 1; depth <= question.depth; ++depth) {
      std::map<std::string, std::string> next;
      const auto step = [&](const std::string& from, const std::string& to) {
        if (frontier.count(from) == 0 || question.start.count(to) > 0 ||
            reached.count(to) > 0 ||
            (question.only_open && open.count(to) == 0)) {
          return;
        }
        const auto [node, inserted] = next.emplace(to, from);
        if (!inserted) node->second = std::min(node->second, from);
      };
      for (const NaiveEdge& edge : edges) {
        if (!used(edge)) continue;
        if (question.out) step(edge.source, edge.target);
        if (question.in) step(edge.target, edge.source);
      }
      frontier.clear();
      for (const auto& [id, from] : next) {
        reached[id] = {depth, from};
        frontier.insert(id);
      }
    }
    return Cut(question, used, reached);
  }

  std::map<std::string, std::set<std::string>> Neighbors(
      const IsUsed& used) const {
    std::map<std::string, std::set<std::string>> neighbors;
    for (const NaiveEdge& edge : edges) {
      if (!used(edge) || edge.source == edge.target) continue;
      neighbors[edge.source].insert(edge.target);
      neighbors[edge.target].insert(edge.source);
    }
    return neighbors;
  }

 private:
  Found Cut(
      const Question& question, const IsUsed& used,
      const std::map<std::string, std::pair<int, std::string>>& reached) const {
    std::vector<std::pair<int, std::string>> order;
    for (const auto& [id, how] : reached) order.emplace_back(how.first, id);
    std::sort(order.begin(), order.end());
    Found found;
    found.truncated = order.size() > question.limit;
    // Where the walk ends: at the level that the limit cuts, or before it.
    int levels = question.depth;
    if (found.truncated) {
      levels = order[question.limit].first;
      order.resize(question.limit);
    }
    Nodes ends = question.start, passed = question.start;
    for (const auto& [depth, id] : order) {
      found.nodes.push_back(
          absl::StrCat(depth, " ", id, " < ", reached.at(id).second));
      ends.insert(id);
      if (depth < levels) passed.insert(id);
    }
    for (const NaiveEdge& edge : edges) {
      if (!used(edge) || ends.count(edge.source) == 0 ||
          ends.count(edge.target) == 0) {
        continue;
      }
      if ((question.out && passed.count(edge.source) > 0) ||
          (question.in && passed.count(edge.target) > 0)) {
        found.edges.push_back(absl::StrCat(edge.id, ": ", edge.source, " -",
                                           edge.kind, "-> ", edge.target));
      }
    }
    std::sort(found.edges.begin(), found.edges.end());
    return found;
  }
};

class GraphRandomTest : public testing::GraphTest {
 protected:
  int Below(int end) {
    return std::uniform_int_distribution<int>(0, end - 1)(random_);
  }
  std::string AnyNode() { return absl::StrCat("n", Below(nodes_)); }
  std::string AnyKind() { return std::string(1, "xyz"[Below(3)]); }

  // Adds edges between `nodes` nodes, and records of most of these.
  void Make(int nodes, int edges) {
    nodes_ = nodes;
    std::vector<std::string> items;
    for (int i = 0; i < edges; ++i) {
      const NaiveEdge edge = {.id = absl::StrCat("e", 100 + i),
                              .source = AnyNode(),
                              .target = AnyNode(),
                              .kind = AnyKind(),
                              .weight = Below(4)};
      naive_.edges.push_back(edge);
      items.push_back(
          absl::StrCat(R"({"collection": "links", "upsert": {"id": ")", edge.id,
                       R"(", "fields": {"a": ")", edge.source, R"(", "b": ")",
                       edge.target, R"(", "kind": ")", edge.kind,
                       R"(", "weight": )", edge.weight, "}}}"));
    }
    for (int i = 0; i < nodes; ++i) {
      const int chance = Below(4);
      if (chance == 0) continue;
      const std::string id = absl::StrCat("n", i);
      if (chance > 1) naive_.open.insert(id);
      items.push_back(absl::StrCat(
          R"({"collection": "places", "upsert": {"id": ")", id,
          R"(", "fields": {"open": )", chance > 1 ? "true" : "false", "}}}"));
    }
    ASSERT_OK(db_.Write(absl::StrCat("[", absl::StrJoin(items, ","), "]")));
  }

  void Clear() {
    naive_ = {};
    ASSERT_OK(db_.Run([](WriteTransaction& transaction) {
      return transaction.connection().Execute(
          "DELETE FROM links; DELETE FROM places");
    }));
  }

  Question AnyQuestion() {
    Question question;
    for (int i = Below(3); i >= 0; --i) question.start.insert(AnyNode());
    const int direction = Below(3);
    question.out = direction != 1;
    question.in = direction != 0;
    for (int i = Below(3); i > 0; --i) question.kinds.insert(AnyKind());
    question.least_weight = Below(3);
    question.only_open = Below(2) == 0;
    question.depth = 1 + Below(5);
    question.limit = Below(2) == 0 ? 1 + Below(nodes_) : 100;
    return question;
  }

  static std::string EdgesText(const Question& question) {
    std::string text =
        absl::StrCat(" edge_filter: 'weight >= ", question.least_weight, "'");
    for (const std::string& kind : question.kinds) {
      absl::StrAppend(&text, " kinds: '", kind, "'");
    }
    return text;
  }

  static std::string WalkText(const Question& question) {
    std::string text = absl::StrCat(
        EdgesText(question), " max_depth: ", question.depth,
        " limit: ", question.limit, " with_edges: true direction: ",
        question.out && question.in ? "DIRECTION_BOTH"
        : question.out              ? "DIRECTION_OUT"
                                    : "DIRECTION_IN");
    for (const std::string& id : question.start) {
      absl::StrAppend(&text, " start: '", id, "'");
    }
    if (question.only_open) {
      absl::StrAppend(&text, " node_collection: 'places' node_filter: 'open'");
    }
    return text;
  }

  void CheckWalk(const Question& question) {
    const std::string text = WalkText(question);
    const NaiveGraph::Found expected = naive_.Walk(question);
    ASSERT_OK_AND_ASSIGN(const auto response, TraverseLinks(text));
    EXPECT_EQ(NodesOf(response), expected.nodes) << text;
    EXPECT_EQ(EdgesOf(response), expected.edges) << text;
    EXPECT_EQ(response.truncated(), expected.truncated) << text;
  }

  void CheckDegrees(const Question& question) {
    const auto used = NaiveGraph::UsedBy(question);
    auto neighbors = naive_.Neighbors(used);
    std::string text = EdgesText(question);
    for (int i = 0; i < nodes_; ++i) absl::StrAppend(&text, " ids: 'n", i, "'");
    ASSERT_OK_AND_ASSIGN(const auto response, Degrees(text));
    ASSERT_EQ(response.degrees_size(), nodes_);
    for (const v1::NodeDegree& degree : response.degrees()) {
      int out = 0, in = 0;
      for (const NaiveEdge& edge : naive_.edges) {
        out += used(edge) && edge.source == degree.id();
        in += used(edge) && edge.target == degree.id();
      }
      EXPECT_EQ(degree.edges_out(), out);
      EXPECT_EQ(degree.edges_in(), in);
      EXPECT_EQ(degree.neighbors(), neighbors[degree.id()].size());
    }
  }

  void CheckCommon(const Question& question) {
    auto neighbors = naive_.Neighbors(NaiveGraph::UsedBy(question));
    const std::string id = *question.start.begin();
    // Those that share something and are not linked, what shares most first.
    std::vector<std::pair<int, std::string>> suggested;
    for (const auto& [other, others] : neighbors) {
      if (other == id || neighbors[id].count(other) > 0) continue;
      const int shared = Shared(neighbors[id], others).size();
      if (shared > 0) suggested.emplace_back(-shared, other);
    }
    std::sort(suggested.begin(), suggested.end());
    ASSERT_OK_AND_ASSIGN(
        const auto response,
        Common(absl::StrCat("id: '", id, "'", EdgesText(question))));
    EXPECT_EQ(response.neighbors(), neighbors[id].size());
    ASSERT_EQ(response.others_size(), suggested.size());
    for (int i = 0; i < response.others_size(); ++i) {
      EXPECT_EQ(response.others(i).id(), suggested[i].second);
      EXPECT_FALSE(response.others(i).linked());
      CheckPair(neighbors, id, response.others(i));
    }
    std::string text = absl::StrCat("id: '", id, "'", EdgesText(question));
    for (int i = 0; i < nodes_; ++i) {
      const std::string other = absl::StrCat("n", i);
      if (other != id) absl::StrAppend(&text, " others: '", other, "'");
    }
    ASSERT_OK_AND_ASSIGN(const auto all, Common(text));
    EXPECT_EQ(all.others_size(), nodes_ - 1);
    for (const v1::CommonNeighbors& other : all.others()) {
      EXPECT_EQ(other.linked(), neighbors[id].count(other.id()) > 0);
      CheckPair(neighbors, id, other);
    }
  }

  static std::vector<std::string> Shared(const std::set<std::string>& a,
                                         const std::set<std::string>& b) {
    std::vector<std::string> shared;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(),
                          std::back_inserter(shared));
    return shared;
  }

  static void CheckPair(std::map<std::string, std::set<std::string>>& neighbors,
                        const std::string& id,
                        const v1::CommonNeighbors& other) {
    EXPECT_EQ(other.neighbors(), neighbors[other.id()].size());
    std::vector<std::string> shared;
    double adamic_adar = 0;
    for (const v1::NodeDegree& node : other.shared()) {
      shared.push_back(node.id());
      EXPECT_EQ(node.neighbors(), neighbors[node.id()].size());
      adamic_adar += 1 / std::log(neighbors[node.id()].size());
    }
    EXPECT_EQ(shared, Shared(neighbors[id], neighbors[other.id()]));
    EXPECT_DOUBLE_EQ(other.adamic_adar(), adamic_adar);
  }

  std::mt19937 random_{4711};
  int nodes_ = 0;
  NaiveGraph naive_;
};

TEST_F(GraphRandomTest, AgreesWithANaiveGraph) {
  for (int graph = 0; graph < 30; ++graph) {
    Clear();
    const int nodes = 2 + Below(30);
    Make(nodes, Below(4 * nodes));
    for (int i = 0; i < 20; ++i) {
      const Question question = AnyQuestion();
      CheckWalk(question);
      CheckDegrees(question);
      CheckCommon(question);
      if (HasFailure()) return;
    }
  }
}

}  // namespace
}  // namespace engram::storage
