#ifndef ENGRAM_SERVICES_STORAGE_SNAPSHOT_MESSAGE_H_
#define ENGRAM_SERVICES_STORAGE_SNAPSHOT_MESSAGE_H_

#include <cstddef>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"
#include "engram/storage/v1/feed.pb.h"

namespace engram::storage {

// A StreamSnapshotResponse as it is sent, in pieces that follow each other.
struct SnapshotBytes {
  std::string head;
  std::string records;
  // Nearly all of it; no other copy of the vectors is made.
  std::string values;
};

SnapshotBytes Encode(const v1::StreamSnapshotResponse& message);

// Encodes a message of records, one record after the other: a message object of
// thousands of them would take longer to fill in than the tables to read.
class SnapshotRecordsWriter {
 public:
  // Uses the memory of `spare` for the values.
  explicit SnapshotRecordsWriter(std::string spare)
      : values_(std::move(spare)) {
    values_.clear();
  }

  // An empty record, until it is added.
  v1::SnapshotRecord* NewRecord();
  void AddRecord();

  // See SnapshotRecords.values.
  std::string* values() { return &values_; }

  size_t size() const { return records_.size() + values_.size(); }

  // See the fields of SnapshotRecords.
  SnapshotBytes Finish(absl::string_view collection,
                       absl::string_view resume_token) &&;

 private:
  v1::SnapshotRecord record_;
  std::string records_;
  std::string values_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SNAPSHOT_MESSAGE_H_
