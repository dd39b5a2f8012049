#include "services/storage/job_request.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/status_macros.h"
#include "services/storage/job_tally.h"
#include "services/storage/request_fields.h"

namespace engram::storage {
namespace {

constexpr size_t kMaxQueueName = 63;
constexpr size_t kMaxKeyBytes = 512;
constexpr size_t kMaxHolderBytes = 128;
constexpr size_t kMaxMessageBytes = 4096;
// What CutText adds.
constexpr size_t kEllipsisBytes = 3;
constexpr int kMaxPriority = 1000;
constexpr int kMaxAfter = 100;
constexpr int kMaxQueues = 100;
constexpr int kMaxAttempts = 1000;
constexpr int kDefaultAttempts = 3;

// Far beyond what anybody waits for, and far from where a time overflows.
constexpr absl::Duration kLongest = absl::Hours(24 * 3650);
constexpr absl::Duration kDefaultBackoff = absl::Seconds(2);
constexpr absl::Duration kDefaultMaxBackoff = absl::Hours(1);
constexpr absl::Duration kDefaultKeep = absl::Hours(1);
constexpr absl::Duration kDefaultKeepDead = absl::Hours(24 * 7);
constexpr absl::Duration kMaxWait = absl::Seconds(60);
constexpr absl::Duration kMinLease = absl::Seconds(1);
constexpr absl::Duration kMaxLease = absl::Hours(24);
constexpr absl::Duration kDefaultLease = absl::Seconds(60);
constexpr absl::Duration kDefaultWindow = absl::Hours(1);

// Reads one request and notes what is wrong with it. Paths are put together
// only when something is.
class Checker {
 public:
  // The fields that are checked next are those of an element of a list.
  void Enter(absl::string_view list, int place) {
    list_ = list;
    place_ = place;
  }

  void Add(absl::string_view field, absl::string_view problem) {
    violations_.Add(list_.empty()
                        ? std::string(field)
                        : absl::StrCat(list_, "[", place_, "].", field),
                    problem);
  }
  // The same of an element of a field.
  void AddAt(absl::string_view field, int place, absl::string_view problem) {
    Add(absl::StrCat(field, "[", place, "]"), problem);
  }

  void CheckCount(absl::string_view path, int count, int least, int most) {
    if (count >= least && count <= most) return;
    Add(path,
        absl::StrCat("has ", count, " entries; give ", least, " to ", most));
  }

  void CheckSize(absl::string_view path, size_t bytes, size_t most) {
    if (bytes <= most) return;
    Add(path, absl::StrCat("has ", bytes, " bytes; give at most ", most));
  }

  void CheckInt(absl::string_view path, int64_t value, int64_t least,
                int64_t most) {
    if (value >= least && value <= most) return;
    Add(path, absl::StrCat("is ", value, "; give ", least, " to ", most));
  }

  void CheckQueue(absl::string_view path, absl::string_view name) {
    if (!IsQueueName(name)) Add(path, NotAQueue(name));
  }
  void CheckQueueAt(absl::string_view path, int place, absl::string_view name) {
    if (!IsQueueName(name)) AddAt(path, place, NotAQueue(name));
  }

  void CheckJobAt(absl::string_view path, int place, int64_t id) {
    if (id <= 0) AddAt(path, place, NotAJob(id));
  }

  void CheckLease(const v1::JobLease& lease) {
    if (lease.id() <= 0) Add("lease.id", NotAJob(lease.id()));
    if (lease.attempt() > 0) return;
    Add("lease.attempt",
        absl::StrCat("is ", lease.attempt(),
                     "; give the attempt that Lease returned"));
  }

  // The duration, or `absent` if it is not set.
  absl::Duration Duration(absl::string_view path,
                          const google::protobuf::Duration& sent, bool is_set,
                          absl::Duration absent, absl::Duration least,
                          absl::Duration most) {
    if (!is_set) return absent;
    const absl::Duration duration =
        absl::Seconds(sent.seconds()) + absl::Nanoseconds(sent.nanos());
    if (duration >= least && duration <= most) return duration;
    Add(path, absl::StrCat("is ", absl::FormatDuration(duration), "; give ",
                           absl::FormatDuration(least), " to ",
                           absl::FormatDuration(most)));
    return absent;
  }

  absl::Status ToStatus() const { return violations_.ToStatus(); }

 private:
  static std::string NotAQueue(absl::string_view name) {
    return absl::StrCat(
        "is \"", CutText(name, 80),
        "\", not a queue's name; give a lower-case letter, then "
        "letters, digits, _, . and -, at most ",
        kMaxQueueName, " in all");
  }
  static std::string NotAJob(int64_t id) {
    return absl::StrCat("is ", id, ", not a job's number, which begin at 1");
  }

  FieldViolations violations_;
  absl::string_view list_;
  int place_ = 0;
};

// What a spec says of its times, in microseconds.
void DecodeTimes(const v1::JobSpec& sent, Checker& checker, NewJob& job) {
  const auto read = [&](absl::string_view field,
                        const google::protobuf::Duration& duration, bool is_set,
                        absl::Duration absent) {
    return absl::ToInt64Microseconds(checker.Duration(
        field, duration, is_set, absent, absl::ZeroDuration(), kLongest));
  };
  job.spec.delay_us =
      read("delay", sent.delay(), sent.has_delay(), absl::ZeroDuration());
  job.spec.backoff_us =
      read("backoff", sent.backoff(), sent.has_backoff(), kDefaultBackoff);
  job.spec.max_backoff_us = read("max_backoff", sent.max_backoff(),
                                 sent.has_max_backoff(), kDefaultMaxBackoff);
  job.row.keep_us = read("keep", sent.keep(), sent.has_keep(), kDefaultKeep);
  job.spec.keep_dead_us = read("keep_dead", sent.keep_dead(),
                               sent.has_keep_dead(), kDefaultKeepDead);
}

// What it says of the jobs before it; `place` is its own.
void DecodeAfter(const v1::JobSpec& sent, int place, Checker& checker,
                 NewJob& job) {
  checker.CheckCount("after", sent.after_size() + sent.after_items_size(), 0,
                     kMaxAfter);
  for (int i = 0; i < sent.after_size(); ++i) {
    checker.CheckJobAt("after", i, sent.after(i));
  }
  for (int i = 0; i < sent.after_items_size(); ++i) {
    if (sent.after_items(i) >= 0 && sent.after_items(i) < place) continue;
    checker.AddAt("after_items", i,
                  absl::StrCat("is ", sent.after_items(i),
                               "; give the place of an earlier job of this "
                               "request, from 0"));
  }
  job.after.assign(sent.after().begin(), sent.after().end());
  job.after_items.assign(sent.after_items().begin(), sent.after_items().end());
}

NewJob DecodeJob(const v1::JobSpec& sent, int place, Checker& checker) {
  checker.Enter("jobs", place);
  NewJob job;
  checker.CheckQueue("queue", sent.queue());
  job.queue = sent.queue();
  checker.CheckInt("priority", sent.priority(), -kMaxPriority, kMaxPriority);
  job.row.priority = sent.priority();
  checker.CheckInt("max_attempts", sent.max_attempts(), 0, kMaxAttempts);
  job.row.max_attempts =
      sent.max_attempts() == 0 ? kDefaultAttempts : sent.max_attempts();
  checker.CheckSize("unique_key", sent.unique_key().size(), kMaxKeyBytes);
  job.row.unique_key = sent.unique_key();
  DecodeTimes(sent, checker, job);
  DecodeAfter(sent, place, checker, job);
  if (sent.has_payload()) {
    job.spec.payload = sent.payload().SerializeAsString();
    checker.CheckSize("payload", job.spec.payload->size(), kMaxPayloadBytes);
  }
  return job;
}

absl::Duration DecodeLeaseTime(const google::protobuf::Duration& sent,
                               bool is_set, Checker& checker) {
  return checker.Duration("lease", sent, is_set, kDefaultLease, kMinLease,
                          kMaxLease);
}

// Queues, each once.
std::vector<std::string> DecodeQueues(
    const google::protobuf::RepeatedPtrField<std::string>& sent,
    Checker& checker) {
  checker.CheckCount("queues", sent.size(), 0, kMaxQueues);
  std::vector<std::string> queues(sent.begin(), sent.end());
  for (size_t i = 0; i < queues.size(); ++i) {
    checker.CheckQueueAt("queues", static_cast<int>(i), queues[i]);
  }
  std::sort(queues.begin(), queues.end());
  queues.erase(std::unique(queues.begin(), queues.end()), queues.end());
  return queues;
}

std::vector<int64_t> DecodeIds(
    const google::protobuf::RepeatedField<int64_t>& sent, int least,
    Checker& checker) {
  checker.CheckCount("ids", sent.size(), least, kMaxJobsInCall);
  for (int i = 0; i < sent.size(); ++i) {
    checker.CheckJobAt("ids", i, sent[i]);
  }
  return std::vector<int64_t>(sent.begin(), sent.end());
}

}  // namespace

bool IsQueueName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxQueueName &&
         absl::ascii_islower(name[0]) &&
         std::all_of(name.begin(), name.end(), [](unsigned char c) {
           return absl::ascii_islower(c) || absl::ascii_isdigit(c) ||
                  c == '_' || c == '.' || c == '-';
         });
}

absl::StatusOr<JobBatch> DecodeEnqueue(const v1::EnqueueRequest& request) {
  RETURN_IF_ERROR(CheckRequestId(request.request_id()));
  Checker checker;
  checker.CheckCount("jobs", request.jobs_size(), 1, kMaxJobsInCall);
  RETURN_IF_ERROR(checker.ToStatus());
  JobBatch batch;
  batch.jobs.reserve(request.jobs_size());
  for (int i = 0; i < request.jobs_size(); ++i) {
    batch.jobs.push_back(DecodeJob(request.jobs(i), i, checker));
  }
  RETURN_IF_ERROR(checker.ToStatus());
  if (!request.request_id().empty()) {
    batch.request_id = request.request_id();
    batch.request_hash = HashRequest(request);
  }
  return batch;
}

absl::StatusOr<DecodedLease> DecodeLease(const v1::LeaseRequest& request) {
  Checker checker;
  DecodedLease decoded;
  WantedJobs& wanted = decoded.wanted;
  wanted.queues = DecodeQueues(request.queues(), checker);
  if (request.holder().empty()) {
    checker.Add("holder", "is empty; give each worker a name of its own");
  }
  checker.CheckSize("holder", request.holder().size(), kMaxHolderBytes);
  wanted.holder = request.holder();
  if (request.max_jobs() < 0) {
    checker.Add("max_jobs", absl::StrCat("is ", request.max_jobs(),
                                         "; give 0 to ", kMaxJobsInCall));
  }
  wanted.max_jobs = std::clamp(request.max_jobs(), 1, kMaxJobsInCall);
  decoded.wait =
      checker.Duration("wait", request.wait(), request.has_wait(),
                       absl::ZeroDuration(), absl::ZeroDuration(), kMaxWait);
  wanted.lease_us = absl::ToInt64Microseconds(
      DecodeLeaseTime(request.lease(), request.has_lease(), checker));
  RETURN_IF_ERROR(checker.ToStatus());
  return decoded;
}

absl::StatusOr<int64_t> DecodeHeartbeat(const v1::HeartbeatRequest& request) {
  Checker checker;
  checker.CheckCount("jobs", request.jobs_size(), 1, kMaxJobsInCall);
  for (int i = 0; i < request.jobs_size(); ++i) {
    checker.Enter("jobs", i);
    checker.CheckLease(request.jobs(i).lease());
    const double progress = request.jobs(i).progress();
    // Not a number is refused too.
    if (progress >= 0 && progress <= 1) continue;
    checker.Add("progress", absl::StrCat("is ", progress, "; give 0 to 1"));
  }
  checker.Enter("", 0);
  const absl::Duration lease =
      DecodeLeaseTime(request.lease(), request.has_lease(), checker);
  RETURN_IF_ERROR(checker.ToStatus());
  return absl::ToInt64Microseconds(lease);
}

absl::StatusOr<std::vector<JobCompletion>> DecodeComplete(
    const v1::CompleteRequest& request) {
  Checker checker;
  checker.CheckCount("jobs", request.jobs_size(), 1, kMaxJobsInCall);
  std::vector<JobCompletion> jobs;
  jobs.reserve(request.jobs_size());
  for (int i = 0; i < request.jobs_size(); ++i) {
    const v1::JobCompletion& sent = request.jobs(i);
    checker.Enter("jobs", i);
    checker.CheckLease(sent.lease());
    JobCompletion& job = jobs.emplace_back();
    job.id = sent.lease().id();
    job.attempt = sent.lease().attempt();
    if (sent.has_result()) job.result = sent.result().SerializeAsString();
    checker.CheckSize("result", job.result.size(), kMaxPayloadBytes);
  }
  RETURN_IF_ERROR(checker.ToStatus());
  return jobs;
}

absl::StatusOr<std::vector<FailedJob>> DecodeFail(
    const v1::FailRequest& request) {
  Checker checker;
  checker.CheckCount("jobs", request.jobs_size(), 1, kMaxJobsInCall);
  std::vector<FailedJob> jobs;
  jobs.reserve(request.jobs_size());
  for (int i = 0; i < request.jobs_size(); ++i) {
    const v1::JobFailReport& sent = request.jobs(i);
    checker.Enter("jobs", i);
    checker.CheckLease(sent.lease());
    FailedJob& job = jobs.emplace_back();
    job.id = sent.lease().id();
    job.attempt = sent.lease().attempt();
    job.report.message =
        CutText(sent.message(), kMaxMessageBytes - kEllipsisBytes);
    job.report.permanent = sent.permanent();
    if (!sent.has_retry_delay()) continue;
    job.report.retry_delay_us = absl::ToInt64Microseconds(checker.Duration(
        "retry_delay", sent.retry_delay(),
        /*is_set=*/true, absl::ZeroDuration(), absl::ZeroDuration(), kLongest));
  }
  RETURN_IF_ERROR(checker.ToStatus());
  return jobs;
}

absl::StatusOr<std::vector<int64_t>> DecodeCancel(
    const v1::JobServiceCancelRequest& request) {
  Checker checker;
  std::vector<int64_t> ids = DecodeIds(request.ids(), 1, checker);
  RETURN_IF_ERROR(checker.ToStatus());
  return ids;
}

absl::StatusOr<std::vector<int64_t>> DecodeRetry(
    const v1::RetryRequest& request) {
  Checker checker;
  std::vector<int64_t> ids = DecodeIds(request.ids(), 0, checker);
  if (!request.queue().empty()) checker.CheckQueue("queue", request.queue());
  if (ids.empty() == request.queue().empty()) {
    checker.Add("ids", "are to be given, or a queue, but not both");
  }
  RETURN_IF_ERROR(checker.ToStatus());
  return ids;
}

absl::StatusOr<JobList> DecodeList(const v1::JobServiceListRequest& request) {
  ASSIGN_OR_RETURN(const int page_size, DecodePageSize(request.page_size()));
  ASSIGN_OR_RETURN(const std::string last,
                   DecodePageToken(kJobsList, request.page_token()));
  Checker checker;
  JobList list = {.queue = request.queue(), .page_size = page_size};
  if (!list.queue.empty()) checker.CheckQueue("queue", list.queue);
  for (int i = 0; i < request.states_size(); ++i) {
    const int state = request.states(i);
    if (state < 1 || state > static_cast<int>(kJobStates.size())) {
      checker.AddAt("states", i,
                    absl::StrCat("is ", state, ", no job's state"));
    }
    list.states.push_back(static_cast<JobState>(state));
  }
  if (!last.empty() && !absl::SimpleAtoi(last, &list.before)) {
    checker.Add("page_token", "is not a token that this list returned");
  }
  RETURN_IF_ERROR(checker.ToStatus());
  return list;
}

absl::StatusOr<DecodedStats> DecodeStats(
    const v1::JobServiceStatsRequest& request) {
  Checker checker;
  DecodedStats stats;
  stats.queues = DecodeQueues(request.queues(), checker);
  stats.window =
      checker.Duration("window", request.window(), request.has_window(),
                       kDefaultWindow, absl::Minutes(1), kMinutesKept);
  if (absl::Trunc(stats.window, absl::Minutes(1)) != stats.window) {
    checker.Add("window",
                absl::StrCat("is ", absl::FormatDuration(stats.window),
                             "; give whole minutes"));
  }
  RETURN_IF_ERROR(checker.ToStatus());
  return stats;
}

absl::Status CheckPause(const v1::JobServicePauseRequest& request) {
  Checker checker;
  checker.CheckQueue("queue", request.queue());
  return checker.ToStatus();
}

}  // namespace engram::storage
