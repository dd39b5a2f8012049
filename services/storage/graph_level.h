#ifndef ENGRAM_SERVICES_STORAGE_GRAPH_LEVEL_H_
#define ENGRAM_SERVICES_STORAGE_GRAPH_LEVEL_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "services/storage/node_filter.h"

namespace engram::storage {

// The nodes that are one step further from where a walk began: of all that are
// found, those with the smallest ids.
class GraphLevel {
 public:
  // Ids, each with the smallest of the nodes before it.
  using Nodes = absl::btree_map<std::string, std::string>;

  // Holds at most `max_nodes` nodes and `max_bytes`. With a `filter` only nodes
  // that it lets through; it must outlive this object.
  GraphLevel(size_t max_nodes, size_t max_bytes, NodeFilter* filter)
      : max_nodes_(max_nodes), max_bytes_(max_bytes), filter_(filter) {}

  // Adds a node that an edge leads to from `from`.
  absl::Status Add(absl::string_view id, absl::string_view from);
  // Ends the adding.
  absl::Status Finish();

  // Whether there was no room for a node. Sure after Finish; true is sure at
  // any time.
  bool overflowed() const { return cutoff_.has_value(); }
  const Nodes& nodes() const { return nodes_; }
  size_t bytes() const { return bytes_; }

 private:
  // Asks the filter about those that wait.
  absl::Status Flush();
  void Accept(absl::string_view id, absl::string_view from);
  void DropLast();

  const size_t max_nodes_;
  const size_t max_bytes_;
  NodeFilter* const filter_;

  Nodes nodes_;
  size_t bytes_ = 0;
  // Found, and not yet let through.
  Nodes pending_;
  // The smallest id that there was no room for.
  std::optional<std::string> cutoff_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_GRAPH_LEVEL_H_
