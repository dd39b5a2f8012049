#ifndef ENGRAM_SERVICES_STORAGE_SNAPSHOT_TOKEN_H_
#define ENGRAM_SERVICES_STORAGE_SNAPSHOT_TOKEN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/position/position.h"

namespace engram::storage {

// Where a snapshot stands, so that another stream can go on with it.
struct SnapshotToken {
  // What its SnapshotStart said.
  Position position;
  uint64_t checksum = 0;
  // FeedScope::Fingerprint.
  uint64_t scope = 0;
  // Which schema the tables had (Collection::schema_version).
  int64_t schema_version = 0;
  // All before this collection was read, and its records up to this row.
  int64_t collection = 0;
  int64_t row = 0;

  // As clients get it, who cannot read much into it.
  std::string Encode() const;
  // `InvalidArgument` for a text that Encode did not make.
  static absl::StatusOr<SnapshotToken> Decode(absl::string_view text);
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SNAPSHOT_TOKEN_H_
