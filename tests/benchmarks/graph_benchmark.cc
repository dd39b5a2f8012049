// How fast storage answers questions about a graph of a million edges, against
// the SQL that somebody would write for the same answer, on the same file in
// the same process. README.md has the command and results.
//
//   graph_benchmark [neighbors] [walk] [degrees] [common] [hub]

#include <algorithm>
#include <cstdio>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/sqlite/connection.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "services/storage/common_neighbors.h"
#include "services/storage/node_degrees.h"
#include "services/storage/testing/database_fixture.h"
#include "services/storage/traverse.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/load.h"
#include "tests/benchmarks/report.h"

namespace engram::benchmarks {
namespace {

namespace v1 = storage::v1;

constexpr int kRounds = 7;
constexpr int kNodes = 100'000;
constexpr int kEdges = 1'000'000;
constexpr int kHubEdges = 500'000;

constexpr char kLinks[] = R"(
collection: links
fields:
  a:    {type: string}
  b:    {type: string}
  kind: {type: string}
edges: {source: a, target: b, kind: kind}
)";

// Edges of three kinds, from nodes that all have about ten to nodes of which a
// few have thousands; and those of `hub`.
constexpr char kMakeEdges[] = R"(
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n LIMIT %d)
INSERT INTO links (id, _version, _created_us, _updated_us, _sequence, a, b, kind)
SELECT printf('e%%08d', i), 1, 0, 0, 0,
       printf('n%%06d', abs(random()) %% %d),
       printf('n%%06d', (abs(random()) %% 1000000) * (abs(random()) %% 1000000)
                       / 1000000 * %d / 1000000),
       printf('k%%d', i %% 3)
FROM n)";
constexpr char kMakeHub[] = R"(
WITH RECURSIVE n(i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n LIMIT %d)
INSERT INTO links (id, _version, _created_us, _updated_us, _sequence, a, b, kind)
SELECT printf('h%%08d', i), 1, 0, 0, 0, 'hub', printf('h%%06d', i), 'k0'
FROM n)";

constexpr char kNeighborsSql[] =
    "SELECT b FROM links WHERE a = ?1 AND b <> ?1 UNION "
    "SELECT a FROM links WHERE b = ?1 AND a <> ?1 ORDER BY 1 LIMIT 100";
constexpr char kWalkSql[] =
    "WITH RECURSIVE walk(id, depth) AS (VALUES (?1, 0) UNION "
    "SELECT b, depth + 1 FROM walk JOIN links ON a = walk.id WHERE depth < ?2) "
    "SELECT id, min(depth) FROM walk WHERE depth > 0 AND id <> ?1 GROUP BY id "
    "ORDER BY 2, 1 LIMIT 1000";
constexpr char kDegreeSql[] =
    "SELECT (SELECT count(*) FROM links WHERE a = ?1), "
    "(SELECT count(*) FROM links WHERE b = ?1), "
    "(SELECT count(*) FROM (SELECT b FROM links WHERE a = ?1 AND b <> ?1 UNION "
    "SELECT a FROM links WHERE b = ?1 AND a <> ?1))";
// Without the degrees of what is shared, which the answer has too.
constexpr char kCommonSql[] =
    "WITH own AS MATERIALIZED (SELECT b AS id FROM links WHERE a = ?1 AND "
    "b <> ?1 UNION SELECT a FROM links WHERE b = ?1 AND a <> ?1), "
    "two AS (SELECT own.id AS via, b AS id FROM own JOIN links ON a = own.id "
    "UNION SELECT own.id, a FROM own JOIN links ON b = own.id) "
    "SELECT id, count(*) FROM two WHERE id <> ?1 AND id NOT IN (SELECT id FROM "
    "own) GROUP BY id ORDER BY 2 DESC, 1 LIMIT 20";

// The graph, and a connection of one's own to its file.
class Graph {
 public:
  Graph() {
    CheckOk(database_.Apply({kLinks}));
    CheckOk(database_.Run([](storage::WriteTransaction& transaction) {
      sqlite::Connection& connection = transaction.connection();
      char sql[1000];
      std::snprintf(sql, sizeof(sql), kMakeEdges, kEdges, kNodes, kNodes);
      absl::Status status = connection.Execute(sql);
      if (!status.ok()) return status;
      std::snprintf(sql, sizeof(sql), kMakeHub, kHubEdges);
      return connection.Execute(sql);
    }));
    const auto reader = CheckOk(database_.database().AcquireReader());
    connection_ = CheckOk(
        sqlite::Connection::Open(reader->path(), sqlite::Access::kReadOnly));
  }

  storage::Database& database() { return database_.database(); }

  // Runs a statement for a node, and reads all its rows.
  void RunSql(const char* sql, const std::string& node, int number = 0) {
    auto statement = CheckOk(connection_->Cached(sql));
    statement.BindText(1, node);
    if (number != 0) statement.BindInt(2, number);
    while (CheckOk(statement.Step())) {
      bytes_ += statement.Text(0).size();
    }
  }

 private:
  storage::testing::TestDatabase database_;
  std::unique_ptr<sqlite::Connection> connection_;
  // Of what was read, so that it is.
  size_t bytes_ = 0;
};

// The nodes of one round, other ones in each, the same for both programs.
class Nodes {
 public:
  explicit Nodes(int count) : count_(count) {}

  // Microseconds of a call, over all nodes.
  double Measure(int seed,
                 const std::function<void(const std::string&)>& call) {
    std::mt19937 random(seed);
    std::vector<std::string> nodes;
    for (int i = 0; i < count_; ++i) {
      char node[16];
      std::snprintf(node, sizeof(node), "n%06d",
                    static_cast<int>(random() % kNodes));
      nodes.push_back(node);
    }
    const absl::Time start = absl::Now();
    for (const std::string& node : nodes) call(node);
    return absl::ToDoubleMicroseconds(absl::Now() - start) / count_;
  }

 private:
  const int count_;
};

using Call = std::function<void(const std::string& node)>;

void Report(const std::string& what, int nodes, const Call& ours,
            const Call& theirs) {
  int round = 0;
  Nodes measured(nodes);
  const Comparison result = Compare(
      kRounds, [&] { return measured.Measure(round, ours); },
      [&] { return measured.Measure(round++, theirs); });
  const auto text = [](double microseconds) {
    return microseconds < 1000
               ? absl::StrCat(Rounded(microseconds), " us")
               : absl::StrCat(Rounded(microseconds / 1000, "%.1f"), " ms");
  };
  PrintRow(what, text(result.ours), text(result.theirs),
           absl::StrCat(Rounded(result.ratio, "%.2f"), " x"), "");
}

v1::TraverseRequest WalkFrom(const std::string& node, v1::Direction direction,
                             int depth, int limit) {
  v1::TraverseRequest request;
  request.set_collection("links");
  request.add_start(node);
  request.set_direction(direction);
  request.set_max_depth(depth);
  request.set_limit(limit);
  return request;
}

void Walk(Graph& graph, const v1::TraverseRequest& request) {
  v1::TraverseResponse response;
  CheckOk(storage::Traverse(graph.database(), request, {}, &response));
}

void MeasureNeighbors(Graph& graph) {
  Report(
      "neighbours of a node, both directions, at most 100", 2000,
      [&](const std::string& node) {
        Walk(graph, WalkFrom(node, v1::DIRECTION_BOTH, 1, 100));
      },
      [&](const std::string& node) { graph.RunSql(kNeighborsSql, node); });
}

void MeasureWalk(Graph& graph) {
  for (const int depth : {2, 3}) {
    Report(
        absl::StrCat("walk of ", depth, " edges, at most 1,000 nodes"),
        depth == 2 ? 500 : 50,
        [&](const std::string& node) {
          Walk(graph, WalkFrom(node, v1::DIRECTION_OUT, depth, 1000));
        },
        [&](const std::string& node) { graph.RunSql(kWalkSql, node, depth); });
  }
}

// One of the hundred nodes around one.
std::string Beside(const std::string& node, int place) {
  return absl::StrCat(node.substr(0, 5), place / 10, place % 10);
}

void MeasureDegrees(Graph& graph) {
  Report(
      "degree and neighbours of a node, 100 a call", 20,
      [&](const std::string& node) {
        v1::GetDegreesRequest request;
        request.set_collection("links");
        for (int i = 0; i < 100; ++i) {
          request.add_ids(Beside(node, i));
        }
        v1::GetDegreesResponse response;
        CheckOk(storage::GetDegrees(graph.database(), request, {}, &response));
      },
      [&](const std::string& node) {
        for (int i = 0; i < 100; ++i) {
          graph.RunSql(kDegreeSql, Beside(node, i));
        }
      });
}

void MeasureCommon(Graph& graph) {
  Report(
      "20 suggested links of a node", 10,
      [&](const std::string& node) {
        v1::GetCommonNeighborsRequest request;
        request.set_collection("links");
        request.set_id(node);
        request.set_limit(20);
        v1::GetCommonNeighborsResponse response;
        CheckOk(storage::GetCommonNeighbors(graph.database(), request, {},
                                            &response));
      },
      [&](const std::string& node) { graph.RunSql(kCommonSql, node); });
}

void MeasureHub(Graph& graph) {
  Report(
      "100 neighbours of a node that has 500,000", 1,
      [&](const std::string&) {
        Walk(graph, WalkFrom("hub", v1::DIRECTION_BOTH, 1, 100));
      },
      [&](const std::string&) { graph.RunSql(kNeighborsSql, "hub"); });
}

}  // namespace

int Main(int argc, char** argv) {
  const std::vector<std::pair<std::string, std::function<void(Graph&)>>> parts =
      {{"neighbors", MeasureNeighbors},
       {"walk", MeasureWalk},
       {"degrees", MeasureDegrees},
       {"common", MeasureCommon},
       {"hub", MeasureHub}};
  const std::set<std::string> wanted(argv + 1, argv + argc);
  engram::testing::TempDirectory directory;
  std::printf(
      "%s\n\n| what | ours | theirs | result | goal |\n"
      "| --- | --- | --- | --- | --- |\n",
      DescribeMachine(directory.path()).c_str());
  Graph graph;
  for (const auto& [name, measure] : parts) {
    if (wanted.empty() || wanted.count(name) > 0) measure(graph);
  }
  return 0;
}

}  // namespace engram::benchmarks

int main(int argc, char** argv) { return engram::benchmarks::Main(argc, argv); }
