#ifndef ENGRAM_SERVICES_SEARCH_PROCESSORS_H_
#define ENGRAM_SERVICES_SEARCH_PROCESSORS_H_

#include <string>

namespace engram::search {

// How many processors this process may keep busy: those that it may run on, but
// no more than its control group gives it the time of, and one at least.
// `control_groups` is where the kernel tells of these.
int UsableProcessors(const std::string& control_groups = "/sys/fs/cgroup");

// Has the kernel give the calling thread, and those that it starts from now on,
// less time than others where there are not enough processors for all: what
// nobody waits for leaves queries their share. For good, as no thread may take
// it back. Safe to repeat.
void YieldToQueries();

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_PROCESSORS_H_
