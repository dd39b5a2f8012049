#ifndef ENGRAM_SERVICES_SEARCH_SEARCH_OPTIONS_H_
#define ENGRAM_SERVICES_SEARCH_SEARCH_OPTIONS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace engram::config {
class Flags;
}

namespace engram::search {

// The settings of the search service.
struct SearchOptions {
  // Where copies of the indexes are kept, so that a restart need not read
  // everything from storage; created if it is missing. Empty keeps none. What
  // is in it may be deleted while the service is down.
  std::string cache_dir = "search-cache";

  // How long what is applied may be missing from the cache, 1 s to 1 day. Lower
  // writes the indexes to disk more often; higher makes a restart after a crash
  // replay more.
  absl::Duration cache_save_interval = absl::Minutes(1);

  // Nor may more changes than this be missing from it, at least 1000.
  int64_t cache_save_changes = 100'000;

  // What the indexes may take of memory together, in bytes; 0 is four fifths of
  // what the machine or the control group allows. What is read from storage and
  // would be more is refused, what serves goes on. Raised beyond what there is,
  // the kernel may end the process.
  int64_t max_index_bytes = 0;

  // How many threads run searches that take long, and how many at most build
  // graphs and measure them beside these, at a lower priority: 1 to 256; 0 is
  // as many as this process may use processors. FAISS has none of its own: here
  // it only reads and writes files. Raised beyond the processors, nothing is
  // gained and single queries take longer.
  int threads = 0;

  // How many searches may wait for one of these threads, 1 to 100000; beyond it
  // a query is `RESOURCE_EXHAUSTED`. Raised, bursts are taken at the price of
  // memory and of answers that come late.
  int search_queue = 512;

  // How long a call may take whose client set no deadline, 10 ms to 1 h.
  // Raised, waits for positions that never come hold memory for longer.
  absl::Duration search_timeout = absl::Seconds(30);

  void Declare(config::Flags& flags);

  // What `threads` comes to.
  int ThreadCount() const;

  // `InvalidArgument` naming the setting that is out of its range.
  absl::Status Validate() const;
};

}  // namespace engram::search

#endif  // ENGRAM_SERVICES_SEARCH_SEARCH_OPTIONS_H_
