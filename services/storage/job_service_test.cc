// Queues over gRPC: what waits, what is refused, and an application's chain of
// jobs. The rules themselves are tested in job_queue_test.cc.

#include "services/storage/job_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "engram/storage/v1/job.grpc.pb.h"
#include "google/protobuf/util/json_util.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::FakeClock;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

template <typename Message>
Message Parse(const std::string& json) {
  Message message;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &message).ok())
      << json;
  return message;
}

// A Lease call that a test need not wait for.
class WaitingLease {
 public:
  WaitingLease(v1::JobService::Stub& jobs, const std::string& request_json)
      : request_(Parse<v1::LeaseRequest>(request_json)) {
    jobs.async()->Lease(&context_, &request_, &response_,
                        [this](const grpc::Status& status) {
                          status_ = FromGrpcStatus(status);
                          done_.Notify();
                        });
  }
  ~WaitingLease() {
    context_.TryCancel();
    done_.WaitForNotification();
  }

  void Cancel() { context_.TryCancel(); }
  bool HasEnded() const { return done_.HasBeenNotified(); }

  // Waits for the answer.
  absl::StatusOr<std::vector<int64_t>> Ids() {
    done_.WaitForNotification();
    if (!status_.ok()) return status_;
    std::vector<int64_t> ids;
    for (const v1::Job& job : response_.jobs()) ids.push_back(job.id());
    return ids;
  }

 private:
  grpc::ClientContext context_;
  const v1::LeaseRequest request_;
  v1::LeaseResponse response_;
  absl::Status status_;
  absl::Notification done_;
};

class JobServiceTest : public ::testing::Test {
 protected:
  template <typename Request, typename Response>
  absl::StatusOr<Response> Call(
      grpc::Status (v1::JobService::Stub::*method)(grpc::ClientContext*,
                                                   const Request&, Response*),
      const std::string& request) {
    grpc::ClientContext context;
    Response response;
    const grpc::Status status =
        (stub().*method)(&context, Parse<Request>(request), &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  v1::JobService::Stub& stub() {
    if (stub_ == nullptr) stub_ = v1::JobService::NewStub(storage_.channel());
    return *stub_;
  }

  int64_t Add(const std::string& spec) {
    const auto response = Call(&v1::JobService::Stub::Enqueue,
                               absl::StrCat(R"({"jobs": [)", spec, "]}"));
    EXPECT_OK(response);
    return response.ok() ? response->jobs(0).id() : 0;
  }

  std::vector<v1::Job> Lease(const std::string& fields = "") {
    const auto response =
        Call(&v1::JobService::Stub::Lease,
             absl::StrCat(R"({"holder": "w")", fields.empty() ? "" : ", ",
                          fields, "}"));
    EXPECT_OK(response);
    if (!response.ok()) return {};
    return {response->jobs().begin(), response->jobs().end()};
  }

  void Complete(const v1::Job& job) {
    const auto response =
        Call(&v1::JobService::Stub::Complete,
             absl::StrCat(R"({"jobs": [{"lease": {"id": )", job.id(),
                          R"(, "attempt": )", job.attempt(), "}}]}"));
    ASSERT_OK(response);
    EXPECT_EQ(response->results(0).outcome(), v1::LeaseResult::OUTCOME_OK);
  }

  void Fail(const v1::Job& job, const std::string& message) {
    const auto response =
        Call(&v1::JobService::Stub::Fail,
             absl::StrCat(R"({"jobs": [{"lease": {"id": )", job.id(),
                          R"(, "attempt": )", job.attempt(),
                          R"(}, "message": ")", message, R"("}]})"));
    ASSERT_OK(response);
    EXPECT_EQ(response->results(0).outcome(), v1::LeaseResult::OUTCOME_OK);
  }

  v1::Job Get(int64_t id) {
    const auto response =
        Call(&v1::JobService::Stub::Get, absl::StrCat(R"({"id": )", id, "}"));
    EXPECT_OK(response);
    return response.ok() ? response->job() : v1::Job();
  }

  double Gauge(const std::string& name, const std::string& state = "") {
    for (const prometheus::MetricFamily& family :
         storage_.metrics().Collect()) {
      if (family.name != name) continue;
      for (const prometheus::ClientMetric& metric : family.metric) {
        if (state.empty() || metric.label[0].value == state) {
          return metric.gauge.value;
        }
      }
    }
    return -1;
  }

  void AwaitWaiting(int workers) {
    while (Gauge("engram_storage_waiting_workers") != workers) {
      std::this_thread::yield();
    }
  }

  FakeClock clock_;
  testing::TestStorage storage_{clock_};
  std::unique_ptr<v1::JobService::Stub> stub_;
};

constexpr char kWait[] = R"({"holder": "w", "wait": "60s"})";

TEST_F(JobServiceTest, AWaitingWorkerIsWokenByAnEnqueue) {
  WaitingLease lease(stub(), kWait);
  AwaitWaiting(1);
  const int64_t id = Add(R"({"queue": "q"})");
  EXPECT_THAT(lease.Ids(), ::testing::Eq(absl::StatusOr<std::vector<int64_t>>(
                               std::vector<int64_t>{id})));
  EXPECT_EQ(Gauge("engram_storage_waiting_workers"), 0);
}

TEST_F(JobServiceTest, AWorkerThatWaitedInVainGetsAnEmptyAnswer) {
  WaitingLease lease(stub(), R"({"holder": "w", "wait": "5s"})");
  AwaitWaiting(1);
  clock_.Advance(absl::Seconds(5));
  EXPECT_THAT(*lease.Ids(), IsEmpty());
}

TEST_F(JobServiceTest, ADelayedJobWakesWhoWaits) {
  const int64_t id = Add(R"({"queue": "q", "delay": "10s"})");
  WaitingLease lease(stub(), kWait);
  AwaitWaiting(1);
  clock_.Advance(absl::Seconds(10));
  EXPECT_THAT(*lease.Ids(), ElementsAre(id));
}

TEST_F(JobServiceTest, AnEndedLeaseWakesWhoWaits) {
  const int64_t id = Add(R"({"queue": "q", "backoff": "0s"})");
  EXPECT_THAT(Lease(R"("lease": "20s")"), SizeIs(1));
  WaitingLease lease(stub(), kWait);
  AwaitWaiting(1);
  clock_.Advance(absl::Seconds(20));
  EXPECT_THAT(*lease.Ids(), ElementsAre(id));
}

TEST_F(JobServiceTest, AResumedQueueWakesWhoWaits) {
  ASSERT_OK(
      Call(&v1::JobService::Stub::Pause, R"({"queue": "q", "paused": true})"));
  const int64_t id = Add(R"({"queue": "q"})");
  WaitingLease lease(stub(), kWait);
  AwaitWaiting(1);
  ASSERT_OK(Call(&v1::JobService::Stub::Pause, R"({"queue": "q"})"));
  EXPECT_THAT(*lease.Ids(), ElementsAre(id));
}

TEST_F(JobServiceTest, ACompletedJobWakesWhoWaitsForTheOneAfterIt) {
  const int64_t first = Add(R"({"queue": "q"})");
  const int64_t second =
      Add(absl::StrCat(R"({"queue": "q", "after": [)", first, "]}"));
  const std::vector<v1::Job> leased = Lease();
  ASSERT_THAT(leased, SizeIs(1));
  WaitingLease lease(stub(), kWait);
  AwaitWaiting(1);
  Complete(leased[0]);
  EXPECT_THAT(*lease.Ids(), ElementsAre(second));
}

TEST_F(JobServiceTest, AWorkerThatGaveUpTakesNoJobAlong) {
  WaitingLease gone(stub(), kWait);
  AwaitWaiting(1);
  gone.Cancel();
  EXPECT_THAT(gone.Ids(), StatusIs(absl::StatusCode::kCancelled));
  AwaitWaiting(0);
  Add(R"({"queue": "q"})");
  const std::vector<v1::Job> leased = Lease();
  ASSERT_THAT(leased, SizeIs(1));
  EXPECT_EQ(leased[0].attempt(), 1);
}

TEST_F(JobServiceTest, EachOfManyWaitingWorkersGetsOneJob) {
  constexpr int kWorkers = 200;
  std::deque<WaitingLease> workers;
  for (int i = 0; i < kWorkers; ++i) workers.emplace_back(stub(), kWait);
  AwaitWaiting(kWorkers);
  std::string specs;
  for (int i = 0; i < kWorkers; ++i) {
    absl::StrAppend(&specs, i == 0 ? "" : ",", R"({"queue": "q"})");
  }
  Add(specs);
  std::vector<int64_t> ids;
  for (WaitingLease& worker : workers) {
    const auto got = worker.Ids();
    ASSERT_OK(got);
    ASSERT_THAT(*got, SizeIs(1));
    ids.push_back((*got)[0]);
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
}

TEST_F(JobServiceTest, OneWorkerMoreThanMayWaitIsSentAway) {
  std::deque<WaitingLease> workers;
  for (size_t i = 0; i < kMaxWaitingWorkers; ++i) {
    workers.emplace_back(stub(), kWait);
  }
  AwaitWaiting(kMaxWaitingWorkers);
  WaitingLease one_more(stub(), kWait);
  EXPECT_THAT(one_more.Ids(),
              StatusIs(absl::StatusCode::kResourceExhausted, "too many"));
}

TEST_F(JobServiceTest, AShutdownEndsWaits) {
  WaitingLease lease(stub(), kWait);
  AwaitWaiting(1);
  std::thread restart([&] { storage_.Restart(); });
  // Empty, or refused: either way it ends.
  const auto ids = lease.Ids();
  restart.join();
  if (ids.ok()) {
    EXPECT_THAT(*ids, IsEmpty());
  } else {
    EXPECT_THAT(ids, StatusIs(absl::StatusCode::kUnavailable));
  }
}

TEST_F(JobServiceTest, JobsOutliveARestart) {
  Add(R"({"queue": "q"})");
  Add(R"({"queue": "q", "delay": "30s"})");
  ASSERT_THAT(Lease(), SizeIs(1));
  EXPECT_EQ(Gauge("engram_storage_jobs", "running"), 1);
  storage_.Restart();
  stub_ = nullptr;
  EXPECT_EQ(Gauge("engram_storage_jobs", "running"), 1);
  EXPECT_EQ(Gauge("engram_storage_jobs", "scheduled"), 1);
  EXPECT_EQ(Gauge("engram_storage_jobs", "ready"), 0);
  // The worker's lease holds over the restart.
  Complete(Get(1));
}

TEST_F(JobServiceTest, RefusalsNameTheFieldAndTheReason) {
  const auto bad = Call(&v1::JobService::Stub::Enqueue,
                        R"({"jobs": [{"queue": "q"}, {"queue": "Q"}]})");
  EXPECT_THAT(bad,
              StatusIs(absl::StatusCode::kInvalidArgument, "jobs[1].queue"));
  const auto unknown = Call(&v1::JobService::Stub::Get, R"({"id": 9})");
  EXPECT_THAT(unknown, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(ReasonOf(unknown.status()), common::v1::ERROR_REASON_JOB_UNKNOWN);
  for (const auto& status :
       {Call(&v1::JobService::Stub::Enqueue,
             R"({"database": "no", "jobs": [{"queue": "q"}]})")
            .status(),
        Call(&v1::JobService::Stub::Lease,
             R"({"database": "no", "holder": "w"})")
            .status(),
        Call(&v1::JobService::Stub::Stats, R"({"database": "no"})").status()}) {
    EXPECT_EQ(ReasonOf(status), common::v1::ERROR_REASON_DATABASE_UNKNOWN);
  }
  EXPECT_THAT(Call(&v1::JobService::Stub::Lease, "{}"),
              StatusIs(absl::StatusCode::kInvalidArgument, "holder"));
  EXPECT_THAT(Call(&v1::JobService::Stub::Heartbeat, "{}"),
              StatusIs(absl::StatusCode::kInvalidArgument, "jobs"));
  EXPECT_THAT(Call(&v1::JobService::Stub::Retry, "{}"),
              StatusIs(absl::StatusCode::kInvalidArgument, "queue"));
  EXPECT_THAT(Call(&v1::JobService::Stub::List, R"({"pageToken": "x"})"),
              StatusIs(absl::StatusCode::kInvalidArgument, "page_token"));
}

TEST_F(JobServiceTest, CancelRetryListAndStatsWork) {
  const int64_t a = Add(R"({"queue": "q"})");
  const auto cancelled = Call(&v1::JobService::Stub::Cancel,
                              absl::StrCat(R"({"ids": [)", a, "]}"));
  ASSERT_OK(cancelled);
  EXPECT_EQ(cancelled->cancelled(), 1);
  const auto retried =
      Call(&v1::JobService::Stub::Retry, absl::StrCat(R"({"ids": [)", a, "]}"));
  ASSERT_OK(retried);
  EXPECT_EQ(retried->retried(), 1);
  Fail(Lease()[0], "no");
  const auto list =
      Call(&v1::JobService::Stub::List, R"({"states": ["STATE_SCHEDULED"]})");
  ASSERT_OK(list);
  ASSERT_EQ(list->jobs_size(), 1);
  EXPECT_EQ(list->jobs(0).failures(0).message(), "no");
  const auto stats = Call(&v1::JobService::Stub::Stats, "{}");
  ASSERT_OK(stats);
  EXPECT_EQ(stats->queues(0).window().failed(), 1);
}

TEST_F(JobServiceTest, AllDeadLettersOfAQueueCanBeRetried) {
  std::string specs;
  for (int i = 0; i < 600; ++i) {
    absl::StrAppend(&specs, i == 0 ? "" : ",",
                    R"({"queue": "q", "maxAttempts": 1})");
  }
  Add(specs);
  EXPECT_THAT(Lease(R"("maxJobs": 600)"), SizeIs(600));
  clock_.Advance(absl::Minutes(1));
  while (Gauge("engram_storage_jobs", "dead") != 600) {
    std::this_thread::yield();
  }
  const auto retried = Call(&v1::JobService::Stub::Retry, R"({"queue": "q"})");
  ASSERT_OK(retried);
  EXPECT_EQ(retried->retried(), 600);
}

// The image jobs of an application, as its BullMQ queues had them: metadata,
// then embeddings; variants beside them; enqueueing twice is one job; three
// attempts, from 2 s on; completed jobs kept an hour, failed ones a day.
class ImageJobsTest : public JobServiceTest {
 protected:
  void Upload(const std::string& image) {
    const std::string common = absl::StrCat(
        R"("payload": {"imageId": ")", image,
        R"("}, "maxAttempts": 3, "backoff": "2s", "keep": "3600s", )",
        R"("keepDead": "86400s")");
    const auto response =
        Call(&v1::JobService::Stub::Enqueue,
             absl::StrCat(R"({"jobs": [
            {"queue": "images", "uniqueKey": "metadata-)",
                          image, R"(", )", common, R"(},
            {"queue": "images", "uniqueKey": "variants-)",
                          image, R"(", )", common, R"(},
            {"queue": "images", "uniqueKey": "embeddings-)",
                          image, R"(", "afterItems": [0], )", common, "}]}"));
    ASSERT_OK(response);
    added_ = *response;
  }

  // Takes the next job; checks which it is.
  v1::Job Take(const std::string& key) {
    const std::vector<v1::Job> leased = Lease(R"("queues": ["images"])");
    EXPECT_THAT(leased, SizeIs(1)) << key;
    if (leased.empty()) return v1::Job();
    EXPECT_EQ(leased[0].spec().unique_key(), key);
    return leased[0];
  }

  v1::EnqueueResponse added_;
};

TEST_F(ImageJobsTest, EmbeddingsComeAfterMetadataAndVariantsBeside) {
  Upload("7");
  const v1::EnqueueResponse first = added_;
  Upload("7");
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(added_.jobs(i).existed());
    EXPECT_EQ(added_.jobs(i).id(), first.jobs(i).id());
  }
  const v1::Job metadata = Take("metadata-7");
  const v1::Job variants = Take("variants-7");
  EXPECT_THAT(Lease(), IsEmpty());
  Complete(variants);
  EXPECT_THAT(Lease(), IsEmpty());
  Complete(metadata);
  Complete(Take("embeddings-7"));
  EXPECT_EQ(Get(first.jobs(2).id()).state(), v1::Job::STATE_SUCCEEDED);
  // Done: the same image can be worked on again.
  Upload("7");
  EXPECT_FALSE(added_.jobs(0).existed());
}

TEST_F(ImageJobsTest, AFailureIsTriedThriceAndItsErrorIsKept) {
  Upload("8");
  const int64_t metadata = added_.jobs(0).id();
  Fail(Take("metadata-8"), "first");
  Complete(Take("variants-8"));
  clock_.Advance(absl::Milliseconds(2200));
  Fail(Take("metadata-8"), "second");
  clock_.Advance(absl::Milliseconds(4400));
  Fail(Take("metadata-8"), "the model is down");
  const v1::Job dead = Get(metadata);
  EXPECT_EQ(dead.state(), v1::Job::STATE_DEAD);
  EXPECT_EQ(dead.failures(0).message(), "the model is down");
  EXPECT_TRUE(dead.has_end_time());
  // The image is not complete: its embeddings wait.
  EXPECT_EQ(Get(added_.jobs(2).id()).state(), v1::Job::STATE_BLOCKED);
  ASSERT_OK(Call(&v1::JobService::Stub::Retry, R"({"queue": "images"})"));
  Complete(Take("metadata-8"));
  Complete(Take("embeddings-8"));
}

}  // namespace
}  // namespace engram::storage
