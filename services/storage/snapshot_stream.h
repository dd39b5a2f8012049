#ifndef ENGRAM_SERVICES_STORAGE_SNAPSHOT_STREAM_H_
#define ENGRAM_SERVICES_STORAGE_SNAPSHOT_STREAM_H_

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/rpc/thread_pool.h"
#include "services/storage/database.h"
#include "services/storage/snapshot_reader.h"

namespace engram::storage {

// The memory of what was sent, for what will be: to give half a megabyte a
// message back to the system and get it again costs as much as to read it.
// Thread-safe.
class SpareStrings {
 public:
  // One of those put back, or an empty one.
  std::string Take();
  void PutBack(std::string spare);

 private:
  absl::Mutex mutex_;
  std::vector<std::string> strings_ ABSL_GUARDED_BY(mutex_);
};

// Sends a snapshot: reads several messages side by side, on the pool, while the
// one before them is on its way, and sends them in order. A slow client makes
// it wait with as many ready, and nothing else.
//
// Owns itself, as rpc::StreamReactor does.
class SnapshotStream : public grpc::ServerWriteReactor<grpc::ByteBuffer> {
 public:
  // Both must outlive the call.
  SnapshotStream(Database* database, rpc::ThreadPool* pool,
                 SnapshotReader reader)
      : database_(database), pool_(pool), reader_(std::move(reader)) {}

  // Starts the stream. Call it once, as the handler's last act.
  void Begin();

 private:
  enum class Part { kStart, kRecords, kEnd };
  // One message, from when it is to be read until it is sent.
  struct Message {
    Part part = Part::kRecords;
    SnapshotRange range;
    enum class State { kToRead, kReading, kReady } state = State::kToRead;
    grpc::ByteBuffer bytes;
    bool is_empty = false;
  };

  // What one of the three events, of which each is under way at most once a
  // message, leads to: a message is written or, where there is none, the call
  // ends. Whoever decided it does it, without the lock, and touches nothing of
  // this object afterwards; nor does, after the lock, who has nothing to do.
  struct Action {
    Message* write = nullptr;
  };
  // Asks the pool for what is to be read next, and says what else is to do.
  std::optional<Action> Decide() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Do(const Action& action);

  void StartReads() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // The next message to read; null if there is none, or no room for one.
  Message* FindNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // On the pool.
  void Read(Message* message);
  absl::StatusOr<SnapshotPart> ReadPart(const Message& message);

  void OnWriteDone(bool ok) override;
  void OnCancel() override { stopped_ = true; }
  void OnDone() override { delete this; }

  Database* const database_;
  rpc::ThreadPool* const pool_;
  SnapshotReader reader_;
  std::atomic<bool> stopped_ = false;
  // gRPC may keep a message for longer than the call.
  const std::shared_ptr<SpareStrings> spares_ =
      std::make_shared<SpareStrings>();

  absl::Mutex mutex_;
  // In the order in which they are sent.
  std::list<Message> messages_ ABSL_GUARDED_BY(mutex_);
  // What is to be added next; nothing behind the end.
  std::optional<Part> next_ ABSL_GUARDED_BY(mutex_) = Part::kStart;
  // How many are being read.
  int reading_ ABSL_GUARDED_BY(mutex_) = 0;
  bool is_writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Why it ends early.
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_SNAPSHOT_STREAM_H_
