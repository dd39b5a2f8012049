#include "services/search/index_rebuilder.h"

#include <grpcpp/client_context.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/position/position.h"
#include "libs/rpc/stream_reader.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/search/snapshot_reader.h"

namespace engram::search {
namespace {

// A storage that says nothing for so long is gone; it gives a sign of life
// every 10 s.
constexpr absl::Duration kMaxSilence = absl::Seconds(30);

// So few changes are applied in milliseconds, during which the others wait.
constexpr int64_t kFewChanges = 1000;

// Writers that are faster than this thread are caught up with by having them
// wait: after so many tries, each of which should leave less.
constexpr int kMaxCatchUps = 10;

}  // namespace

// The changes since a snapshot, as storage tells them, applied to what it
// became.
class IndexRebuilder::Changes {
 public:
  Changes(storage::v1::FeedService::Stub& feed, StreamCall& call,
          DatabaseIndex& indexes)
      : indexes_(indexes),
        request_(RequestFor(indexes)),
        scope_(call, context_),
        reader_(context_, [&](auto* reactor) {
          feed.async()->WatchChanges(&context_, &request_, reactor);
        }) {}

  // Applies changes until `sequence` is reached.
  absl::Status FollowTo(int64_t sequence) {
    while (this->sequence() < sequence) {
      RETURN_IF_ERROR(Read());
      if (newest_ < sequence) {
        return absl::AbortedError(
            "storage is behind what serves: it lost its newest commits");
      }
    }
    return absl::OkStatus();
  }

  // Of the last change applied.
  int64_t sequence() const { return indexes_.position().sequence; }

  // Changes that storage had, when last heard of, and the indexes have not.
  absl::StatusOr<int64_t> CountMissing() {
    if (newest_ == 0) RETURN_IF_ERROR(Read());
    return newest_ - sequence();
  }

 private:
  static storage::v1::WatchChangesRequest RequestFor(
      const DatabaseIndex& indexes) {
    storage::v1::WatchChangesRequest request;
    request.set_after_position(indexes.position().ToString());
    request.set_checksum(indexes.checksum());
    return request;
  }

  absl::Status Read() {
    if (!scope_.Read(reader_, &response_)) {
      const absl::Status status = reader_.Finish();
      return status.ok() ? absl::UnavailableError("the feed ended") : status;
    }
    ASSIGN_OR_RETURN(const Position newest,
                     Position::Parse(response_.newest_position()));
    newest_ = newest.sequence;
    return indexes_.ApplyChanges(response_.changes());
  }

  DatabaseIndex& indexes_;
  const storage::v1::WatchChangesRequest request_;
  grpc::ClientContext context_;
  StreamCall::Scope scope_;
  rpc::StreamReader<storage::v1::WatchChangesResponse> reader_;
  storage::v1::WatchChangesResponse response_;
  int64_t newest_ = 0;
};

IndexRebuilder::IndexRebuilder(storage::v1::FeedService::Stub& feed,
                               DeadlineTimer& timer, SearchMetrics& metrics,
                               MemoryBudget& memory, IndexOptimizer& optimizer,
                               FeedFollower& follower,
                               OperationHandle& operation)
    : feed_(feed),
      metrics_(metrics),
      memory_(memory),
      optimizer_(optimizer),
      follower_(follower),
      operation_(operation),
      call_(timer, kMaxSilence) {
  operation_.OnCancel([this] { call_.Stop(); });
}

IndexRebuilder::~IndexRebuilder() { operation_.OnCancel(nullptr); }

absl::Status IndexRebuilder::Run() {
  const absl::Status status = Rebuild();
  if (status.ok()) return status;
  if (operation_.IsCancelled()) return absl::CancelledError("cancelled");
  if (absl::IsOutOfRange(status)) {
    return absl::AbortedError(absl::StrCat(
        "storage does not keep the changes since the snapshot any more, or was "
        "restored; what serves stays as it is, start again: ",
        status.message()));
  }
  // What ended the call for being silent says no more than that.
  return WithContext(absl::IsCancelled(status)
                         ? absl::UnavailableError("storage fell silent")
                         : status,
                     "what serves stays as it is, start again");
}

absl::Status IndexRebuilder::Rebuild() {
  MemoryBudget::Claim memory(memory_);
  ASSIGN_OR_RETURN(const ReadIndexes read,
                   ReadSnapshot(feed_, call_, follower_.database(), &memory,
                                [this](int64_t records_read, int64_t records) {
                                  operation_.SetProgress(records_read, records);
                                }));
  metrics_.snapshots.Increment();
  BuildGraphs(*read.indexes);
  RETURN_IF_ERROR(WithContext(memory.Set(read.indexes->memory_bytes()),
                              "the index with its graphs"));
  Changes changes(feed_, call_, *read.indexes);
  RETURN_IF_ERROR(CatchUp(changes, read.end));
  if (operation_.IsCancelled()) return absl::CancelledError("cancelled");
  return follower_.Replace(read.indexes, [&](int64_t sequence) {
    return changes.FollowTo(sequence);
  });
}

void IndexRebuilder::BuildGraphs(const DatabaseIndex& indexes) const {
  for (const std::shared_ptr<Index>& index : indexes.indexes()) {
    optimizer_.Optimize(*index, [this] { return !operation_.IsCancelled(); });
  }
}

absl::Status IndexRebuilder::CatchUp(Changes& changes, int64_t end) {
  RETURN_IF_ERROR(changes.FollowTo(end));
  for (int tries = 0; tries < kMaxCatchUps; ++tries) {
    ASSIGN_OR_RETURN(const int64_t missing, changes.CountMissing());
    if (missing <= kFewChanges) break;
    RETURN_IF_ERROR(changes.FollowTo(changes.sequence() + missing));
  }
  return absl::OkStatus();
}

}  // namespace engram::search
