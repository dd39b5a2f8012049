#ifndef ENGRAM_SERVICES_STORAGE_SNAPSHOT_MESSAGE_H_
#define ENGRAM_SERVICES_STORAGE_SNAPSHOT_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "engram/storage/v1/feed.pb.h"

namespace engram::storage {

// A StreamSnapshotResponse as it is sent, in pieces that follow each other. Of
// the vectors, which are nearly all of it, no copy is made.
using SnapshotBytes = std::vector<std::string>;

SnapshotBytes Encode(const v1::StreamSnapshotResponse& message);

// The vectors of one generation in a message of records.
class VectorColumns {
 public:
  // Uses the memory of `spare` for the values.
  VectorColumns(int64_t generation, std::string spare);

  // Those that AddVector adds next are the record's, up to the next record.
  void AddRecord(int record, int64_t sequence);
  void AddVector(absl::string_view values) {
    ++chunks_.back();
    values_.append(values.data(), values.size());
  }
  // Where the vector that was added last lies in its text.
  void AddRange(int64_t begin, int64_t end);

  // About how many bytes it is.
  size_t size() const {
    return values_.size() + 16 * (chunks_.size() + stored_.ranges_size());
  }

  // Adds the field to SnapshotRecords' bytes.
  void Finish(SnapshotBytes* bytes) &&;

 private:
  // All but the values and the chunks.
  v1::StoredVectors stored_;
  std::vector<int32_t> chunks_;
  std::string values_;
};

// Encodes a message of records, field by field: a message object with thousands
// of messages in it would take longer to fill in than the tables to read.
class SnapshotRecordsWriter {
 public:
  // Uses the memory of `spare` for the first generation's vectors.
  explicit SnapshotRecordsWriter(std::string spare)
      : spare_(std::move(spare)) {}

  // Adds a record, to which all that is added next belongs.
  void AddRecord(int64_t row, absl::string_view id, int64_t sequence);
  v1::SnapshotExpiry* AddExpiry();
  v1::PendingVector* AddPending();
  void AddBody(const v1::Record& body);
  void AddAttributes(const v1::Attributes& attributes);

  // The place of the record that was added last.
  int record() const { return columns_.rows_size() - 1; }

  // Where a generation's vectors go. Stays where it is until Finish.
  VectorColumns* AddGeneration(int64_t generation);

  bool empty() const { return columns_.rows_size() == 0; }
  // About how many bytes it is.
  size_t size() const;

  // See the fields of SnapshotRecords.
  SnapshotBytes Finish(absl::string_view collection,
                       absl::string_view resume_token) &&;

 private:
  // Fields of numbers, and of messages that few records have.
  v1::SnapshotRecords columns_;
  // Fields of what takes memory of its own, as they lie on the wire.
  std::string fields_;
  std::deque<VectorColumns> vectors_;
  std::string spare_;
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SNAPSHOT_MESSAGE_H_
