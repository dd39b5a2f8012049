#ifndef ENGRAM_TESTS_BENCHMARKS_SEARCH_SEARCH_DATA_H_
#define ENGRAM_TESTS_BENCHMARKS_SEARCH_SEARCH_DATA_H_

#include <cstdint>
#include <vector>

namespace engram::benchmarks {

// Vectors to search in, and queries with their answers.
struct SearchData {
  int dimensions = 0;
  int64_t count = 0;
  int64_t queries = 0;
  // How many of the nearest `nearest` holds for each query.
  int limit = 0;
  std::vector<float> rows;
  std::vector<float> query_rows;
  // By exact inner product, nearest first.
  std::vector<uint32_t> nearest;
};

// Makes unit vectors in 1,000 clusters of about one size: a centre, normal
// noise of the centre's length along 32 directions that all clusters share, and
// a fifth of it in every direction. Queries are drawn alike. Embeddings look
// like this: many dimensions, of which few tell the neighbours of a point
// apart.
SearchData MakeClusteredData(int64_t count, int dimensions, int64_t queries,
                             int limit);

// Finds the nearest of each query, by comparing it with every row.
void FillNearest(SearchData& data);

// Returns the share of the true nearest that `found`, `limit` different ones a
// query, holds. By score: of equally near rows one is as good as another.
double RecallOf(const SearchData& data, const std::vector<uint32_t>& found);

}  // namespace engram::benchmarks

#endif  // ENGRAM_TESTS_BENCHMARKS_SEARCH_SEARCH_DATA_H_
