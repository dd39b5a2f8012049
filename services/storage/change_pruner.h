#ifndef ENGRAM_SERVICES_STORAGE_CHANGE_PRUNER_H_
#define ENGRAM_SERVICES_STORAGE_CHANGE_PRUNER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "services/storage/database.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// What a pruning left: the oldest change, and the bytes of the log through it.
struct PrunedLog {
  int64_t oldest = 1;
  int64_t oldest_bytes = 0;
};

// One pruning of one database's change log: removes what may go, in slices,
// each a write of its own, so that the writes of others go on between them.
class ChangePruner : public std::enable_shared_from_this<ChangePruner> {
 public:
  using Done = std::function<void(absl::StatusOr<PrunedLog>)>;

  // The changes that a slice removes, at least and at most: twice as many as
  // were added since the slice before, or else a writer at full speed would
  // outrun it.
  static constexpr int64_t kLeastSlice = 5'000;
  static constexpr int64_t kMostSlice = 200'000;

  // Starts it, by Database::RetentionNow. `done` is called once, at once if
  // nothing may go, else by the writer's thread. `database` must outlive the
  // pruning.
  static void Start(Database& database, Done done);

 private:
  ChangePruner(Database& database, Done done)
      : database_(database), done_(std::move(done)) {}

  void SubmitSlice();
  absl::Status RunSlice(WriteTransaction& transaction);

  Database& database_;
  const Done done_;
  // Of the newest change at the slice before.
  int64_t seen_sequence_ = 0;
  // What the newest slice left.
  bool ended_ = false;
  PrunedLog left_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_CHANGE_PRUNER_H_
