#ifndef ENGRAM_TESTS_BENCHMARKS_SEARCH_TEXT_DATA_H_
#define ENGRAM_TESTS_BENCHMARKS_SEARCH_TEXT_DATA_H_

#include <cstdint>
#include <string>

#include "tests/benchmarks/search/search_data.h"

namespace engram::benchmarks {

// Makes vectors of the lines of a file, as the built-in model sees them.
// `queries` lines, evenly spread, are the queries, and not among the rows. Ends
// the program if the file cannot be read or is too short.
SearchData MakeTextData(const std::string& path, int64_t queries, int limit);

}  // namespace engram::benchmarks

#endif  // ENGRAM_TESTS_BENCHMARKS_SEARCH_TEXT_DATA_H_
