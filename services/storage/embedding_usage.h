// What embedding used, by hour, provider and model: kept with the database.

#ifndef ENGRAM_SERVICES_STORAGE_EMBEDDING_USAGE_H_
#define ENGRAM_SERVICES_STORAGE_EMBEDDING_USAGE_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engram/storage/v1/vector.pb.h"
#include "libs/sqlite/connection.h"
#include "libs/status/errors.h"
#include "services/storage/catalog.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

inline constexpr int64_t kHourUs = int64_t{3600} * 1'000'000;
inline constexpr int64_t kUsageHoursKept = 400 * 24;
inline constexpr size_t kMaxProviderBytes = 63;

// Adds what is negative or absurd in `usage`, at `path`, and a `provider` that
// is too long, to `violations`.
void CheckUsage(const v1::EmbeddingUsage& usage, absl::string_view path,
                FieldViolations& violations);
void CheckProvider(absl::string_view provider, FieldViolations& violations);

void AddUsage(const v1::EmbeddingUsage& usage, v1::EmbeddingUsage& sum);

// What one write used, summed up by model.
class UsageSum {
 public:
  // Usage of a generation that is gone counts for the model "".
  void Add(const Catalog& catalog, int64_t generation,
           const v1::EmbeddingUsage& usage);

  // Adds the sums to the hour of the write, and drops hours from long ago.
  absl::Status Store(WriteTransaction& transaction,
                     absl::string_view provider) const;

 private:
  std::map<std::string, v1::EmbeddingUsage> by_model_;
};

// One hour's usage.
struct HourUsage {
  int64_t hour = 0;
  std::string provider;
  std::string model;
  v1::EmbeddingUsage usage;
};

// Calls `visit` with what was used in the hours from `begin` until before
// `end`, in order.
absl::Status VisitUsage(
    sqlite::Connection& connection, int64_t begin, int64_t end,
    absl::FunctionRef<absl::Status(const HourUsage&)> visit);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_EMBEDDING_USAGE_H_
