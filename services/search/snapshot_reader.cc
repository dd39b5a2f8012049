#include "services/search/snapshot_reader.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/position/position.h"
#include "libs/rpc/arena_message.h"
#include "libs/rpc/stream_reader.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"

namespace engram::search {
namespace {

using storage::v1::StreamSnapshotResponse;

// Puts a snapshot together from its parts.
class SnapshotBuilder {
 public:
  SnapshotBuilder(MemoryBudget::Claim* memory, SnapshotProgress progress)
      : memory_(memory), progress_(progress) {}

  absl::Status Add(const StreamSnapshotResponse& part) {
    if (part.has_start()) return Begin(part.start());
    if (read_.indexes == nullptr) {
      return absl::DataLossError("the snapshot has no start");
    }
    if (part.has_end()) return End(part.end());
    RETURN_IF_ERROR(read_.indexes->ApplySnapshot(part.records()));
    records_read_ += part.records().rows_size();
    progress_(records_read_, records_);
    return CheckFits();
  }

  absl::StatusOr<ReadIndexes> Take() {
    if (!ended_) return absl::UnavailableError("the snapshot ended early");
    return std::move(read_);
  }

 private:
  absl::Status Begin(const storage::v1::SnapshotStart& start) {
    ASSIGN_OR_RETURN(Position position, Position::Parse(start.position()));
    read_.indexes =
        std::make_shared<DatabaseIndex>(std::move(position), start.checksum());
    for (const auto& collection : start.collections()) {
      RETURN_IF_ERROR(read_.indexes->AddCollection(collection));
    }
    records_ = start.records();
    progress_(0, records_);
    return absl::OkStatus();
  }

  absl::Status End(const storage::v1::SnapshotEnd& end) {
    ASSIGN_OR_RETURN(const Position position, Position::Parse(end.position()));
    read_.end = position.sequence;
    read_.indexes->CompleteAttributes("", position.sequence);
    ended_ = true;
    return absl::OkStatus();
  }

  absl::Status CheckFits() {
    // To count the memory takes as long as there are distinct values.
    const bool is_due = records_read_ >= counted_at_ + counted_at_ / 64;
    if (memory_ == nullptr || !is_due) return absl::OkStatus();
    counted_at_ = records_read_;
    const absl::Status fits = memory_->Set(read_.indexes->memory_bytes());
    if (fits.ok()) return fits;
    return WithContext(fits, absl::StrCat("the index of ", records_read_,
                                          " of about ", records_, " records"));
  }

  MemoryBudget::Claim* const memory_;
  const SnapshotProgress progress_;
  ReadIndexes read_;
  int64_t records_ = 0;
  int64_t records_read_ = 0;
  // How many had been read when the memory was counted last.
  int64_t counted_at_ = 0;
  bool ended_ = false;
};

}  // namespace

absl::StatusOr<ReadIndexes> ReadSnapshot(storage::v1::FeedService::Stub& feed,
                                         StreamCall& call,
                                         const std::string& database,
                                         MemoryBudget::Claim* memory,
                                         SnapshotProgress progress) {
  storage::v1::StreamSnapshotRequest request;
  request.set_database(database);
  grpc::ClientContext context;
  StreamCall::Scope scope(call, context);
  rpc::StreamReader<StreamSnapshotResponse> reader(context, [&](auto* reactor) {
    feed.async()->StreamSnapshot(&context, &request, reactor);
  });
  SnapshotBuilder builder(memory, progress);
  rpc::ArenaMessage<StreamSnapshotResponse> message;
  StreamSnapshotResponse* response = message.Renew();
  absl::Status status;
  while (status.ok() && scope.Read(reader, response)) {
    status = builder.Add(*response);
    response = message.Renew();
  }
  if (!status.ok()) context.TryCancel();
  const absl::Status finished = reader.Finish();
  RETURN_IF_ERROR(status);
  RETURN_IF_ERROR(finished);
  return builder.Take();
}

}  // namespace engram::search
