#include "services/search/search_options.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/config/flags.h"
#include "libs/status/status_macros.h"
#include "services/search/processors.h"

namespace engram::search {
namespace {

template <typename Value>
absl::Status CheckRange(absl::string_view name, Value value, Value least,
                        Value most) {
  if (value >= least && value <= most) return absl::OkStatus();
  if constexpr (std::is_same_v<Value, absl::Duration>) {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": ", absl::FormatDuration(value), " is not between ",
        absl::FormatDuration(least), " and ", absl::FormatDuration(most)));
  } else {
    return absl::InvalidArgumentError(absl::StrCat(
        name, ": ", value, " is not between ", least, " and ", most));
  }
}

}  // namespace

void SearchOptions::Declare(config::Flags& flags) {
  flags.Add("cache-dir", &cache_dir,
            "Folder for copies of the indexes; empty keeps none");
  flags.Add("cache-save-interval", &cache_save_interval,
            "How long a change may be missing from the cache");
  flags.Add("cache-save-changes", &cache_save_changes,
            "How many changes may be missing from the cache");
  flags.Add("max-index-bytes", &max_index_bytes,
            "Memory that the indexes may take together, in bytes; 0 is four "
            "fifths of what this process may have");
  flags.Add(
      "threads", &threads,
      "Threads of search: for queries, and as many to build indexes, which "
      "yield to these; 0 is the number of processors, more gain nothing");
  flags.Add("search-queue", &search_queue,
            "Searches that may wait for a thread; more take bursts at the "
            "price of late answers");
  flags.Add("search-timeout", &search_timeout,
            "How long a call without a deadline may take");
}

int SearchOptions::ThreadCount() const {
  return threads > 0 ? threads : UsableProcessors();
}

absl::Status SearchOptions::Validate() const {
  RETURN_IF_ERROR(CheckRange("cache-save-interval", cache_save_interval,
                             absl::Seconds(1), absl::Hours(24)));
  RETURN_IF_ERROR(CheckRange<int64_t>("cache-save-changes", cache_save_changes,
                                      1000, 1'000'000'000'000));
  RETURN_IF_ERROR(CheckRange<int64_t>("max-index-bytes", max_index_bytes, 0,
                                      int64_t{1} << 50));
  RETURN_IF_ERROR(CheckRange("threads", threads, 0, 256));
  RETURN_IF_ERROR(CheckRange("search-queue", search_queue, 1, 100'000));
  return CheckRange("search-timeout", search_timeout, absl::Milliseconds(10),
                    absl::Hours(1));
}

}  // namespace engram::search
