#include "services/storage/storage_options.h"

#include "absl/strings/str_cat.h"
#include "libs/config/flags.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

absl::Status CheckRange(absl::string_view name, int64_t value, int64_t least,
                        int64_t most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(name, " is ", value, "; give ", least, " to ", most));
}

}  // namespace

void StorageOptions::Declare(config::Flags& flags) {
  flags.Add("data-dir", &data_dir,
            "folder of everything that storage keeps; created where there is "
            "none");
  flags.Add("lock-wait", &lock_wait,
            "how long a start waits for another process to leave data-dir; "
            "longer waits delay the report of a mistake");
  flags.Add("synchronous", &synchronous,
            "full syncs at every commit; normal may lose the newest commits in "
            "a power loss");
  flags.Add("storage-threads", &threads,
            "threads for calls that read much; more take processors from the "
            "other calls");
  flags.Add("max-queued-calls", &max_queued_calls,
            "calls that wait for one of storage-threads; more cost memory and "
            "answer late");
  flags.Add("max-queued-writes", &max_queued_writes,
            "Write calls that wait for a database's writer; more cost memory "
            "and answer late");
  flags.Add("max-queued-write-bytes", &max_queued_write_bytes,
            "bytes of requests that wait for a database's writer; more cost "
            "memory");
  flags.Add("checkpoint-bytes", &checkpoint_bytes,
            "size of a write-ahead log, in bytes, from which it is moved into "
            "the file; larger ones slow the next start");
  flags.Add("change-retention", &change_retention,
            "how long a change can be followed; longer costs disk");
  flags.Add("change-max-bytes", &change_max_bytes,
            "bytes of changes that a database keeps, even for its followers; "
            "more cost disk");
  flags.Add("max-cascade-rows", &max_cascade_rows,
            "records that one delete may take along; a larger cascade holds "
            "the writer for longer");
  flags.Add("cache-max-bytes", &cache_max_bytes,
            "bytes of keys and values that a cache keeps before the entries "
            "used longest ago go; more cost disk");
  flags.Add("sweep-interval", &sweep_interval,
            "how often what has expired is deleted; nobody sees it in any "
            "case, but it stays on disk until then");
  flags.Add("backfill-rate", &backfill_rate,
            "records a second, for each database, that are queued because the "
            "model of their vectors changes; more leave live texts less");
  flags.Add("rollback-period", &rollback_period,
            "how long vectors are kept after those of another model took their "
            "place; as long, every text is embedded for both");
}

absl::Status StorageOptions::Validate() const {
  if (data_dir.empty()) {
    return absl::InvalidArgumentError("data-dir is empty; name a folder");
  }
  if (lock_wait < absl::ZeroDuration()) {
    return absl::InvalidArgumentError("lock-wait is negative");
  }
  if (synchronous != "full" && synchronous != "normal") {
    return absl::InvalidArgumentError(absl::StrCat(
        "synchronous is \"", synchronous, "\"; give full or normal"));
  }
  if (change_retention < absl::Minutes(1)) {
    return absl::InvalidArgumentError(
        "change-retention is under a minute: followers would always start "
        "again");
  }
  if (sweep_interval < absl::Milliseconds(100)) {
    return absl::InvalidArgumentError(
        "sweep-interval is under 100ms; sweeping takes the writer's time");
  }
  RETURN_IF_ERROR(
      CheckRange("max-cascade-rows", max_cascade_rows, 1, 100'000'000));
  RETURN_IF_ERROR(CheckRange("cache-max-bytes", cache_max_bytes, 1 << 20,
                             int64_t{1} << 40));
  RETURN_IF_ERROR(CheckRange("backfill-rate", backfill_rate, 1, 1'000'000));
  if (rollback_period < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        "rollback-period is negative; 0s keeps nothing to go back to");
  }
  RETURN_IF_ERROR(CheckRange("storage-threads", threads, 1, 1024));
  RETURN_IF_ERROR(
      CheckRange("max-queued-calls", max_queued_calls, 1, 1'000'000));
  RETURN_IF_ERROR(
      CheckRange("max-queued-writes", max_queued_writes, 1, 1'000'000));
  RETURN_IF_ERROR(CheckRange("max-queued-write-bytes", max_queued_write_bytes,
                             1 << 20, int64_t{1} << 40));
  RETURN_IF_ERROR(CheckRange("change-max-bytes", change_max_bytes, 1 << 20,
                             int64_t{1} << 50));
  return CheckRange("checkpoint-bytes", checkpoint_bytes, 1 << 20,
                    int64_t{1} << 40);
}

}  // namespace engram::storage
