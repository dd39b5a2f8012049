#ifndef ENGRAM_TESTS_BENCHMARKS_SEARCH_SEARCH_DATABASE_H_
#define ENGRAM_TESTS_BENCHMARKS_SEARCH_SEARCH_DATABASE_H_

#include <memory>

#include "services/search/database_index.h"
#include "services/search/index.h"
#include "tests/benchmarks/search/search_data.h"

namespace engram::benchmarks {

// Ends the program, which has measured nothing then.
void Expect(bool holds, const char* what);

// A database of one collection without filter columns, whose one index has
// vectors of these dimensions and its graph.
std::unique_ptr<search::DatabaseIndex> MakeDatabase(const SearchData& data);

// That index.
std::shared_ptr<search::Index> IndexOf(const search::DatabaseIndex& database);

}  // namespace engram::benchmarks

#endif  // ENGRAM_TESTS_BENCHMARKS_SEARCH_SEARCH_DATABASE_H_
