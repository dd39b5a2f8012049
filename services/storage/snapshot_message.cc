#include "services/storage/snapshot_message.h"

#include <algorithm>

#include "google/protobuf/message_lite.h"
#include "libs/wire/wire.h"

namespace engram::storage {
namespace {

using Records = v1::SnapshotRecords;

// A field that holds `message`.
void AppendMessage(int field, const google::protobuf::MessageLite& message,
                   std::string* out) {
  const size_t size = message.ByteSizeLong();
  wire::AppendHead(field, size, out);
  // Not AppendToString, which would ask for the size again.
  out->resize(out->size() + size);
  message.SerializeWithCachedSizesToArray(
      reinterpret_cast<uint8_t*>(out->data() + out->size() - size));
}

size_t SizeOf(const SnapshotBytes& bytes) {
  size_t size = 0;
  for (const std::string& piece : bytes) size += piece.size();
  return size;
}

}  // namespace

SnapshotBytes Encode(const v1::StreamSnapshotResponse& message) {
  return {message.SerializeAsString()};
}

VectorColumns::VectorColumns(int64_t generation, std::string spare)
    : values_(std::move(spare)) {
  stored_.set_generation(generation);
  values_.clear();
}

void VectorColumns::AddRecord(int record, int64_t sequence) {
  stored_.add_records(record);
  stored_.add_sequences(sequence);
  chunks_.push_back(0);
}

void VectorColumns::AddRange(int64_t begin, int64_t end) {
  common::v1::TextRange& range = *stored_.add_ranges();
  range.set_begin(begin);
  range.set_end(end);
}

void VectorColumns::Finish(SnapshotBytes* bytes) && {
  if (chunks_.empty()) return;
  const bool has_several = std::any_of(chunks_.begin(), chunks_.end(),
                                       [](int chunks) { return chunks != 1; });
  if (has_several) {
    stored_.mutable_chunks()->Assign(chunks_.begin(), chunks_.end());
  }
  std::string fields = stored_.SerializeAsString();
  wire::AppendHead(v1::StoredVectors::kValuesFieldNumber, values_.size(),
                   &fields);
  std::string head;
  wire::AppendHead(Records::kVectorsFieldNumber, fields.size() + values_.size(),
                   &head);
  bytes->push_back(head + fields);
  bytes->push_back(std::move(values_));
}

void SnapshotRecordsWriter::AddRecord(int64_t row, absl::string_view id,
                                      int64_t sequence) {
  columns_.add_rows(row);
  columns_.add_sequences(sequence);
  wire::AppendBytes(Records::kIdsFieldNumber, id, &fields_);
}

v1::SnapshotExpiry* SnapshotRecordsWriter::AddExpiry() {
  v1::SnapshotExpiry* const expiry = columns_.add_expiries();
  expiry->set_record(record());
  return expiry;
}

v1::PendingVector* SnapshotRecordsWriter::AddPending() {
  v1::PendingVector* const pending = columns_.add_pending();
  pending->set_record(record());
  return pending;
}

void SnapshotRecordsWriter::AddBody(const v1::Record& body) {
  AppendMessage(Records::kRecordsFieldNumber, body, &fields_);
}

void SnapshotRecordsWriter::AddAttributes(const v1::Attributes& attributes) {
  AppendMessage(Records::kAttributesFieldNumber, attributes, &fields_);
}

VectorColumns* SnapshotRecordsWriter::AddGeneration(int64_t generation) {
  return &vectors_.emplace_back(generation, std::exchange(spare_, ""));
}

size_t SnapshotRecordsWriter::size() const {
  size_t size =
      fields_.size() + 16 * (columns_.rows_size() + columns_.expiries_size() +
                             columns_.pending_size());
  for (const VectorColumns& vectors : vectors_) size += vectors.size();
  return size;
}

SnapshotBytes SnapshotRecordsWriter::Finish(absl::string_view collection,
                                            absl::string_view resume_token) && {
  columns_.set_collection(collection.data(), collection.size());
  columns_.set_resume_token(resume_token.data(), resume_token.size());
  SnapshotBytes bytes = {columns_.SerializeAsString() + fields_};
  for (VectorColumns& vectors : vectors_) std::move(vectors).Finish(&bytes);
  std::string head;
  wire::AppendHead(v1::StreamSnapshotResponse::kRecordsFieldNumber,
                   SizeOf(bytes), &head);
  bytes.front().insert(0, head);
  return bytes;
}

}  // namespace engram::storage
