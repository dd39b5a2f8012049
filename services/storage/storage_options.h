#ifndef ENGRAM_SERVICES_STORAGE_STORAGE_OPTIONS_H_
#define ENGRAM_SERVICES_STORAGE_STORAGE_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace engram::config {
class Flags;
}  // namespace engram::config

namespace engram::storage {

// Storage's settings.
struct StorageOptions {
  // The folder of everything that storage keeps; created where there is none.
  // One process at a time uses it.
  std::string data_dir = "data";
  // How long a start waits for another process to leave the folder. Longer
  // waits outlast slow stops, and delay the report of a mistake.
  absl::Duration lock_wait = absl::Seconds(10);
  // `full` syncs at every commit; `normal` may lose the newest commits in a
  // power loss, and gains little where writes come in batches.
  std::string synchronous = "full";
  // Threads for calls that read much. More threads serve more such calls at
  // once, and take processors from the others.
  int threads = 4;
  // Calls that wait for one of these threads. More waiting calls cost memory
  // and answer late; beyond it calls are refused.
  int max_queued_calls = 1024;
  // Write calls that wait for a database's writer. As for max_queued_calls.
  int max_queued_writes = 4096;
  // The same in bytes of requests: the most memory that a database's queue
  // takes.
  int64_t max_queued_write_bytes = int64_t{64} << 20;
  // The size of a write-ahead log, in bytes, from which it is moved into the
  // file. A larger log makes fewer, longer checkpoints and slower starts.
  int64_t checkpoint_bytes = int64_t{32} << 20;
  // How long a change can be followed; longer while a known follower needs it.
  // Others away for longer read a snapshot; longer retention costs disk.
  absl::Duration change_retention = absl::Hours(24 * 7);
  // The most bytes of changes that a database keeps, records as they were
  // before included; the oldest go, even if a follower needs them. More let
  // followers be away for longer, and cost disk.
  int64_t change_max_bytes = int64_t{4} << 30;

  // The most records that one delete may take along because they refer to what
  // is deleted. A larger cascade holds the writer for longer.
  int64_t max_cascade_rows = 100'000;
  // The most bytes of keys and values that one cache keeps, one collection that
  // CacheService uses; beyond it the entries used longest ago go. A larger one
  // costs disk.
  int64_t cache_max_bytes = int64_t{256} << 20;
  // How often what has expired is deleted; nobody sees it in any case. Longer
  // intervals keep it on disk for longer.
  absl::Duration sweep_interval = absl::Seconds(60);

  // The most records a second, for each database, that are put into the outbox
  // because the model of their vectors changes. A higher rate completes a
  // change sooner, and leaves live texts and the writer less.
  int backfill_rate = 2000;
  // How long vectors are kept after others took their place, so that one can go
  // back to them. As long as they are kept they cost disk, and every text that
  // is written is embedded for them too.
  absl::Duration rollback_period = absl::Hours(24 * 7);

  void Declare(config::Flags& flags);
  absl::Status Validate() const;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_STORAGE_OPTIONS_H_
