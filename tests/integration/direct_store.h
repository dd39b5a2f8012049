#ifndef ENGRAM_TESTS_INTEGRATION_DIRECT_STORE_H_
#define ENGRAM_TESTS_INTEGRATION_DIRECT_STORE_H_

#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engram/storage/v1/record.pb.h"
#include "libs/clock/clock.h"
#include "services/storage/database.h"
#include "services/storage/storage_metrics.h"

namespace engram::storage::testing {

// A database as the services use it, called without gRPC: each call waits for
// its outcome. It knows one model, `letters`, of two dimensions, the default.
class DirectStore {
 public:
  // `clock` must outlive this object.
  static absl::StatusOr<std::unique_ptr<DirectStore>> Open(
      const std::string& path, const Clock& clock,
      Database::Options options = {});

  Database& database() { return *database_; }
  int64_t newest_sequence() const {
    return database_->NewestPosition().sequence;
  }

  // Applies documents; `prune` drops what they do not declare. Destroys what
  // it must.
  absl::Status ApplySchema(const std::vector<std::string>& documents,
                           bool prune = false);
  absl::StatusOr<v1::WriteResponse> Write(const v1::WriteRequest& request);
  absl::StatusOr<v1::UpdateWhereResponse> UpdateWhere(
      const v1::UpdateWhereRequest& request);
  absl::StatusOr<v1::DeleteWhereResponse> DeleteWhere(
      const v1::DeleteWhereRequest& request);
  absl::Status Sweep();

 private:
  DirectStore() : metrics_(registry_) {}

  prometheus::Registry registry_;
  StorageMetrics metrics_;
  std::unique_ptr<Database> database_;
};

}  // namespace engram::storage::testing

#endif  // ENGRAM_TESTS_INTEGRATION_DIRECT_STORE_H_
