// The texts of records that could not be embedded, within a write.

#ifndef ENGRAM_SERVICES_STORAGE_FAILURE_TABLE_H_
#define ENGRAM_SERVICES_STORAGE_FAILURE_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "services/storage/write_transaction.h"

namespace engram::storage {

// A text that could not be embedded; borrowed.
struct Failure {
  int64_t generation = 0;
  int64_t row = 0;
  absl::string_view content_hash;
  // FailureReason of vector.proto.
  int reason = 0;
  absl::string_view message;
  int64_t attempts = 0;
};

// Adds a failure of a record that has neither one nor an outbox entry in the
// generation.
absl::Status AddFailure(WriteTransaction& transaction, const Failure& failure);

// Returns the hash of the record's text, if it could not be embedded.
absl::StatusOr<std::optional<std::string>> FindFailedHash(
    WriteTransaction& transaction, int64_t generation, int64_t row);

// Removes the record's failure, if there is one.
absl::Status RemoveFailure(WriteTransaction& transaction, int64_t generation,
                           int64_t row);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_FAILURE_TABLE_H_
