#include "services/storage/graph_level.h"

#include <iterator>
#include <utility>
#include <vector>

#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// As many as the largest chunk of a filter takes.
constexpr size_t kMaxPending = 512;
// What a node takes beside its texts.
constexpr size_t kNodeBytes = 32;

size_t BytesOf(const GraphLevel::Nodes::value_type& node) {
  return node.first.size() + node.second.size() + kNodeBytes;
}

}  // namespace

absl::Status GraphLevel::Add(absl::string_view id, absl::string_view from) {
  if (cutoff_.has_value() && id >= *cutoff_) return absl::OkStatus();
  if (filter_ == nullptr || nodes_.contains(id)) {
    Accept(id, from);
    return absl::OkStatus();
  }
  const auto pending = pending_.find(id);
  if (pending == pending_.end()) {
    pending_.emplace(id, from);
  } else if (from < pending->second) {
    pending->second = std::string(from);
  }
  return pending_.size() >= kMaxPending ? Flush() : absl::OkStatus();
}

absl::Status GraphLevel::Finish() { return Flush(); }

absl::Status GraphLevel::Flush() {
  std::vector<std::string> ids;
  ids.reserve(pending_.size());
  for (const auto& [id, from] : pending_) ids.push_back(id);
  if (ids.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(filter_->Visit(ids, [&](absl::string_view id) {
    Accept(id, pending_.find(id)->second);
  }));
  pending_.clear();
  return absl::OkStatus();
}

void GraphLevel::Accept(absl::string_view id, absl::string_view from) {
  // One that was found before it may have taken the last place.
  if (cutoff_.has_value() && id >= *cutoff_) return;
  auto node = nodes_.find(id);
  if (node == nodes_.end()) {
    node = nodes_.emplace(id, from).first;
    bytes_ += BytesOf(*node);
  } else if (from < node->second) {
    bytes_ -= BytesOf(*node);
    node->second = std::string(from);
    bytes_ += BytesOf(*node);
  }
  while (nodes_.size() > max_nodes_ || bytes_ > max_bytes_) DropLast();
}

void GraphLevel::DropLast() {
  const auto last = std::prev(nodes_.end());
  bytes_ -= BytesOf(*last);
  cutoff_ = last->first;
  nodes_.erase(last);
}

}  // namespace engram::storage
