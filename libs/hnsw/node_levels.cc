#include "libs/hnsw/node_levels.h"

#include "libs/hnsw/graph.h"

namespace engram::hnsw {
namespace {

static_assert(Graph::kUpperLinks == 16);

// The finaliser of SplitMix64 (Steele, Lea and Flood 2014): all bits of the
// result depend on all of the argument.
uint64_t Mix(uint64_t value) {
  value += 0x9e3779b97f4a7c15;
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

// The paper's floor(-ln(uniform) / ln(M)) for M = 16, exactly: how many leading
// groups of four bits are zero.
int LevelOf(uint32_t node) { return __builtin_clzll(Mix(node) | 1) / 4; }

}  // namespace

NodeLevels::NodeLevels(int64_t size) {
  size_t lists = 0;
  for (uint32_t node = 0; node < size; ++node) {
    const int level = LevelOf(node);
    if (level == 0) continue;
    if (level > top_level) {
      top_level = level;
      entry_node = node;
      entry_slot = static_cast<uint32_t>(upper_nodes.size());
    }
    upper_nodes.push_back(node);
    upper_levels.push_back(static_cast<uint8_t>(level));
    first_lists.push_back(lists);
    lists += level;
  }
  first_lists.push_back(lists);
}

}  // namespace engram::hnsw
