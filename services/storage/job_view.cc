#include "services/storage/job_view.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/time_util.h"

namespace engram::storage {
namespace {

using ::google::protobuf::util::TimeUtil;

// What of a message does not vary much: numbers, times, names.
constexpr size_t kFixedBytes = 512;

void EncodeSpec(const JobView& job, v1::JobSpec* out) {
  out->set_queue(job.queue);
  out->set_priority(static_cast<int>(job.row.priority));
  if (job.spec.delay_us > 0) {
    *out->mutable_delay() = TimeUtil::MicrosecondsToDuration(job.spec.delay_us);
  }
  out->set_unique_key(job.row.unique_key);
  out->mutable_after()->Add(job.spec.after.begin(), job.spec.after.end());
  out->set_max_attempts(static_cast<int>(job.row.max_attempts));
  *out->mutable_backoff() =
      TimeUtil::MicrosecondsToDuration(job.spec.backoff_us);
  *out->mutable_max_backoff() =
      TimeUtil::MicrosecondsToDuration(job.spec.max_backoff_us);
  *out->mutable_keep() = TimeUtil::MicrosecondsToDuration(job.row.keep_us);
  *out->mutable_keep_dead() =
      TimeUtil::MicrosecondsToDuration(job.spec.keep_dead_us);
}

void EncodeTimes(const JobView& job, v1::Job* out) {
  *out->mutable_create_time() =
      TimeUtil::MicrosecondsToTimestamp(job.spec.created_us);
  if (job.row.state != JobState::kBlocked) {
    *out->mutable_ready_time() =
        TimeUtil::MicrosecondsToTimestamp(job.row.ready_us);
  }
  if (job.row.state == JobState::kRunning) {
    *out->mutable_lease_expire_time() =
        TimeUtil::MicrosecondsToTimestamp(job.row.due_us);
  }
  if (job.row.started_us != 0) {
    *out->mutable_start_time() =
        TimeUtil::MicrosecondsToTimestamp(job.row.started_us);
  }
  if (job.row.ended_us != 0) {
    *out->mutable_end_time() =
        TimeUtil::MicrosecondsToTimestamp(job.row.ended_us);
  }
}

absl::Status Unreadable(const JobView& job) {
  return absl::DataLossError(
      absl::StrCat("job ", job.row.id, " cannot be read"));
}

}  // namespace

int64_t MessageBytes(const JobView& job) {
  size_t bytes = kFixedBytes + job.row.unique_key.size() +
                 // The largest that protobuf makes of a number.
                 10 * job.spec.after.size();
  if (job.spec.payload.has_value()) bytes += job.spec.payload->size();
  if (job.result.has_value()) bytes += job.result->size();
  for (const JobFailureRow& failure : job.failures) {
    bytes += 32 + failure.message.size();
  }
  return static_cast<int64_t>(bytes);
}

absl::Status EncodeJob(const JobView& job, v1::Job* out) {
  out->set_id(job.row.id);
  out->set_state(static_cast<v1::Job::State>(job.row.state));
  EncodeSpec(job, out->mutable_spec());
  out->set_attempt(static_cast<int>(job.row.attempt));
  out->set_holder(job.row.holder);
  out->set_progress(job.row.progress);
  for (const JobFailureRow& failure : job.failures) {
    v1::JobFailure& failed = *out->add_failures();
    failed.set_attempt(static_cast<int>(failure.attempt));
    failed.set_message(failure.message);
    *failed.mutable_time() =
        TimeUtil::MicrosecondsToTimestamp(failure.failed_us);
  }
  EncodeTimes(job, out);
  if (job.spec.payload.has_value() &&
      !out->mutable_spec()->mutable_payload()->ParseFromString(
          *job.spec.payload)) {
    return Unreadable(job);
  }
  if (job.result.has_value() &&
      !out->mutable_result()->ParseFromString(*job.result)) {
    return Unreadable(job);
  }
  return absl::OkStatus();
}

}  // namespace engram::storage
