#ifndef ENGRAM_SERVICES_SEARCH_DUPLICATE_GROUPS_H_
#define ENGRAM_SERVICES_SEARCH_DUPLICATE_GROUPS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace engram::search {

// Makes groups of records from pairs of those that are close: two are in one
// group if a chain of pairs leads from one to the other.
//
// Of the pairs those are kept that hold the groups together, the closest ones
// that do (a maximum spanning forest): some 30 bytes a record, however many
// pairs are added. Not thread-safe.
class DuplicateGroups {
 public:
  struct Group {
    // Two or more, ascending.
    std::vector<uint32_t> records;
    // The closeness of the least close pair of those that hold it together: the
    // largest least that any way of connecting the records has.
    float weakest = 0;
  };

  // Records are numbered from 0 to below `records`.
  explicit DuplicateGroups(uint32_t records);

  // Adds a pair of two records; of a larger `closeness` they are closer. The
  // same pair may come more than once.
  void Add(uint32_t one, uint32_t other, float closeness);

  // Whether a chain of the pairs so far leads from one to the other.
  bool AreTogether(uint32_t one, uint32_t other) {
    return Find(parents_, one) == Find(parents_, other);
  }

  // The groups, the largest first, equally large ones by their first record.
  // Call it once, last.
  std::vector<Group> Take();

 private:
  struct Pair {
    uint32_t one = 0;
    uint32_t other = 0;
    float closeness = 0;
  };

  // Stands for the group of `record`.
  static uint32_t Find(std::vector<uint32_t>& parents, uint32_t record);
  // Returns whether the two were in different groups.
  static bool Unite(std::vector<uint32_t>& parents, uint32_t one,
                    uint32_t other);
  static std::vector<uint32_t> Apart(uint32_t records);
  // Drops the pairs that hold nothing together.
  void Prune();

  // Each leads to another record of the group; those that lead to themselves
  // stand for it.
  std::vector<uint32_t> parents_;
  std::vector<Pair> pairs_;
  // So many are let grow before they are pruned.
  size_t max_pairs_;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_DUPLICATE_GROUPS_H_
