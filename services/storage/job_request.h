// Requests of JobService, checked and in the form that the work takes. Each
// function returns `InvalidArgument` with every violation that it finds.

#ifndef ENGRAM_SERVICES_STORAGE_JOB_REQUEST_H_
#define ENGRAM_SERVICES_STORAGE_JOB_REQUEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engram/storage/v1/job.pb.h"
#include "services/storage/job_queue.h"
#include "services/storage/job_reader.h"

namespace engram::storage {

// Jobs in one call.
inline constexpr int kMaxJobsInCall = 1000;
// Of a payload or a result, as protobuf writes it.
inline constexpr size_t kMaxPayloadBytes = size_t{1} << 20;

// Whether `name` can be a queue's: `[a-z][a-z0-9_.-]*`, at most 63 characters.
bool IsQueueName(absl::string_view name);

absl::StatusOr<JobBatch> DecodeEnqueue(const v1::EnqueueRequest& request);

struct DecodedLease {
  WantedJobs wanted;
  absl::Duration wait;
};
absl::StatusOr<DecodedLease> DecodeLease(const v1::LeaseRequest& request);

// Checks the request and returns how long the leases are to last, in
// microseconds.
absl::StatusOr<int64_t> DecodeHeartbeat(const v1::HeartbeatRequest& request);
absl::StatusOr<std::vector<JobCompletion>> DecodeComplete(
    const v1::CompleteRequest& request);
absl::StatusOr<std::vector<FailedJob>> DecodeFail(
    const v1::FailRequest& request);
absl::StatusOr<std::vector<int64_t>> DecodeCancel(
    const v1::JobServiceCancelRequest& request);
// Empty if the request names a queue instead.
absl::StatusOr<std::vector<int64_t>> DecodeRetry(
    const v1::RetryRequest& request);
absl::StatusOr<JobList> DecodeList(const v1::JobServiceListRequest& request);

struct DecodedStats {
  std::vector<std::string> queues;
  absl::Duration window;
};
absl::StatusOr<DecodedStats> DecodeStats(
    const v1::JobServiceStatsRequest& request);

absl::Status CheckPause(const v1::JobServicePauseRequest& request);

}  // namespace engram::storage

#endif  // ENGRAM_SERVICES_STORAGE_JOB_REQUEST_H_
