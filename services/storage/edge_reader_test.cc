#include "services/storage/edge_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/read_target.h"
#include "services/storage/testing/graph_fixture.h"

namespace engram::storage {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class EdgeReaderTest : public testing::GraphTest {
 protected:
  // Opens the state that readers see from then on.
  void Open(const std::string& collection) {
    auto target = FindGraph(db_.database(), collection);
    ASSERT_OK(target);
    target_.emplace(*std::move(target));
  }

  EdgeReader NewReader(
      const std::string& edge_filter = "",
      EdgeReader::Columns columns = EdgeReader::Columns::kAll) {
    FieldViolations violations;
    google::protobuf::Struct values;
    filter::SharedParameters parameters(values);
    const EdgeFilter filter = DecodeEdgeFilter(
        target_->collection->spec, {}, edge_filter, parameters, violations);
    EXPECT_OK(violations.ToStatus());
    EdgeReader reader(target_->connection(), *target_->collection, filter,
                      columns, db_.database().now_us(), bounds_);
    reader.Allow(1000);
    return reader;
  }

  // The edges that have one of `nodes` at an end, as `<id>: <near> <far>`.
  static std::vector<std::string> Read(EdgeReader& reader, EdgeEnd near,
                                       const std::vector<std::string>& nodes) {
    std::vector<std::string> edges;
    EXPECT_OK(reader.Visit(near, nodes, [&](const EdgeView& edge) {
      edges.push_back(absl::StrCat(edge.id, ": ", edge.near, " ", edge.far));
      return true;
    }));
    return edges;
  }

  // How SQLite finds the rows of the statements over a table that the
  // connection has.
  std::vector<std::string> Plans(const std::string& table) {
    std::vector<std::string> sql, plans;
    sqlite3* const db = target_->connection().handle();
    for (sqlite3_stmt* statement = sqlite3_next_stmt(db, nullptr);
         statement != nullptr; statement = sqlite3_next_stmt(db, statement)) {
      const std::string text = sqlite3_sql(statement);
      if (absl::StrContains(text, absl::StrCat("FROM \"", table, "\""))) {
        sql.push_back(text);
      }
    }
    for (const std::string& text : sql) {
      auto explain = target_->connection().Prepare(
          absl::StrCat("EXPLAIN QUERY PLAN ", text));
      EXPECT_OK(explain);
      EXPECT_TRUE(*explain->Step());
      plans.push_back(std::string(explain->Text(3)));
    }
    return plans;
  }

  std::optional<ReadTarget> target_;
};

TEST_F(EdgeReaderTest, ReadsByTheIndexOfAnEndWhateverTheFilter) {
  ASSERT_OK(db_.Apply({R"(
collection: mixed
fields:
  a:     {type: string, required: true}
  b:     {type: ref(places)}
  kind:  {type: string, index: true}
  state: {type: string, index: true}
  tags:  {type: strings, index: true}
unique: [[a, b, kind]]
edges: {source: a, target: b, kind: kind}
expire: {after: 1h}
soft_delete: true
)"}));
  const std::vector<std::string> few = {"x"};
  std::vector<std::string> many;
  for (int i = 0; i < 600; ++i) many.push_back(absl::StrCat("x", i));
  Open("mixed");
  for (const char* filter :
       {"", "state = \"open\"", "kind = \"x\" AND tags HAS \"red\"",
        "b = \"y\" OR id = \"z\""}) {
    EdgeReader reader = NewReader(filter);
    for (const auto& nodes : {few, many}) {
      EXPECT_THAT(Read(reader, EdgeEnd::kSource, nodes), IsEmpty());
    }
    EXPECT_THAT(Plans("mixed"),
                AllOf(Not(IsEmpty()),
                      Each(AllOf(HasSubstr("SEARCH"), HasSubstr("(a=?)")))))
        << filter;
  }
  Open("mixed");
  EdgeReader reader = NewReader("state = \"open\"");
  for (const auto& nodes : {few, many}) {
    EXPECT_THAT(Read(reader, EdgeEnd::kTarget, nodes), IsEmpty());
  }
  EXPECT_THAT(Plans("mixed"),
              Contains(AllOf(HasSubstr("SEARCH"), HasSubstr("(b=?)"))));
}

TEST_F(EdgeReaderTest, AListsElementsAreLookedForInTheEdge) {
  ASSERT_OK(db_.Apply({R"(
collection: tagged
fields:
  a:    {type: string}
  b:    {type: string}
  tags: {type: strings, index: true}
edges: {source: a, target: b}
)"}));
  Put("tagged", "1", R"({"a": "x", "b": "y", "tags": ["red", "blue"]})");
  Put("tagged", "2", R"({"a": "x", "b": "z", "tags": ["blue"]})");
  Open("tagged");
  EdgeReader reader = NewReader("tags HAS \"red\"");
  EXPECT_THAT(Read(reader, EdgeEnd::kSource, {"x"}), ElementsAre("1: x y"));
  // The index of elements would be read as a whole, for each chunk.
  sqlite3_stmt* const statement =
      sqlite3_next_stmt(target_->connection().handle(), nullptr);
  EXPECT_THAT(sqlite3_sql(statement), AllOf(HasSubstr("FROM \"tagged\""),
                                            Not(HasSubstr("_elements_"))));
}

TEST_F(EdgeReaderTest, FewStatementsServeAnyNumberOfNodes) {
  Link({"n0 -> y", "n599 -> y", "n1300 -> y"});
  Open("links");
  EdgeReader reader = NewReader();
  std::vector<std::string> nodes;
  for (int i = 0; i <= 1300; ++i) nodes.push_back(absl::StrCat("n", i));
  for (size_t size = 1; size < nodes.size(); size = size * 3 / 2 + 1) {
    const std::vector<std::string> first(nodes.begin(), nodes.begin() + size);
    EXPECT_THAT(Read(reader, EdgeEnd::kSource, first),
                SizeIs(size > 599 ? 2 : 1));
  }
  EXPECT_THAT(Read(reader, EdgeEnd::kSource, nodes),
              ElementsAre("n0-y: n0 y", "n599-y: n599 y", "n1300-y: n1300 y"));
  // 1, 8, 64 and 512.
  EXPECT_THAT(Plans("links"), SizeIs(4));
}

TEST_F(EdgeReaderTest, StatementsWithACallersFilterAreNotKept) {
  Open("links");
  {
    EdgeReader plain = NewReader();
    EdgeReader filtered = NewReader("weight > 1");
    Read(plain, EdgeEnd::kSource, {"x"});
    Read(filtered, EdgeEnd::kSource, {"x"});
    EXPECT_THAT(Plans("links"), SizeIs(2));
  }
  EXPECT_THAT(Plans("links"), SizeIs(1));
}

TEST_F(EdgeReaderTest, LooksAtNoMoreEdgesThanAllowed) {
  Link({"1: a -> b", "2: a -> c", "3: a -> d"});
  Open("links");
  EdgeReader reader = NewReader();
  reader.Allow(2);
  EXPECT_THAT(Read(reader, EdgeEnd::kSource, {"a"}),
              ElementsAre("1: a b", "2: a c"));
  EXPECT_TRUE(reader.spent());
  EXPECT_THAT(Read(reader, EdgeEnd::kTarget, {"b"}), IsEmpty());
  reader.Allow(3);
  EXPECT_FALSE(reader.spent());
  EXPECT_THAT(Read(reader, EdgeEnd::kSource, {"a"}), SizeIs(3));
  // All that were allowed, and there were no more.
  EXPECT_FALSE(reader.spent());
}

TEST_F(EdgeReaderTest, WhatTheFilterRefusesIsLookedAt) {
  Link({"1: a -> b", "2: a -> c", "3: a -> d"});
  Open("links");
  EdgeReader reader = NewReader("b = \"d\"");
  reader.Allow(2);
  EXPECT_THAT(Read(reader, EdgeEnd::kSource, {"a"}), IsEmpty());
  EXPECT_TRUE(reader.spent());
  reader.Allow(3);
  EXPECT_THAT(Read(reader, EdgeEnd::kSource, {"a"}), ElementsAre("3: a d"));
}

TEST_F(EdgeReaderTest, AVisitEndsWhenItsVisitorSaysSo) {
  Link({"1: a -> b", "2: a -> c"});
  Open("links");
  EdgeReader reader = NewReader();
  int visited = 0;
  ASSERT_OK(reader.Visit(EdgeEnd::kSource, std::vector<std::string>{"a"},
                         [&](const EdgeView&) {
                           ++visited;
                           return false;
                         }));
  EXPECT_EQ(visited, 1);
  EXPECT_FALSE(reader.spent());
}

}  // namespace
}  // namespace engram::storage
