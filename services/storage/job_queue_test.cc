// What calls do to jobs, on a real file and with a clock that tests move.

#include "services/storage/job_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/json/json.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/job_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::TestJobs;
using Outcome = v1::LeaseResult;

class JobQueueTest : public ::testing::Test {
 protected:
  // Every test leaves the books in order.
  void TearDown() override { EXPECT_OK(jobs_.CheckBooks()); }

  // A job that failed for good.
  int64_t AddDead(const std::string& spec) {
    const int64_t id = jobs_.Add(spec);
    EXPECT_THAT(jobs_.LeaseIds(1), ElementsAre(id));
    EXPECT_EQ(jobs_.Fail(id, 1, R"("permanent": true)").state(),
              v1::Job::STATE_DEAD);
    return id;
  }

  // Leases the only job that is ready and completes it.
  void RunOne(int64_t id) {
    const auto leased = jobs_.Lease();
    ASSERT_OK(leased);
    ASSERT_THAT(*leased, SizeIs(1));
    ASSERT_EQ((*leased)[0].id(), id);
    EXPECT_EQ(jobs_.Complete(id, (*leased)[0].attempt()).outcome(),
              Outcome::OUTCOME_OK);
  }

  TestJobs jobs_{{.max_unfinished = 2000,
                  .max_queues = 3,
                  .max_dependants = 5,
                  .max_cancelled = 10}};
};

std::string JsonOf(const google::protobuf::Struct& object) {
  std::string json;
  json::AppendJson(object, &json);
  return json;
}

// Enqueue, lease, complete.

TEST_F(JobQueueTest, AWorkerGetsTheJobAndItsResultIsKept) {
  const int64_t id =
      jobs_.Add(R"({"queue": "mail", "payload": {"to": "a@b.example"}})");
  EXPECT_EQ(id, 1);
  EXPECT_EQ(jobs_.StateOf(id), "READY");
  const auto leased = jobs_.Lease(R"("queues": ["mail"])", "worker-1");
  ASSERT_OK(leased);
  ASSERT_THAT(*leased, SizeIs(1));
  const v1::Job& job = (*leased)[0];
  EXPECT_EQ(job.id(), id);
  EXPECT_EQ(job.state(), v1::Job::STATE_RUNNING);
  EXPECT_EQ(job.attempt(), 1);
  EXPECT_EQ(job.holder(), "worker-1");
  EXPECT_EQ(job.spec().queue(), "mail");
  EXPECT_EQ(job.spec().max_attempts(), 3);
  EXPECT_EQ(JsonOf(job.spec().payload()), R"({"to":"a@b.example"})");
  EXPECT_EQ(job.lease_expire_time().seconds() - job.start_time().seconds(), 60);
  EXPECT_THAT(jobs_.LeaseIds(1), IsEmpty());

  EXPECT_EQ(jobs_.Complete(id, 1, R"({"sent": true})").outcome(),
            Outcome::OUTCOME_OK);
  ASSERT_OK_AND_ASSIGN(const v1::Job done, jobs_.Get(id));
  EXPECT_EQ(done.state(), v1::Job::STATE_SUCCEEDED);
  EXPECT_EQ(JsonOf(done.result()), R"({"sent":true})");
  EXPECT_EQ(done.progress(), 1);
  EXPECT_TRUE(done.has_end_time());
}

TEST_F(JobQueueTest, NumbersAreNeverUsedAgain) {
  const int64_t first = jobs_.Add(R"({"queue": "q", "keep": "0s"})");
  RunOne(first);
  jobs_.RunDue();
  EXPECT_EQ(jobs_.StateOf(first), "(none)");
  jobs_.database().Reopen();
  EXPECT_EQ(jobs_.Add(R"({"queue": "q"})"), first + 1);
}

TEST_F(JobQueueTest, ARepeatedRequestAddsNothing) {
  const std::string id = R"("requestId": "r")";
  ASSERT_OK_AND_ASSIGN(const auto first,
                       jobs_.Enqueue(R"([{"queue": "q"}])", id));
  ASSERT_OK_AND_ASSIGN(const auto again,
                       jobs_.Enqueue(R"([{"queue": "q"}])", id));
  EXPECT_EQ(again.jobs(0).id(), first.jobs(0).id());
  EXPECT_THAT(jobs_.LeaseIds(10), SizeIs(1));
  EXPECT_THAT(jobs_.Enqueue(R"([{"queue": "other"}])", id),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(JobQueueTest, LeasesByPriorityThenByTime) {
  ASSERT_OK(jobs_.Enqueue(R"([
      {"queue": "q"}, {"queue": "q", "priority": -1},
      {"queue": "q", "priority": 5}, {"queue": "q"}])"));
  jobs_.Advance(absl::Seconds(1));
  ASSERT_OK(jobs_.Enqueue(R"([{"queue": "q", "priority": 5}])"));
  EXPECT_THAT(jobs_.LeaseIds(3), ElementsAre(3, 5, 1));
  EXPECT_THAT(jobs_.LeaseIds(3), ElementsAre(4, 2));
}

TEST_F(JobQueueTest, TheOrderHoldsAcrossQueues) {
  // More than are read ahead of each queue.
  std::string specs;
  for (int i = 0; i < 200; ++i) {
    absl::StrAppend(&specs, i == 0 ? "[" : ",", R"({"queue": ")",
                    i % 2 == 0 ? "a" : "b", R"(", "priority": )", i % 7, "}");
  }
  ASSERT_OK(jobs_.Enqueue(specs + "]"));
  ASSERT_OK_AND_ASSIGN(const auto leased,
                       jobs_.Lease(R"("queues": ["b", "a"], "maxJobs": 1000)"));
  ASSERT_THAT(leased, SizeIs(200));
  for (size_t i = 1; i < leased.size(); ++i) {
    const v1::Job& before = leased[i - 1];
    const v1::Job& job = leased[i];
    EXPECT_TRUE(before.spec().priority() > job.spec().priority() ||
                (before.spec().priority() == job.spec().priority() &&
                 before.id() < job.id()))
        << i;
    EXPECT_EQ(job.spec().queue(), job.id() % 2 == 1 ? "a" : "b");
  }
}

TEST_F(JobQueueTest, AWorkerGetsOnlyWhatItAskedFor) {
  jobs_.Add(R"({"queue": "a"})");
  const int64_t b = jobs_.Add(R"({"queue": "b"})");
  ASSERT_OK_AND_ASSIGN(
      const auto leased,
      jobs_.Lease(R"("queues": ["b", "unknown", "b"], "maxJobs": 10)"));
  ASSERT_THAT(leased, SizeIs(1));
  EXPECT_EQ(leased[0].id(), b);
}

TEST_F(JobQueueTest, AnAnswerEndsBeforeItGrowsTooLarge) {
  // Some 700 KB each: two go into an answer, the third does not.
  const std::string payload(700'000, 'x');
  for (int i = 0; i < 3; ++i) {
    jobs_.Add(absl::StrCat(R"({"queue": "q", "payload": {"x": ")", payload,
                           R"("}})"));
  }
  EXPECT_THAT(jobs_.LeaseIds(10), ElementsAre(1, 2));
  EXPECT_THAT(jobs_.LeaseIds(10), ElementsAre(3));
}

TEST_F(JobQueueTest, ARepeatedCompleteIsNoErrorAndKeepsTheFirstResult) {
  const int64_t id = jobs_.Add(R"({"queue": "q"})");
  jobs_.LeaseIds(1);
  jobs_.Complete(id, 1, R"({"n": 1})");
  EXPECT_EQ(jobs_.Complete(id, 1, R"({"n": 2})").outcome(),
            Outcome::OUTCOME_OK);
  EXPECT_EQ(JsonOf(jobs_.Get(id)->result()), R"({"n":1})");
  EXPECT_EQ(jobs_.Complete(id, 2).outcome(), Outcome::OUTCOME_LOST);
  const v1::LeaseResult unknown = jobs_.Complete(99, 1);
  EXPECT_EQ(unknown.outcome(), Outcome::OUTCOME_LOST);
  EXPECT_EQ(unknown.state(), v1::Job::STATE_UNSPECIFIED);
}

// Delay and leases.

TEST_F(JobQueueTest, ADelayedJobIsReadyInItsTime) {
  const int64_t id = jobs_.Add(R"({"queue": "q", "delay": "10s"})");
  EXPECT_EQ(jobs_.StateOf(id), "SCHEDULED");
  jobs_.Advance(absl::Milliseconds(9999));
  EXPECT_THAT(jobs_.LeaseIds(1), IsEmpty());
  jobs_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(jobs_.StateOf(id), "READY");
  RunOne(id);
}

TEST_F(JobQueueTest, ALeaseMakesReadyWhatIsDueByItself) {
  const int64_t id = jobs_.Add(R"({"queue": "q", "delay": "10s"})");
  jobs_.database().clock().Advance(absl::Seconds(10));
  EXPECT_THAT(jobs_.LeaseIds(1), ElementsAre(id));
}

TEST_F(JobQueueTest, AWorkerThatDiesLosesItsJobToAnother) {
  const int64_t id =
      jobs_.Add(R"({"queue": "q", "backoff": "0s", "maxAttempts": 2})");
  ASSERT_OK(jobs_.Lease(R"("lease": "30s")", "first"));
  jobs_.Advance(absl::Seconds(29));
  EXPECT_EQ(jobs_.StateOf(id), "RUNNING");
  jobs_.Advance(absl::Seconds(1));
  EXPECT_EQ(jobs_.StateOf(id), "READY");
  ASSERT_OK_AND_ASSIGN(const auto leased, jobs_.Lease("", "second"));
  ASSERT_THAT(leased, SizeIs(1));
  EXPECT_EQ(leased[0].attempt(), 2);
  ASSERT_EQ(leased[0].failures_size(), 1);
  EXPECT_EQ(leased[0].failures(0).message(), "the lease of first ended");
  EXPECT_EQ(leased[0].failures(0).attempt(), 1);
  // The first comes back: it has lost it.
  EXPECT_EQ(jobs_.Complete(id, 1).outcome(), Outcome::OUTCOME_LOST);
  EXPECT_EQ(jobs_.Heartbeat(id, 1).outcome(), Outcome::OUTCOME_LOST);
  EXPECT_EQ(jobs_.Fail(id, 1).outcome(), Outcome::OUTCOME_LOST);
  // A lease that ends is a failure: the second is the last attempt.
  jobs_.Advance(absl::Seconds(60));
  EXPECT_EQ(jobs_.StateOf(id), "DEAD");
}

TEST_F(JobQueueTest, ALateCompleteCountsUntilTheLeaseIsTakenBack) {
  const int64_t first = jobs_.Add(R"({"queue": "q"})");
  const int64_t second = jobs_.Add(R"({"queue": "q"})");
  jobs_.LeaseIds(2);
  jobs_.database().clock().Advance(absl::Minutes(5));
  EXPECT_EQ(jobs_.Complete(first, 1).outcome(), Outcome::OUTCOME_OK);
  jobs_.RunDue();
  EXPECT_EQ(jobs_.Complete(second, 1).outcome(), Outcome::OUTCOME_LOST);
  EXPECT_EQ(jobs_.StateOf(second), "SCHEDULED");
}

TEST_F(JobQueueTest, AHeartbeatMakesTheLeaseLast) {
  const int64_t id = jobs_.Add(R"({"queue": "q"})");
  jobs_.LeaseIds(1);
  for (int i = 0; i < 5; ++i) {
    jobs_.Advance(absl::Seconds(50));
    EXPECT_EQ(jobs_.Heartbeat(id, 1).outcome(), Outcome::OUTCOME_OK);
  }
  jobs_.Advance(absl::Seconds(59));
  EXPECT_EQ(jobs_.StateOf(id), "RUNNING");
  jobs_.Advance(absl::Seconds(1));
  EXPECT_EQ(jobs_.StateOf(id), "SCHEDULED");
}

TEST_F(JobQueueTest, AHeartbeatReportsProgressAndAbsentLeavesIt) {
  const int64_t id = jobs_.Add(R"({"queue": "q"})");
  jobs_.LeaseIds(1);
  const v1::LeaseResult result = jobs_.Heartbeat(id, 1, R"("lease": "3600s")");
  EXPECT_EQ(result.state(), v1::Job::STATE_RUNNING);
  ASSERT_OK_AND_ASSIGN(v1::Job job, jobs_.Get(id));
  EXPECT_EQ(job.lease_expire_time().seconds() - job.start_time().seconds(),
            3600);
  EXPECT_EQ(job.progress(), 0);
}

// Failures.

TEST_F(JobQueueTest, AFailedJobIsTriedAgainAfterItsBackoffAndDies) {
  const int64_t id =
      jobs_.Add(R"({"queue": "q", "backoff": "2s", "maxAttempts": 3})");
  jobs_.LeaseIds(1);
  EXPECT_EQ(jobs_.Fail(id, 1, R"("message": "one")").state(),
            v1::Job::STATE_SCHEDULED);
  jobs_.Advance(absl::Milliseconds(1999));
  EXPECT_THAT(jobs_.LeaseIds(1), IsEmpty());
  jobs_.Advance(absl::Milliseconds(201));
  EXPECT_THAT(jobs_.LeaseIds(1), ElementsAre(id));
  jobs_.Fail(id, 2, R"("message": "two")");
  jobs_.Advance(absl::Milliseconds(3999));
  EXPECT_THAT(jobs_.LeaseIds(1), IsEmpty());
  jobs_.Advance(absl::Milliseconds(401));
  EXPECT_THAT(jobs_.LeaseIds(1), ElementsAre(id));
  EXPECT_EQ(jobs_.Fail(id, 3, R"("message": "three")").state(),
            v1::Job::STATE_DEAD);
  ASSERT_OK_AND_ASSIGN(const v1::Job job, jobs_.Get(id));
  ASSERT_EQ(job.failures_size(), 3);
  EXPECT_EQ(job.failures(0).message(), "three");
  EXPECT_EQ(job.failures(2).message(), "one");
  EXPECT_TRUE(job.has_end_time());
}

TEST_F(JobQueueTest, AWorkerMayChooseTheDelayOrGiveUpAtOnce) {
  const int64_t id = jobs_.Add(R"({"queue": "q"})");
  jobs_.LeaseIds(1);
  EXPECT_EQ(jobs_.Fail(id, 1, R"("retryDelay": "0s")").state(),
            v1::Job::STATE_READY);
  jobs_.LeaseIds(1);
  jobs_.Fail(id, 2, R"("retryDelay": "100s")");
  jobs_.Advance(absl::Seconds(99));
  EXPECT_EQ(jobs_.StateOf(id), "SCHEDULED");
  jobs_.Advance(absl::Seconds(1));
  EXPECT_EQ(jobs_.StateOf(id), "READY");
  const int64_t other = AddDead(R"({"queue": "q", "priority": 1})");
  EXPECT_EQ(jobs_.StateOf(other), "DEAD");
}

TEST_F(JobQueueTest, ARepeatedFailWithTheSameWordsIsNoError) {
  const int64_t id = jobs_.Add(R"({"queue": "q"})");
  jobs_.LeaseIds(1);
  jobs_.Fail(id, 1, R"("message": "disk full")");
  const v1::LeaseResult again = jobs_.Fail(id, 1, R"("message": "disk full")");
  EXPECT_EQ(again.outcome(), Outcome::OUTCOME_OK);
  EXPECT_EQ(again.state(), v1::Job::STATE_SCHEDULED);
  EXPECT_EQ(jobs_.Get(id)->failures_size(), 1);
  EXPECT_EQ(jobs_.Fail(id, 1, R"("message": "other")").outcome(),
            Outcome::OUTCOME_LOST);
}

TEST_F(JobQueueTest, TheLastTenFailuresAreKept) {
  const int64_t id = jobs_.Add(R"({"queue": "q", "maxAttempts": 100})");
  for (int attempt = 1; attempt <= 13; ++attempt) {
    ASSERT_THAT(jobs_.LeaseIds(1), ElementsAre(id));
    jobs_.Fail(
        id, attempt,
        absl::StrCat(R"("retryDelay": "0s", "message": ")", attempt, R"(")"));
  }
  ASSERT_OK_AND_ASSIGN(const v1::Job job, jobs_.Get(id));
  ASSERT_EQ(job.failures_size(), 10);
  EXPECT_EQ(job.failures(0).message(), "13");
  EXPECT_EQ(job.failures(9).message(), "4");
}

// Unique keys.

TEST_F(JobQueueTest, OnlyOneUnfinishedJobOfAQueueHasAKey) {
  const std::string spec = R"({"queue": "q", "uniqueKey": "k"})";
  const int64_t first = jobs_.Add(spec);
  const auto exists = [&] {
    const auto response = jobs_.Enqueue(absl::StrCat("[", spec, "]"));
    return response.ok() && response->jobs(0).existed() &&
           response->jobs(0).id() == first;
  };
  EXPECT_TRUE(exists());
  jobs_.LeaseIds(1);
  EXPECT_TRUE(exists());
  jobs_.Fail(first, 1);
  EXPECT_TRUE(exists());
  // Another queue's key is another.
  EXPECT_NE(jobs_.Add(R"({"queue": "other", "uniqueKey": "k"})"), first);
  jobs_.Advance(absl::Seconds(10));
  ASSERT_OK(jobs_.Lease(R"("queues": ["q"])"));
  jobs_.Complete(first, 2);
  EXPECT_FALSE(exists());
}

TEST_F(JobQueueTest, AKeyIsUniqueWithinOneRequestToo) {
  ASSERT_OK_AND_ASSIGN(const auto response, jobs_.Enqueue(R"([
      {"queue": "q", "uniqueKey": "k"}, {"queue": "q", "uniqueKey": "k"},
      {"queue": "q", "afterItems": [1]}])"));
  EXPECT_FALSE(response.jobs(0).existed());
  EXPECT_TRUE(response.jobs(1).existed());
  EXPECT_EQ(response.jobs(1).id(), response.jobs(0).id());
  // The third waits for the job that the second place stands for.
  ASSERT_OK_AND_ASSIGN(const v1::Job third, jobs_.Get(response.jobs(2).id()));
  EXPECT_THAT(third.spec().after(), ElementsAre(response.jobs(0).id()));
  EXPECT_EQ(third.state(), v1::Job::STATE_BLOCKED);
}

// Jobs after others.

TEST_F(JobQueueTest, AJobWaitsForAllThatItComesAfter) {
  const int64_t a = jobs_.Add(R"({"queue": "q"})");
  const int64_t b = jobs_.Add(R"({"queue": "q"})");
  const int64_t c = jobs_.Add(
      absl::StrCat(R"({"queue": "q", "after": [)", a, ",", b, ",", a, "]}"));
  EXPECT_EQ(jobs_.StateOf(c), "BLOCKED");
  EXPECT_FALSE(jobs_.Get(c)->has_ready_time());
  EXPECT_THAT(jobs_.LeaseIds(10), ElementsAre(a, b));
  jobs_.Complete(a, 1);
  EXPECT_EQ(jobs_.StateOf(c), "BLOCKED");
  jobs_.Complete(b, 1);
  EXPECT_EQ(jobs_.StateOf(c), "READY");
  EXPECT_THAT(jobs_.Get(c)->spec().after(), ElementsAre(a, b));
  // One that succeeded holds nobody, nor does one that is not kept any more.
  const int64_t d =
      jobs_.Add(absl::StrCat(R"({"queue": "q", "after": [)", a, "]}"));
  EXPECT_EQ(jobs_.StateOf(d), "READY");
  jobs_.Advance(absl::Hours(2));
  EXPECT_EQ(jobs_.StateOf(a), "(none)");
  EXPECT_EQ(jobs_.StateOf(jobs_.Add(
                absl::StrCat(R"({"queue": "q", "after": [)", a, "]}"))),
            "READY");
}

TEST_F(JobQueueTest, AJobThatNeverWasIsRefused) {
  const auto refused =
      jobs_.Enqueue(R"([{"queue": "q"}, {"queue": "q", "after": [1]}])");
  EXPECT_THAT(refused,
              StatusIs(absl::StatusCode::kInvalidArgument, "jobs[1].after[0]"));
  EXPECT_THAT(jobs_.LeaseIds(10), IsEmpty());
}

TEST_F(JobQueueTest, ADelayRunsFromTheEnqueueEvenWhileTheJobIsBlocked) {
  const int64_t a = jobs_.Add(R"({"queue": "q"})");
  const int64_t b = jobs_.Add(
      absl::StrCat(R"({"queue": "q", "delay": "100s", "after": [)", a, "]}"));
  jobs_.Advance(absl::Seconds(40));
  RunOne(a);
  EXPECT_EQ(jobs_.StateOf(b), "SCHEDULED");
  jobs_.Advance(absl::Seconds(60));
  EXPECT_EQ(jobs_.StateOf(b), "READY");
}

TEST_F(JobQueueTest, ADeadLetterHoldsItsDependantsUntilItIsRetried) {
  const int64_t a = AddDead(R"({"queue": "q", "keepDead": "60s"})");
  const int64_t b =
      jobs_.Add(absl::StrCat(R"({"queue": "q", "after": [)", a, "]}"));
  EXPECT_EQ(jobs_.StateOf(b), "BLOCKED");
  // It stays as long as somebody waits for it.
  jobs_.Advance(absl::Minutes(10));
  EXPECT_EQ(jobs_.StateOf(a), "DEAD");
  EXPECT_THAT(jobs_.Retry({a}), ::testing::Eq(absl::StatusOr<int64_t>(1)));
  RunOne(a);
  EXPECT_EQ(jobs_.StateOf(b), "READY");
}

TEST_F(JobQueueTest, ManyMayNotWaitForOneJob) {
  const int64_t a = jobs_.Add(R"({"queue": "q"})");
  const std::string after =
      absl::StrCat(R"({"queue": "q", "after": [)", a, "]}");
  for (int i = 0; i < 5; ++i) jobs_.Add(after);
  EXPECT_THAT(jobs_.Enqueue(absl::StrCat("[", after, "]")),
              StatusIs(absl::StatusCode::kResourceExhausted, "wait for it"));
}

// Cancel.

TEST_F(JobQueueTest, ACancelledJobTakesThoseThatWaitForItAlong) {
  ASSERT_OK(jobs_.Enqueue(R"([
      {"queue": "q"}, {"queue": "q", "afterItems": [0]},
      {"queue": "q", "afterItems": [1]}, {"queue": "q"},
      {"queue": "q", "afterItems": [1, 3]}])"));
  ASSERT_OK_AND_ASSIGN(const int64_t cancelled, jobs_.Cancel({1, 1, 99}));
  EXPECT_EQ(cancelled, 4);
  for (const int64_t id : {1, 2, 3, 5}) {
    EXPECT_EQ(jobs_.StateOf(id), "CANCELLED") << id;
  }
  EXPECT_EQ(jobs_.StateOf(4), "READY");
  // One that comes too late is cancelled as well.
  EXPECT_EQ(jobs_.StateOf(jobs_.Add(R"({"queue": "q", "after": [4, 1]})")),
            "CANCELLED");
  RunOne(4);
}

TEST_F(JobQueueTest, AWorkerLearnsThatItsJobWasCancelled) {
  const int64_t id = jobs_.Add(R"({"queue": "q"})");
  jobs_.LeaseIds(1);
  ASSERT_OK_AND_ASSIGN(const int64_t cancelled, jobs_.Cancel({id}));
  EXPECT_EQ(cancelled, 1);
  EXPECT_EQ(jobs_.Heartbeat(id, 1).outcome(), Outcome::OUTCOME_CANCELLED);
  EXPECT_EQ(jobs_.Complete(id, 1).outcome(), Outcome::OUTCOME_CANCELLED);
  EXPECT_EQ(jobs_.Fail(id, 1).outcome(), Outcome::OUTCOME_CANCELLED);
  EXPECT_EQ(jobs_.StateOf(id), "CANCELLED");
}

TEST_F(JobQueueTest, WhatHasSucceededIsNotCancelledButADeadLetterIs) {
  const int64_t a = jobs_.Add(R"({"queue": "q"})");
  RunOne(a);
  const int64_t b = AddDead(R"({"queue": "q"})");
  const int64_t c =
      jobs_.Add(absl::StrCat(R"({"queue": "q", "after": [)", b, "]}"));
  ASSERT_OK_AND_ASSIGN(const int64_t cancelled, jobs_.Cancel({a, b}));
  EXPECT_EQ(cancelled, 2);
  EXPECT_EQ(jobs_.StateOf(a), "SUCCEEDED");
  EXPECT_EQ(jobs_.StateOf(b), "CANCELLED");
  EXPECT_EQ(jobs_.StateOf(c), "CANCELLED");
}

TEST_F(JobQueueTest, ACancelBeyondTheLimitCancelsNothing) {
  // Ten wait for the first, in two layers.
  ASSERT_OK(jobs_.Enqueue(R"([
      {"queue": "q"},
      {"queue": "q", "afterItems": [0]}, {"queue": "q", "afterItems": [0]},
      {"queue": "q", "afterItems": [1]}, {"queue": "q", "afterItems": [1]},
      {"queue": "q", "afterItems": [1]}, {"queue": "q", "afterItems": [1]},
      {"queue": "q", "afterItems": [2]}, {"queue": "q", "afterItems": [2]},
      {"queue": "q", "afterItems": [2]}, {"queue": "q", "afterItems": [2]}])"));
  EXPECT_THAT(jobs_.Cancel({1}),
              StatusIs(absl::StatusCode::kFailedPrecondition, "more than 10"));
  EXPECT_EQ(jobs_.StateOf(1), "READY");
  EXPECT_EQ(jobs_.StateOf(11), "BLOCKED");
  EXPECT_THAT(jobs_.Cancel({3, 1}),
              StatusIs(absl::StatusCode::kFailedPrecondition));
  EXPECT_THAT(jobs_.Cancel({3}), ::testing::Eq(absl::StatusOr<int64_t>(5)));
  EXPECT_THAT(jobs_.Cancel({1}), ::testing::Eq(absl::StatusOr<int64_t>(6)));
}

// Retry.

TEST_F(JobQueueTest, ARetriedJobHasAllItsAttemptsAgain) {
  const int64_t id =
      jobs_.Add(R"({"queue": "q", "maxAttempts": 2, "backoff": "0s"})");
  for (const int attempt : {1, 2}) {
    jobs_.LeaseIds(1);
    jobs_.Fail(id, attempt, R"("message": "no")");
  }
  EXPECT_EQ(jobs_.StateOf(id), "DEAD");
  EXPECT_THAT(jobs_.Retry({id}), ::testing::Eq(absl::StatusOr<int64_t>(1)));
  EXPECT_EQ(jobs_.StateOf(id), "READY");
  EXPECT_FALSE(jobs_.Get(id)->has_end_time());
  for (const int attempt : {3, 4}) {
    ASSERT_THAT(jobs_.LeaseIds(1), ElementsAre(id));
    jobs_.Fail(id, attempt, R"("message": "no")");
  }
  EXPECT_EQ(jobs_.StateOf(id), "DEAD");
  // What it failed of before is still told.
  EXPECT_EQ(jobs_.Get(id)->failures_size(), 4);
}

TEST_F(JobQueueTest, WhatSucceededOrWasCancelledCanBeRetriedToo) {
  const int64_t a = jobs_.Add(R"({"queue": "q"})");
  jobs_.LeaseIds(1);
  jobs_.Complete(a, 1, R"({"n": 1})");
  const int64_t b = jobs_.Add(R"({"queue": "q"})");
  ASSERT_OK(jobs_.Cancel({b}));
  const int64_t running = jobs_.Add(R"({"queue": "q"})");
  jobs_.LeaseIds(1);
  EXPECT_THAT(jobs_.Retry({a, b, running, 99}),
              ::testing::Eq(absl::StatusOr<int64_t>(2)));
  EXPECT_FALSE(jobs_.Get(a)->has_result());
  EXPECT_THAT(jobs_.LeaseIds(10), ElementsAre(a, b));
  EXPECT_EQ(jobs_.Complete(a, 2).outcome(), Outcome::OUTCOME_OK);
}

TEST_F(JobQueueTest, AnotherJobWithTheKeyStandsInTheWayOfARetry) {
  const std::string spec = R"({"queue": "q", "uniqueKey": "k"})";
  const int64_t dead = AddDead(spec);
  const int64_t other = jobs_.Add(spec);
  EXPECT_THAT(jobs_.Retry({dead}), ::testing::Eq(absl::StatusOr<int64_t>(0)));
  EXPECT_EQ(jobs_.StateOf(dead), "DEAD");
  RunOne(other);
  EXPECT_THAT(jobs_.Retry({dead}), ::testing::Eq(absl::StatusOr<int64_t>(1)));
}

TEST_F(JobQueueTest, AChainThatIsRetriedRunsInItsOrderAgain) {
  ASSERT_OK(jobs_.Enqueue(
      R"([{"queue": "q"}, {"queue": "q", "priority": 9, "afterItems": [0]}])"));
  ASSERT_OK(jobs_.Cancel({1}));
  EXPECT_THAT(jobs_.Retry({2, 1}), ::testing::Eq(absl::StatusOr<int64_t>(2)));
  EXPECT_EQ(jobs_.StateOf(2), "BLOCKED");
  RunOne(1);
  RunOne(2);
}

TEST_F(JobQueueTest, AllDeadLettersOfAQueueCanBeRetried) {
  // Two parts and a bit; their leases end, and that was their only attempt.
  std::string specs;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&specs, i == 0 ? "[" : ",",
                    R"({"queue": "q", "maxAttempts": 1})");
  }
  ASSERT_OK(jobs_.Enqueue(specs + "]"));
  const int64_t other = jobs_.Add(R"({"queue": "other", "maxAttempts": 1})");
  ASSERT_THAT(jobs_.LeaseIds(1000), SizeIs(1000));
  ASSERT_THAT(jobs_.LeaseIds(1), ElementsAre(other));
  jobs_.Advance(absl::Minutes(1));
  EXPECT_EQ(jobs_.RetryQueue("q"), 1000);
  EXPECT_EQ(jobs_.RetryQueue("q"), 0);
  EXPECT_EQ(jobs_.RetryQueue("unknown"), 0);
  EXPECT_EQ(jobs_.StateOf(1000), "READY");
  EXPECT_EQ(jobs_.StateOf(other), "DEAD");
}

// Pause.

TEST_F(JobQueueTest, APausedQueueHandsNothingOutButGoesOn) {
  const int64_t a = jobs_.Add(R"({"queue": "q", "delay": "5s"})");
  const int64_t b = jobs_.Add(R"({"queue": "q"})");
  jobs_.LeaseIds(1);
  ASSERT_OK(jobs_.Pause("q", true));
  jobs_.Advance(absl::Seconds(5));
  EXPECT_EQ(jobs_.StateOf(a), "READY");
  EXPECT_THAT(jobs_.LeaseIds(1), IsEmpty());
  EXPECT_THAT(*jobs_.Lease(R"("queues": ["q"])"), IsEmpty());
  EXPECT_EQ(jobs_.Complete(b, 1).outcome(), Outcome::OUTCOME_OK);
  ASSERT_OK(jobs_.Pause("q", false));
  EXPECT_THAT(jobs_.LeaseIds(1), ElementsAre(a));
}

TEST_F(JobQueueTest, AQueueMayBePausedBeforeItsFirstJob) {
  ASSERT_OK(jobs_.Pause("q", true));
  jobs_.Add(R"({"queue": "q"})");
  jobs_.database().Reopen();
  EXPECT_THAT(jobs_.LeaseIds(1), IsEmpty());
}

// What is kept, and for how long.

TEST_F(JobQueueTest, FinishedJobsAreKeptForTheirTime) {
  const int64_t done = jobs_.Add(R"({"queue": "q", "keep": "100s"})");
  jobs_.LeaseIds(1);
  jobs_.Complete(done, 1, R"({"n": 1})");
  const int64_t dead = AddDead(R"({"queue": "q", "keepDead": "200s"})");
  const int64_t cancelled = jobs_.Add(R"({"queue": "q", "keep": "50s"})");
  ASSERT_OK(jobs_.Cancel({cancelled}));
  jobs_.Advance(absl::Seconds(50));
  EXPECT_EQ(jobs_.StateOf(cancelled), "(none)");
  jobs_.Advance(absl::Milliseconds(49'999));
  EXPECT_EQ(jobs_.StateOf(done), "SUCCEEDED");
  jobs_.Advance(absl::Milliseconds(1));
  EXPECT_EQ(jobs_.StateOf(done), "(none)");
  EXPECT_EQ(jobs_.StateOf(dead), "DEAD");
  jobs_.Advance(absl::Seconds(100));
  EXPECT_EQ(jobs_.StateOf(dead), "(none)");
  EXPECT_EQ(jobs_.database().QueryInt("SELECT count(*) FROM _job_failures"), 0);
}

TEST_F(JobQueueTest, MoreThanOneRoundOfDueJobsIsSeenTo) {
  std::string specs;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&specs, i == 0 ? "[" : ",",
                    R"({"queue": "q", "delay": "1s"})");
  }
  ASSERT_OK(jobs_.Enqueue(specs + "]"));
  ASSERT_OK(jobs_.Enqueue(specs + "]"));
  jobs_.Advance(absl::Seconds(1));
  EXPECT_EQ(jobs_.Stats()->queues(0).ready(), 2000);
  // As many leases end at once.
  ASSERT_THAT(jobs_.LeaseIds(1000), SizeIs(1000));
  ASSERT_THAT(jobs_.LeaseIds(1000), SizeIs(1000));
  jobs_.Advance(absl::Seconds(60));
  EXPECT_EQ(jobs_.Stats()->queues(0).scheduled(), 2000);
}

TEST_F(JobQueueTest, WhatIsDueIsKnownAfterAReopen) {
  jobs_.Add(R"({"queue": "q", "delay": "10s"})");
  const int64_t due_us = jobs_.database().database().jobs().due_us();
  jobs_.database().Reopen();
  EXPECT_EQ(jobs_.database().database().jobs().due_us(), due_us);
  jobs_.Advance(absl::Seconds(10));
  EXPECT_EQ(jobs_.database().database().jobs().due_us(), kNeverDue);
}

// Limits.

TEST_F(JobQueueTest, TooManyUnfinishedJobsAreRefused) {
  std::string specs;
  for (int i = 0; i < 1000; ++i) {
    absl::StrAppend(&specs, i == 0 ? "[" : ",", R"({"queue": "q"})");
  }
  ASSERT_OK(jobs_.Enqueue(specs + "]"));
  ASSERT_OK(jobs_.Enqueue(specs + "]"));
  EXPECT_THAT(jobs_.Enqueue(R"([{"queue": "q"}])"),
              StatusIs(absl::StatusCode::kResourceExhausted, "2000"));
  jobs_.LeaseIds(1);
  jobs_.Complete(1, 1);
  EXPECT_OK(jobs_.Enqueue(R"([{"queue": "q"}])"));
}

TEST_F(JobQueueTest, AQueueWithoutJobsMakesRoomForANewOne) {
  const int64_t a = jobs_.Add(R"({"queue": "a", "keep": "0s"})");
  jobs_.Add(R"({"queue": "b"})");
  ASSERT_OK(jobs_.Pause("c", true));
  EXPECT_THAT(jobs_.Enqueue(R"([{"queue": "d"}])"),
              StatusIs(absl::StatusCode::kResourceExhausted, "3 queues"));
  ASSERT_OK(jobs_.Lease(R"("queues": ["a"])"));
  jobs_.Complete(a, 1);
  jobs_.RunDue();
  EXPECT_OK(jobs_.Enqueue(R"([{"queue": "d"}, {"queue": "b"}])"));
}

TEST_F(JobQueueTest, ARefusedRequestLeavesNothing) {
  EXPECT_THAT(jobs_.Enqueue(R"([{"queue": "a"}, {"queue": "b"}, {"queue": "c"},
                                {"queue": "d"}])"),
              StatusIs(absl::StatusCode::kResourceExhausted));
  EXPECT_THAT(jobs_.LeaseIds(10), IsEmpty());
  EXPECT_EQ(jobs_.Stats()->queues_size(), 0);
  EXPECT_EQ(jobs_.database().database().jobs().unfinished(), 0);
  EXPECT_EQ(jobs_.Add(R"({"queue": "a"})"), 1);
}

TEST_F(JobQueueTest, JobsAreNotInTheChangeFeed) {
  RunOne(jobs_.Add(R"({"queue": "q"})"));
  EXPECT_EQ(jobs_.database().newest_sequence(), 0);
}

}  // namespace
}  // namespace engram::storage
