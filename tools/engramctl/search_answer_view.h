// What `engramctl search` shows below the hits.

#ifndef ENGRAM_TOOLS_ENGRAMCTL_SEARCH_ANSWER_VIEW_H_
#define ENGRAM_TOOLS_ENGRAMCTL_SEARCH_ANSWER_VIEW_H_

#include "engram/search/v1/search.pb.h"
#include "tools/engramctl/console.h"

namespace engram::engramctl {

// Prints the facets, each a table, or with --json an object a line.
void PrintFacets(const Console& console,
                 const search::v1::QueryResponse& response);

// Prints how the answer was found, if it tells.
void PrintExplanation(const Console& console,
                      const search::v1::QueryResponse& response);

}  // namespace engram::engramctl

#endif  // ENGRAM_TOOLS_ENGRAMCTL_SEARCH_ANSWER_VIEW_H_
