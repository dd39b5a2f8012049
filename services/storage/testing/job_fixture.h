#ifndef ENGRAM_SERVICES_STORAGE_TESTING_JOB_FIXTURE_H_
#define ENGRAM_SERVICES_STORAGE_TESTING_JOB_FIXTURE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engram/storage/v1/job.pb.h"
#include "services/storage/job_editor.h"
#include "services/storage/testing/database_fixture.h"

namespace engram::storage::testing {

// The jobs of a real database, without servers, and a clock that stands still.
// Requests are given as JSON, checked and decoded as the service does it. Verbs
// that return no status end the test program if they fail.
class TestJobs {
 public:
  explicit TestJobs(JobLimits limits = {}) : limits_(limits) {}

  // `specs` are a JSON list of JobSpecs, `options` other fields.
  absl::StatusOr<v1::EnqueueResponse> Enqueue(const std::string& specs,
                                              const std::string& options = "");
  // Adds one job and returns its number.
  int64_t Add(const std::string& spec);

  // `fields` are those of a LeaseRequest besides the holder.
  absl::StatusOr<std::vector<v1::Job>> Lease(const std::string& fields = "",
                                             const std::string& holder = "w");
  // The numbers of at most `count` jobs, leased from every queue.
  std::vector<int64_t> LeaseIds(int count);

  // What becomes of one lease.
  v1::LeaseResult Heartbeat(int64_t id, int attempt,
                            const std::string& fields = "");
  v1::LeaseResult Complete(int64_t id, int attempt,
                           const std::string& result = "");
  v1::LeaseResult Fail(int64_t id, int attempt, const std::string& fields = "");

  absl::StatusOr<int64_t> Cancel(const std::vector<int64_t>& ids);
  absl::StatusOr<int64_t> Retry(const std::vector<int64_t>& ids);
  // All dead letters of a queue.
  int64_t RetryQueue(const std::string& queue);
  absl::Status Pause(const std::string& queue, bool paused);

  absl::StatusOr<v1::Job> Get(int64_t id);
  // `(none)` if it is not kept.
  std::string StateOf(int64_t id);
  absl::StatusOr<v1::JobServiceListResponse> List(const std::string& fields,
                                                  int max_rows = 100'000);
  absl::StatusOr<v1::JobServiceStatsResponse> Stats(
      const std::string& fields = "");

  // Moves the clock, and does what is due then.
  void Advance(absl::Duration duration);
  void RunDue();

  // Compares what is kept of jobs in several places, such as counts with rows;
  // an error says what differs.
  absl::Status CheckBooks();

  TestDatabase& database() { return database_; }

 private:
  const JobLimits limits_;
  TestDatabase database_;
};

}  // namespace engram::storage::testing

#endif  // ENGRAM_SERVICES_STORAGE_TESTING_JOB_FIXTURE_H_
