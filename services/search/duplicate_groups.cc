#include "services/search/duplicate_groups.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

namespace engram::search {
namespace {

// Pruning sorts, which is not to be done for a few.
constexpr size_t kManyPairs = 4096;

}  // namespace

DuplicateGroups::DuplicateGroups(uint32_t records)
    : parents_(Apart(records)), max_pairs_(2 * size_t{records} + kManyPairs) {}

void DuplicateGroups::Add(uint32_t one, uint32_t other, float closeness) {
  Unite(parents_, one, other);
  pairs_.push_back({.one = std::min(one, other),
                    .other = std::max(one, other),
                    .closeness = closeness});
  // What is left is fewer than the records, so this happens once for as many
  // pairs at most.
  if (pairs_.size() >= max_pairs_) Prune();
}

std::vector<uint32_t> DuplicateGroups::Apart(uint32_t records) {
  std::vector<uint32_t> parents(records);
  std::iota(parents.begin(), parents.end(), 0);
  return parents;
}

uint32_t DuplicateGroups::Find(std::vector<uint32_t>& parents,
                               uint32_t record) {
  while (parents[record] != record) {
    // Half the way for the next one.
    parents[record] = parents[parents[record]];
    record = parents[record];
  }
  return record;
}

bool DuplicateGroups::Unite(std::vector<uint32_t>& parents, uint32_t one,
                            uint32_t other) {
  one = Find(parents, one);
  other = Find(parents, other);
  if (one == other) return false;
  // The first record of a group stands for it.
  parents[std::max(one, other)] = std::min(one, other);
  return true;
}

void DuplicateGroups::Prune() {
  std::sort(pairs_.begin(), pairs_.end(), [](const Pair& a, const Pair& b) {
    return std::tie(b.closeness, a.one, a.other) <
           std::tie(a.closeness, b.one, b.other);
  });
  std::vector<uint32_t> parents = Apart(static_cast<uint32_t>(parents_.size()));
  std::erase_if(pairs_, [&](const Pair& pair) {
    return !Unite(parents, pair.one, pair.other);
  });
}

std::vector<DuplicateGroups::Group> DuplicateGroups::Take() {
  Prune();
  std::map<uint32_t, Group> groups;
  for (const Pair& pair : pairs_) {
    const auto [group, added] = groups.try_emplace(Find(parents_, pair.one));
    // The pairs are sorted: the last one is the weakest.
    group->second.weakest = pair.closeness;
  }
  for (uint32_t record = 0; record < parents_.size(); ++record) {
    const auto group = groups.find(Find(parents_, record));
    if (group != groups.end()) group->second.records.push_back(record);
  }
  std::vector<Group> sorted;
  sorted.reserve(groups.size());
  for (auto& [first, group] : groups) sorted.push_back(std::move(group));
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Group& a, const Group& b) {
                     return a.records.size() > b.records.size();
                   });
  return sorted;
}

}  // namespace engram::search
