#include "libs/hnsw/graph_builder.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/hnsw/candidate_pool.h"
#include "libs/hnsw/code_distances.h"
#include "libs/hnsw/copies.h"
#include "libs/hnsw/graph_repair.h"
#include "libs/hnsw/link_lists.h"
#include "libs/hnsw/link_selector.h"
#include "libs/hnsw/node_levels.h"
#include "libs/hnsw/visited_set.h"
#include "libs/hnsw/walk.h"

namespace engram::hnsw {
namespace {

// A list is pruned when this many more than it may keep are in it, not with
// each link that is added to a full one: a third of the time.
constexpr int kSlack = 8;
// How many insertions of a thread lie between two looks at `go_on`.
constexpr int kInsertionsPerReport = 64;
// How many nodes one thread inserts before others join it.
constexpr int64_t kInsertedAlone = 256;

struct BaseLevel {
  static constexpr int kCapacity = Graph::kBaseLinks + kSlack;
  const LinkLists& lists;

  LinkLists::Reader ListOf(uint32_t node) const { return lists.Read(node); }
  uint32_t NodeOf(uint32_t node) const { return node; }
  void Prefetch(uint32_t node) const { lists.Prefetch(node); }
};

struct UpperLevel {
  static constexpr int kCapacity = Graph::kUpperLinks + kSlack;
  const LinkLists& lists;
  const NodeLevels& levels;
  int level;

  LinkLists::Reader ListOf(uint32_t slot) const {
    return lists.Read(levels.ListOf(slot, level));
  }
  uint32_t NodeOf(uint32_t slot) const { return levels.upper_nodes[slot]; }
  void Prefetch(uint32_t slot) const {
    lists.Prefetch(levels.ListOf(slot, level));
  }
};

// What all threads of a build share.
struct Build {
  Build(const CodeView& codes, int width)
      : codes(codes),
        width(width),
        levels(codes.size),
        copies(codes, levels.entry_node),
        base(codes.size, BaseLevel::kCapacity),
        upper(levels.lists(), UpperLevel::kCapacity) {}

  const CodeView& codes;
  const int width;
  const NodeLevels levels;
  const Copies copies;
  LinkLists base;
  LinkLists upper;
};

// Inserts nodes, for one thread.
class Inserter {
 public:
  explicit Inserter(Build& build)
      : build_(build),
        distances_(build.codes),
        base_selector_(build.codes, nullptr),
        upper_selector_(build.codes, build.levels.upper_nodes.data()) {}

  // Links `node` with others, from its highest level down. The entry node must
  // be there; it is by being the first.
  void Insert(uint32_t node) {
    const NodeLevels& levels = build_.levels;
    distances_.From(node);
    Link start = {.id = levels.top_level > 0 ? levels.entry_slot
                                             : levels.entry_node};
    distances_.Score(&levels.entry_node, 1, &start.distance);
    const auto slot =
        static_cast<uint32_t>(std::lower_bound(levels.upper_nodes.begin(),
                                               levels.upper_nodes.end(), node) -
                              levels.upper_nodes.begin());
    const int top =
        slot < levels.upper_nodes.size() && levels.upper_nodes[slot] == node
            ? levels.upper_levels[slot]
            : 0;
    const bool is_copy = build_.copies.Contains(node);
    if (is_copy && top == 0) return;
    int64_t scored = 0;
    for (int level = levels.top_level; level > 0; --level) {
      const UpperLevel links = {build_.upper, levels, level};
      if (level > top) {
        start = WalkGreedily(links, distances_, start, scored);
        continue;
      }
      start = FindCandidates(links, start, levels.upper_nodes.size());
      upper_selector_.Select(candidates_, Graph::kUpperLinks);
      const auto list_of = [&](uint32_t id) {
        return levels.ListOf(id, level);
      };
      Connect(build_.upper, slot, list_of, upper_selector_, Graph::kUpperLinks);
    }
    if (is_copy) return;
    if (levels.top_level > 0) {
      start.id = build_.copies.FirstOf(levels.upper_nodes[start.id]);
    }
    FindCandidates(BaseLevel{build_.base}, start, build_.codes.size);
    base_selector_.Select(candidates_, kNewBaseLinks);
    const auto list_of = [](uint32_t id) { return size_t{id}; };
    Connect(build_.base, node, list_of, base_selector_, Graph::kBaseLinks);
  }

  // Prunes a list that has more links than it may keep.
  void TrimBase(uint32_t node) {
    Trim(build_.base, node, base_selector_, Graph::kBaseLinks);
  }
  void TrimUpper(size_t list) {
    Trim(build_.upper, list, upper_selector_, Graph::kUpperLinks);
  }

 private:
  // How many others a new node is linked with on level 0: not as many as there
  // is room for, because others choose it later.
  static constexpr int kNewBaseLinks = 24;

  // Leaves the nearest of one level in `candidates_`, and returns the nearest.
  template <typename Links>
  Link FindCandidates(const Links& links, Link start, size_t ids) {
    visited_.Reset(ids);
    pool_.Reset(build_.width);
    WalkLevel(links, distances_, start, pool_, visited_,
              [](uint32_t, int32_t) {});
    candidates_.clear();
    for (int i = 0; i < pool_.size(); ++i) {
      candidates_.push_back(
          {.id = pool_.node(i), .distance = pool_.distance(i)});
    }
    return candidates_.front();
  }

  // Links `id` with `candidates_`, both ways.
  template <typename ListOf>
  void Connect(LinkLists& lists, uint32_t id, ListOf list_of,
               LinkSelector& selector, int most) {
    {
      LinkLists::Lock lock(lists, list_of(id));
      lists.Set(list_of(id), candidates_);
    }
    // From the first of these on others find it, and may link back.
    for (const Link& link : candidates_) {
      const size_t list = list_of(link.id);
      LinkLists::Lock lock(lists, list);
      if (lists.size(list) == lists.capacity()) {
        Prune(lists, list, selector, most);
      }
      lists.Append(list, {.id = id, .distance = link.distance});
    }
  }

  void Trim(LinkLists& lists, size_t list, LinkSelector& selector, int most) {
    if (lists.size(list) > most) Prune(lists, list, selector, most);
  }

  void Prune(LinkLists& lists, size_t list, LinkSelector& selector, int most) {
    kept_.clear();
    for (int i = 0; i < lists.size(list); ++i) {
      kept_.push_back(lists.Get(list, i));
    }
    selector.Select(kept_, most);
    lists.Set(list, kept_);
  }

  Build& build_;
  NodeDistances distances_;
  LinkSelector base_selector_;
  LinkSelector upper_selector_;
  VisitedSet visited_;
  CandidatePool pool_;
  std::vector<Link> candidates_;
  std::vector<Link> kept_;
};

// Runs `work(inserter, i)` for each i below `count`, on all inserters at once,
// and `report(done)` at the start and now and then on the caller's thread; when
// that returns false, it stops, and returns false.
template <typename Work, typename Report>
bool RunAll(absl::Span<Inserter> inserters, int64_t count, Work work,
            Report report) {
  constexpr int64_t kChunk = 16;
  std::atomic<int64_t> next = 0;
  std::atomic<bool> stopped = false;
  const auto run = [&](Inserter& inserter, bool reports) {
    int64_t since_report = 0;
    while (!stopped.load(std::memory_order_relaxed)) {
      const int64_t first = next.fetch_add(kChunk, std::memory_order_relaxed);
      if (first >= count) return;
      const int64_t last = std::min(count, first + kChunk);
      for (int64_t i = first; i < last; ++i) work(inserter, i);
      since_report += last - first;
      if (reports && since_report >= kInsertionsPerReport) {
        since_report = 0;
        if (!report(last)) stopped.store(true, std::memory_order_relaxed);
      }
    }
  };
  if (!report(0)) return false;
  std::vector<std::thread> threads;
  for (size_t i = 1; i < inserters.size(); ++i) {
    threads.emplace_back(run, std::ref(inserters[i]), false);
  }
  run(inserters[0], true);
  for (std::thread& thread : threads) thread.join();
  return !stopped.load(std::memory_order_relaxed);
}

// Copies what the lists hold, the first `most` places of each.
void CopyLinks(const LinkLists& lists, size_t count, int most,
               uint32_t* links) {
  for (size_t list = 0; list < count; ++list) {
    for (int i = 0; i < most; ++i) *links++ = lists.Read(list)[i];
  }
}

}  // namespace

absl::StatusOr<Graph> BuildGraph(const CodeView& codes,
                                 const GraphBuildOptions& options) {
  if (codes.size == 0) return Graph();
  Graph::Parts parts;
  {
    Build build(codes, options.width);
    std::vector<Inserter> inserters;
    for (int i = 0; i < std::max(1, options.threads); ++i) {
      inserters.emplace_back(build);
    }
    const auto insert = [&](absl::Span<Inserter> by, int64_t first,
                            int64_t last) {
      return RunAll(
          by, last - first,
          [&](Inserter& inserter, int64_t i) {
            const auto node = static_cast<uint32_t>(first + i);
            if (node != build.levels.entry_node) inserter.Insert(node);
          },
          [&](int64_t done) {
            return options.go_on == nullptr || options.go_on(first + done);
          });
    };
    // Nodes that are inserted at once do not find each other: of the first, by
    // way of which all others are found, that would be most.
    const auto all = absl::MakeSpan(inserters);
    const int64_t alone = std::min<int64_t>(kInsertedAlone, codes.size);
    if (!insert(all.first(1), 0, alone) || !insert(all, alone, codes.size)) {
      return absl::CancelledError("the build of a graph was cancelled");
    }
    const auto trim_base = [](Inserter& inserter, int64_t node) {
      inserter.TrimBase(static_cast<uint32_t>(node));
    };
    const auto trim_upper = [](Inserter& inserter, int64_t list) {
      inserter.TrimUpper(list);
    };
    const auto no_report = [](int64_t) { return true; };
    RunAll(all, codes.size, trim_base, no_report);
    RunAll(all, build.levels.lists(), trim_upper, no_report);

    parts.base_links = HugeArray<uint32_t>(codes.size * Graph::kBaseLinks);
    CopyLinks(build.base, codes.size, Graph::kBaseLinks,
              parts.base_links.data());
    build.copies.Link(parts);
    parts.upper_links.resize(build.levels.lists() * Graph::kUpperLinks);
    CopyLinks(build.upper, build.levels.lists(), Graph::kUpperLinks,
              parts.upper_links.data());
    parts.upper_nodes = build.levels.upper_nodes;
    parts.upper_levels = build.levels.upper_levels;
    parts.entry_node = build.levels.entry_node;
  }
  RepairGraph(parts);
  return Graph::Create(std::move(parts));
}

}  // namespace engram::hnsw
