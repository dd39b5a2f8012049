#include "services/storage/snapshot_stream.h"

#include <grpcpp/support/slice.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "libs/status/grpc_status.h"
#include "libs/status/status_macros.h"

namespace engram::storage {
namespace {

// How many messages are read at the same time: reading takes twice as long as
// what is done with a message here and by its client. One less leaves a tenth
// of two cores idle while one waits for the other.
constexpr int kMaxReading = 3;
// How many there are beside the one on its way.
constexpr size_t kMaxMessages = 4;

// Takes the bytes over, without a copy; they end as spare ones.
grpc::Slice ToSlice(std::string bytes, std::shared_ptr<SpareStrings> spares) {
  struct Owner {
    std::string bytes;
    std::shared_ptr<SpareStrings> spares;
  };
  auto* const owner = new Owner{std::move(bytes), std::move(spares)};
  return grpc::Slice(
      owner->bytes.data(), owner->bytes.size(),
      [](void* data) {
        const auto owner = absl::WrapUnique(static_cast<Owner*>(data));
        owner->spares->PutBack(std::move(owner->bytes));
      },
      owner);
}

grpc::ByteBuffer ToByteBuffer(SnapshotBytes bytes,
                              const std::shared_ptr<SpareStrings>& spares) {
  std::vector<grpc::Slice> slices;
  slices.reserve(bytes.size());
  for (std::string& piece : bytes) {
    slices.push_back(ToSlice(std::move(piece), spares));
  }
  return grpc::ByteBuffer(slices.data(), slices.size());
}

}  // namespace

std::string SpareStrings::Take() {
  absl::MutexLock lock(&mutex_);
  if (strings_.empty()) return "";
  std::string spare = std::move(strings_.back());
  strings_.pop_back();
  return spare;
}

void SpareStrings::PutBack(std::string spare) {
  // What is small comes from the system at no cost.
  if (spare.capacity() < kSnapshotBytes) return;
  absl::MutexLock lock(&mutex_);
  if (strings_.size() < kMaxMessages) strings_.push_back(std::move(spare));
}

void SnapshotStream::Begin() {
  std::optional<Action> action;
  {
    absl::MutexLock lock(&mutex_);
    action = Decide();
  }
  if (action.has_value()) Do(*action);
}

std::optional<SnapshotStream::Action> SnapshotStream::Decide() {
  if (stopped_ && status_.ok()) {
    status_ = absl::CancelledError("the client has gone");
  }
  // Rows of records that are gone make no message.
  while (!is_writing_ && !messages_.empty() &&
         messages_.front().state == Message::State::kReady &&
         messages_.front().is_empty) {
    messages_.pop_front();
  }
  StartReads();
  if (is_writing_) return std::nullopt;
  if (status_.ok() && !messages_.empty()) {
    if (messages_.front().state != Message::State::kReady) return std::nullopt;
    is_writing_ = true;
    return Action{.write = &messages_.front()};
  }
  if (reading_ > 0) return std::nullopt;
  return Action();
}

void SnapshotStream::Do(const Action& action) {
  if (action.write != nullptr) return StartWrite(&action.write->bytes);
  absl::Status status;
  {
    absl::MutexLock lock(&mutex_);
    status = status_;
  }
  Finish(ToGrpcStatus(status));
}

void SnapshotStream::StartReads() {
  while (status_.ok() && reading_ < kMaxReading) {
    Message* const message = FindNext();
    if (message == nullptr) return;
    message->state = Message::State::kReading;
    ++reading_;
    status_ = pool_->Submit([this, message] { Read(message); });
    if (!status_.ok()) --reading_;
  }
}

SnapshotStream::Message* SnapshotStream::FindNext() {
  for (Message& message : messages_) {
    if (message.state == Message::State::kToRead) return &message;
  }
  if (next_ == Part::kRecords) {
    // It is known after the start what there is.
    const bool is_starting =
        !messages_.empty() && messages_.front().part == Part::kStart &&
        messages_.front().state == Message::State::kReading;
    if (is_starting || messages_.size() == kMaxMessages) return nullptr;
    const std::optional<SnapshotRange> range = reader_.Take();
    if (range.has_value()) {
      return &messages_.emplace_back(
          Message{.part = Part::kRecords, .range = *range});
    }
    next_ = Part::kEnd;
  }
  // The end tells a position that no read is behind.
  if (!next_.has_value() || (next_ == Part::kEnd && reading_ > 0)) {
    return nullptr;
  }
  messages_.emplace_back(Message{.part = *next_});
  next_ = next_ == Part::kStart ? std::optional<Part>(Part::kRecords)
                                : std::nullopt;
  return &messages_.back();
}

void SnapshotStream::Read(Message* message) {
  absl::StatusOr<SnapshotPart> part = ReadPart(*message);
  if (part.ok())
    message->bytes = ToByteBuffer(std::move(part->message), spares_);
  std::optional<Action> action;
  {
    absl::MutexLock lock(&mutex_);
    --reading_;
    message->state = Message::State::kReady;
    if (!part.ok()) {
      if (status_.ok()) status_ = part.status();
    } else if (message->part == Part::kRecords) {
      message->is_empty = part->bytes == 0;
      reader_.Learn(*part);
      if (part->rest.has_value()) {
        const auto self =
            std::find_if(messages_.begin(), messages_.end(),
                         [&](const Message& m) { return &m == message; });
        messages_.insert(std::next(self), Message{.range = *part->rest});
      }
    }
    action = Decide();
  }
  if (action.has_value()) Do(*action);
}

absl::StatusOr<SnapshotPart> SnapshotStream::ReadPart(const Message& message) {
  if (database_->commits().stopped()) {
    return absl::UnavailableError("the database is closed");
  }
  if (message.part == Part::kRecords)
    return reader_.Read(message.range, spares_->Take());
  v1::StreamSnapshotResponse response;
  RETURN_IF_ERROR(message.part == Part::kStart
                      ? reader_.Start(response.mutable_start())
                      : reader_.End(response.mutable_end()));
  return SnapshotPart{.message = Encode(response)};
}

void SnapshotStream::OnWriteDone(bool ok) {
  std::optional<Action> action;
  {
    absl::MutexLock lock(&mutex_);
    is_writing_ = false;
    messages_.pop_front();
    if (!ok) stopped_ = true;
    action = Decide();
  }
  if (action.has_value()) Do(*action);
}

}  // namespace engram::storage
