#ifndef ENGRAM_SERVICES_SEARCH_EXAMPLE_VECTOR_H_
#define ENGRAM_SERVICES_SEARCH_EXAMPLE_VECTOR_H_

#include <string>
#include <vector>

#include "services/search/index.h"

namespace engram::search {

// Records, by id, that say what to look for: what is like the first and unlike
// the second. An id that is named twice counts twice.
struct Examples {
  std::vector<std::string> positive;
  std::vector<std::string> negative;
};

// What to search for.
struct ExampleVector {
  // Of the index's dimensions, of any length; none if a record is missing.
  std::vector<float> values;
  // The records that the index has no vector of, each once.
  std::vector<std::string> missing;
};

// Makes a vector of `examples`, of which at least one is positive: the mean of
// the positive ones, and on from there what it differs in from the mean of the
// negative ones. A record counts by the mean of its chunks' vectors, for cosine
// brought to unit length. Records that `filter` does not let through are
// missing.
ExampleVector VectorOfExamples(const Index& index, const Examples& examples,
                               RowFilter filter);

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_EXAMPLE_VECTOR_H_
