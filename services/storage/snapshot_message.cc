#include "services/storage/snapshot_message.h"

#include <cstdint>

#include "libs/wire/wire.h"

namespace engram::storage {
namespace {

using Records = v1::SnapshotRecords;

}  // namespace

SnapshotBytes Encode(const v1::StreamSnapshotResponse& message) {
  return {.head = message.SerializeAsString()};
}

v1::SnapshotRecord* SnapshotRecordsWriter::NewRecord() {
  record_.Clear();
  return &record_;
}

void SnapshotRecordsWriter::AddRecord() {
  const size_t size = record_.ByteSizeLong();
  wire::AppendHead(Records::kRecordsFieldNumber, size, &records_);
  // Not AppendToString, which would ask for the size again.
  records_.resize(records_.size() + size);
  record_.SerializeWithCachedSizesToArray(
      reinterpret_cast<uint8_t*>(records_.data() + records_.size() - size));
}

SnapshotBytes SnapshotRecordsWriter::Finish(absl::string_view collection,
                                            absl::string_view resume_token) && {
  SnapshotBytes bytes = {.records = std::move(records_),
                         .values = std::move(values_)};
  wire::AppendBytes(Records::kCollectionFieldNumber, collection,
                    &bytes.records);
  wire::AppendBytes(Records::kResumeTokenFieldNumber, resume_token,
                    &bytes.records);
  if (!bytes.values.empty()) {
    wire::AppendHead(Records::kValuesFieldNumber, bytes.values.size(),
                     &bytes.records);
  }
  wire::AppendHead(v1::StreamSnapshotResponse::kRecordsFieldNumber,
                   bytes.records.size() + bytes.values.size(), &bytes.head);
  return bytes;
}

}  // namespace engram::storage
