#include <CLI/CLI.hpp>
#include <map>
#include <ostream>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "libs/status/status_macros.h"
#include "tools/engramctl/commands.h"
#include "tools/engramctl/json_object.h"
#include "tools/engramctl/listing.h"
#include "tools/engramctl/record_view.h"
#include "tools/engramctl/record_write.h"
#include "tools/engramctl/table.h"

namespace engram::engramctl {
namespace {

using google::protobuf::FieldMask;
using storage::v1::CommonNeighbors;
using storage::v1::Direction;
using storage::v1::GetCommonNeighborsRequest;
using storage::v1::GetCommonNeighborsResponse;
using storage::v1::GetDegreesRequest;
using storage::v1::GetDegreesResponse;
using storage::v1::NodeDegree;
using storage::v1::Record;
using storage::v1::RecordService;
using storage::v1::TraversedEdge;
using storage::v1::TraversedNode;
using storage::v1::TraverseRequest;
using storage::v1::TraverseResponse;

struct GraphOptions {
  std::string collection;
  std::vector<std::string> nodes;
  Direction direction = storage::v1::DIRECTION_OUT;
  int depth = 1;
  int limit = 0;
  std::vector<std::string> kinds;
  std::string edge_filter;
  std::string node_filter;
  // Only its parameters.
  ConditionFlags parameters;
  std::string node_collection;
  std::string fields;
  bool edges = false;
  std::string edge_fields;
};

using Options = std::shared_ptr<GraphOptions>;

constexpr char kAllFields[] = "*";

// What the requests have in common.
template <typename Request>
absl::Status FillEdges(const Context& context, const GraphOptions& options,
                       Request& request) {
  request.set_database(context.database);
  request.set_collection(options.collection);
  request.mutable_kinds()->Assign(options.kinds.begin(), options.kinds.end());
  request.set_edge_filter(options.edge_filter);
  return options.parameters.FillParameters(request.mutable_parameters());
}

void FillMask(const std::string& fields, FieldMask* mask) {
  if (fields == kAllFields) return;
  for (const std::string& field : SplitNames(fields)) mask->add_paths(field);
}

absl::StatusOr<TraverseRequest> MakeTraverse(const Context& context,
                                             const GraphOptions& options) {
  TraverseRequest request;
  RETURN_IF_ERROR(FillEdges(context, options, request));
  request.mutable_start()->Assign(options.nodes.begin(), options.nodes.end());
  request.set_direction(options.direction);
  request.set_max_depth(options.depth);
  request.set_limit(options.limit);
  request.set_node_filter(options.node_filter);
  request.set_node_collection(options.node_collection);
  request.set_with_edges(options.edges || !options.edge_fields.empty());
  if (!options.fields.empty()) {
    FillMask(options.fields, request.mutable_node_mask());
  }
  if (!options.edge_fields.empty()) {
    FillMask(options.edge_fields, request.mutable_edge_mask());
  }
  return request;
}

// The fields that were asked for; of all fields those that some record has.
template <typename Elements>
std::vector<std::string> FieldsToShow(const std::string& fields,
                                      const Elements& elements) {
  if (fields != kAllFields) return SplitNames(fields);
  std::set<std::string> names;
  for (const auto& element : elements) {
    for (const auto& [name, value] : element.record().fields().fields()) {
      names.insert(name);
    }
  }
  return {names.begin(), names.end()};
}

// Prints what has an id, with `cells` of each under `columns` and its record's
// fields under their names.
template <typename Elements, typename Cells>
void PrintElements(const Console& console, const Elements& elements,
                   std::vector<Table::Column> columns,
                   const std::string& fields, Cells cells) {
  const std::vector<std::string> shown = FieldsToShow(fields, elements);
  for (const std::string& field : shown) columns.push_back({field});
  Table table(columns);
  for (const auto& element : elements) {
    std::vector<std::string> row = cells(element);
    for (const std::string& field : shown) {
      row.push_back(FieldText(element.record(), field));
    }
    table.AddRow(std::move(row));
  }
  PrintTable(console, table);
}

void PrintNodes(const Console& console, const GraphOptions& options,
                const TraverseResponse& response) {
  const bool deep = options.depth > 1;
  std::vector<Table::Column> columns = {{"ID"}, {"FROM"}};
  if (deep) columns.insert(columns.begin(), {"DEPTH", Table::Align::kRight});
  PrintElements(console, response.nodes(), columns, options.fields,
                [&](const TraversedNode& node) {
                  std::vector<std::string> cells = {node.id(), node.from()};
                  if (deep) {
                    cells.insert(cells.begin(), absl::StrCat(node.depth()));
                  }
                  return cells;
                });
}

void PrintEdges(const Console& console, const GraphOptions& options,
                const TraverseResponse& response) {
  PrintElements(console, response.edges(),
                {{"EDGE"}, {"SOURCE"}, {"KIND"}, {"TARGET"}},
                options.edge_fields, [](const TraversedEdge& edge) {
                  return std::vector<std::string>{edge.id(), edge.source(),
                                                  edge.kind(), edge.target()};
                });
}

template <typename Element>
void AddRecord(const Element& element, JsonObject& object) {
  if (element.has_record()) {
    object.Struct("fields", element.record().fields());
  }
}

std::string WalkAsJson(const TraverseResponse& response) {
  std::vector<JsonObject> nodes, edges;
  for (const TraversedNode& node : response.nodes()) {
    JsonObject object;
    object.Text("id", node.id())
        .Int("depth", node.depth())
        .Text("from", node.from());
    AddRecord(node, object);
    nodes.push_back(std::move(object));
  }
  for (const TraversedEdge& edge : response.edges()) {
    JsonObject object;
    object.Text("id", edge.id())
        .Text("source", edge.source())
        .Text("target", edge.target());
    if (!edge.kind().empty()) object.Text("kind", edge.kind());
    AddRecord(edge, object);
    edges.push_back(std::move(object));
  }
  return JsonObject()
      .List("nodes", nodes)
      .List("edges", edges)
      .Bool("truncated", response.truncated())
      .Text("position", response.position())
      .ToString();
}

absl::Status Walk(Context& context, const GraphOptions& options) {
  ASSIGN_OR_RETURN(const TraverseRequest request,
                   MakeTraverse(context, options));
  ASSIGN_OR_RETURN(
      const TraverseResponse response,
      context.connection().Call(Role::kStorage, &RecordService::Stub::Traverse,
                                request));
  const Console& console = context.console;
  if (console.json) {
    console.out << WalkAsJson(response) << "\n";
    return absl::OkStatus();
  }
  if (response.nodes().empty()) {
    console.err << "no nodes found\n";
  } else {
    PrintNodes(console, options, response);
  }
  if (!response.edges().empty()) {
    console.out << "\n";
    PrintEdges(console, options, response);
  }
  if (response.truncated()) {
    console.err << "there is more than is shown (--limit, at most 10000)\n";
  }
  return absl::OkStatus();
}

JsonObject DegreeAsJson(const NodeDegree& degree) {
  JsonObject object;
  object.Text("id", degree.id())
      .Int("edges_out", degree.edges_out())
      .Int("edges_in", degree.edges_in())
      .Int("neighbors", degree.neighbors());
  return object;
}

absl::Status Degree(Context& context, const GraphOptions& options) {
  GetDegreesRequest request;
  RETURN_IF_ERROR(FillEdges(context, options, request));
  request.mutable_ids()->Assign(options.nodes.begin(), options.nodes.end());
  ASSIGN_OR_RETURN(
      const GetDegreesResponse response,
      context.connection().Call(Role::kStorage,
                                &RecordService::Stub::GetDegrees, request));
  if (context.console.json) {
    for (const NodeDegree& degree : response.degrees()) {
      context.console.out << DegreeAsJson(degree).ToString() << "\n";
    }
    return absl::OkStatus();
  }
  Table table({{"ID"},
               {"OUT", Table::Align::kRight},
               {"IN", Table::Align::kRight},
               {"NEIGHBORS", Table::Align::kRight}});
  for (const NodeDegree& degree : response.degrees()) {
    table.AddRow({degree.id(), WithCommas(degree.edges_out()),
                  WithCommas(degree.edges_in()),
                  WithCommas(degree.neighbors())});
  }
  PrintTable(context.console, table);
  return absl::OkStatus();
}

std::string CommonAsJson(const GetCommonNeighborsResponse& response) {
  std::vector<JsonObject> others;
  for (const CommonNeighbors& other : response.others()) {
    std::vector<JsonObject> shared;
    for (const NodeDegree& node : other.shared()) {
      shared.push_back(DegreeAsJson(node));
    }
    JsonObject object;
    object.Text("id", other.id())
        .Bool("linked", other.linked())
        .Int("neighbors", other.neighbors())
        .Int("shared_neighbors", other.shared_neighbors())
        .Number("adamic_adar", other.adamic_adar())
        .List("shared", shared);
    others.push_back(std::move(object));
  }
  return JsonObject()
      .Int("neighbors", response.neighbors())
      .List("others", others)
      .Bool("truncated", response.truncated())
      .Text("position", response.position())
      .ToString();
}

void PrintCommon(const Console& console,
                 const GetCommonNeighborsResponse& response) {
  Table table({{"ID"},
               {"LINKED"},
               {"NEIGHBORS", Table::Align::kRight},
               {"SHARED", Table::Align::kRight},
               {"ADAMIC-ADAR", Table::Align::kRight},
               {"THROUGH"}});
  for (const CommonNeighbors& other : response.others()) {
    const std::string through = absl::StrJoin(
        other.shared(), ", ", [](std::string* out, const NodeDegree& node) {
          absl::StrAppend(out, node.id());
        });
    table.AddRow({other.id(), other.linked() ? "yes" : "no",
                  WithCommas(other.neighbors()),
                  WithCommas(other.shared_neighbors()),
                  absl::StrFormat("%.3f", other.adamic_adar()), through});
  }
  PrintTable(console, table);
}

absl::Status Common(Context& context, const GraphOptions& options) {
  GetCommonNeighborsRequest request;
  RETURN_IF_ERROR(FillEdges(context, options, request));
  request.set_id(options.nodes.front());
  request.mutable_others()->Assign(options.nodes.begin() + 1,
                                   options.nodes.end());
  request.set_limit(options.limit);
  ASSIGN_OR_RETURN(
      const GetCommonNeighborsResponse response,
      context.connection().Call(
          Role::kStorage, &RecordService::Stub::GetCommonNeighbors, request));
  const Console& console = context.console;
  if (console.json) {
    console.out << CommonAsJson(response) << "\n";
    return absl::OkStatus();
  }
  if (response.others().empty()) {
    console.err << "no node shares a neighbour with "
                << OneLine(options.nodes.front()) << "\n";
  } else {
    PrintCommon(console, response);
  }
  if (response.truncated()) {
    console.err << "there is more than is shown (--limit, at most 1000)\n";
  }
  return absl::OkStatus();
}

CLI::App* AddCommand(CLI::App& graph, Context& context, const std::string& name,
                     const std::string& description, const Options& options,
                     absl::Status (*action)(Context&, const GraphOptions&)) {
  CLI::App* command = graph.add_subcommand(name, description);
  command
      ->add_option("COLLECTION", options->collection, "The collection of edges")
      ->required();
  command
      ->add_option("--kind", options->kinds,
                   "Only edges of this kind; may be given several times")
      ->allow_extra_args(false);
  command->add_option("--edge-filter", options->edge_filter,
                      "Only edges that meet this filter");
  options->parameters.DeclareParameters(command);
  command->callback([&context, options, action] {
    context.action = [&context, options, action] {
      return action(context, *options);
    };
  });
  return command;
}

void AddNodes(CLI::App* command, const Options& options) {
  command->add_option("NODE", options->nodes, "Ids of nodes")->required();
}

void AddLimit(CLI::App* command, const Options& options, int usual, int most) {
  options->limit = usual;
  command->add_option("--limit", options->limit, "The most nodes")
      ->check(CLI::Range(1, most))
      ->capture_default_str();
}

void AddWalkOptions(CLI::App* command, const Options& options) {
  static const std::map<std::string, Direction> kDirections = {
      {"out", storage::v1::DIRECTION_OUT},
      {"in", storage::v1::DIRECTION_IN},
      {"both", storage::v1::DIRECTION_BOTH}};
  AddNodes(command, options);
  command
      ->add_option_function<std::string>(
          "--direction",
          [options](const std::string& name) {
            options->direction = kDirections.at(name);
          },
          "Which way to go along edges")
      ->check(CLI::IsMember({"out", "in", "both"}))
      ->default_str("out");
  AddLimit(command, options, 100, 10000);
  command->add_option("--node-filter", options->node_filter,
                      "Only nodes whose record meets this filter");
  command->add_option("--nodes", options->node_collection,
                      "The nodes' collection, if the edges' refs do not tell");
  command->add_option(
      "--fields", options->fields,
      "Fields of the nodes to show, separated by commas; * is all");
  command->add_flag("--edges", options->edges,
                    "Show the edges that were gone along, too");
  command->add_option(
      "--edge-fields", options->edge_fields,
      "The same with these fields, separated by commas; * is all");
}

void AddNeighbors(CLI::App& graph, Context& context) {
  auto options = std::make_shared<GraphOptions>();
  CLI::App* command =
      AddCommand(graph, context, "neighbors",
                 "List the nodes that have an edge with a node", options, Walk);
  AddWalkOptions(command, options);
  command->footer(R"(Examples:
  engramctl graph neighbors edges docs-architecture
  engramctl graph neighbors edges docs-architecture --direction in --edges
  engramctl graph neighbors edges docs-architecture --nodes nodes --fields title)");
}

void AddWalk(CLI::App& graph, Context& context) {
  auto options = std::make_shared<GraphOptions>();
  options->depth = 2;
  CLI::App* command = AddCommand(
      graph, context, "walk",
      "List what can be reached from nodes, nearest first", options, Walk);
  AddWalkOptions(command, options);
  command->add_option("--depth", options->depth, "The most edges on the way")
      ->check(CLI::Range(1, 16))
      ->capture_default_str();
  command->footer(
      R"(A node that the filter refuses is not walked through either.

Examples:
  engramctl graph walk edges docs-architecture --depth 3
  engramctl graph walk edges a b --direction both --kind CITES --kind LINKS_TO
  engramctl graph walk edges a --edge-filter 'confidence >= :least' \
      --param least=0.8 --nodes nodes --node-filter 'domain = "knowledge"')");
}

void AddDegree(CLI::App& graph, Context& context) {
  auto options = std::make_shared<GraphOptions>();
  CLI::App* command =
      AddCommand(graph, context, "degree",
                 "Count the edges and neighbours of nodes", options, Degree);
  AddNodes(command, options);
  command->footer(R"(Examples:
  engramctl graph degree edges docs-architecture docs-storage
  engramctl graph degree edges docs-architecture --kind CITES --json)");
}

void AddCommon(CLI::App& graph, Context& context) {
  auto options = std::make_shared<GraphOptions>();
  CLI::App* command = AddCommand(
      graph, context, "common",
      "Compare a node's neighbours with those of others, or suggest links",
      options, Common);
  command
      ->add_option("NODE", options->nodes,
                   "Id of the node, then those of others; without others, "
                   "nodes two edges away that it has no edge with")
      ->required();
  AddLimit(command, options, 20, 1000);
  command->footer(
      R"(Edges count in both directions. Suggestions come with those first that share
most neighbours.

Examples:
  engramctl graph common edges docs-architecture
  engramctl graph common edges docs-architecture docs-storage docs-search --json)");
}

}  // namespace

void AddGraphCommand(CLI::App& app, Context& context) {
  CLI::App* graph = app.add_subcommand(
      "graph", "Walk along the edges of a collection that declares them");
  graph->require_subcommand(1);
  AddNeighbors(*graph, context);
  AddWalk(*graph, context);
  AddDegree(*graph, context);
  AddCommon(*graph, context);
}

}  // namespace engram::engramctl
