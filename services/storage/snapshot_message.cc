#include "services/storage/snapshot_message.h"

#include <cstdint>

#include "google/protobuf/wire_format_lite.h"

namespace engram::storage {
namespace {

using Wire = google::protobuf::internal::WireFormatLite;
using Records = v1::SnapshotRecords;

void AppendVarint(uint64_t value, std::string* bytes) {
  for (; value >= 0x80; value >>= 7) {
    bytes->push_back(static_cast<char>(value | 0x80));
  }
  bytes->push_back(static_cast<char>(value));
}

// The tag and the length of a field of `size` bytes, which must follow.
void AppendHead(int field, size_t size, std::string* bytes) {
  AppendVarint(Wire::MakeTag(field, Wire::WIRETYPE_LENGTH_DELIMITED), bytes);
  AppendVarint(size, bytes);
}

void AppendField(int field, absl::string_view value, std::string* bytes) {
  AppendHead(field, value.size(), bytes);
  bytes->append(value.data(), value.size());
}

}  // namespace

SnapshotBytes Encode(const v1::StreamSnapshotResponse& message) {
  return {.head = message.SerializeAsString()};
}

v1::SnapshotRecord* SnapshotRecordsWriter::NewRecord() {
  record_.Clear();
  return &record_;
}

void SnapshotRecordsWriter::AddRecord() {
  AppendHead(Records::kRecordsFieldNumber, record_.ByteSizeLong(), &records_);
  record_.AppendToString(&records_);
}

SnapshotBytes SnapshotRecordsWriter::Finish(absl::string_view collection,
                                            absl::string_view resume_token) && {
  SnapshotBytes bytes = {.records = std::move(records_),
                         .values = std::move(values_)};
  AppendField(Records::kCollectionFieldNumber, collection, &bytes.records);
  AppendField(Records::kResumeTokenFieldNumber, resume_token, &bytes.records);
  if (!bytes.values.empty()) {
    AppendHead(Records::kValuesFieldNumber, bytes.values.size(),
               &bytes.records);
  }
  AppendHead(v1::StreamSnapshotResponse::kRecordsFieldNumber,
             bytes.records.size() + bytes.values.size(), &bytes.head);
  return bytes;
}

}  // namespace engram::storage
