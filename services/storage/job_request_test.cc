// Which requests are refused, and with which words.

#include "services/storage/job_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/request_fields.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

template <typename Message>
Message Parse(const std::string& json) {
  Message message;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(json, &message).ok())
      << json;
  return message;
}

// The refusal of one job.
absl::Status Refusal(const std::string& spec) {
  return DecodeEnqueue(Parse<v1::EnqueueRequest>(absl::StrCat(
                           R"({"jobs": [{"queue": "q"}, )", spec, "]}")))
      .status();
}

TEST(JobRequestTest, QueueNamesAreLowerCaseAndShort) {
  EXPECT_TRUE(IsQueueName("a"));
  EXPECT_TRUE(IsQueueName("image-jobs.v2_x"));
  EXPECT_TRUE(IsQueueName(std::string(63, 'a')));
  for (const std::string& name :
       {std::string(), std::string("A"), std::string("1a"), std::string("a b"),
        std::string("a/b"), std::string(64, 'a'), std::string("\xc3\xa4")}) {
    EXPECT_FALSE(IsQueueName(name)) << name;
  }
}

TEST(JobRequestTest, AnAbsentFieldHasItsDefault) {
  ASSERT_OK_AND_ASSIGN(const JobBatch batch,
                       DecodeEnqueue(Parse<v1::EnqueueRequest>(
                           R"({"jobs": [{"queue": "q"}]})")));
  ASSERT_THAT(batch.jobs, SizeIs(1));
  const NewJob& job = batch.jobs[0];
  EXPECT_EQ(job.row.max_attempts, 3);
  EXPECT_EQ(job.spec.delay_us, 0);
  EXPECT_EQ(job.spec.backoff_us, 2'000'000);
  EXPECT_EQ(job.spec.max_backoff_us, 3'600'000'000);
  EXPECT_EQ(job.row.keep_us, 3'600'000'000);
  EXPECT_EQ(job.spec.keep_dead_us, int64_t{7} * 24 * 3'600'000'000);
  EXPECT_FALSE(job.spec.payload.has_value());
}

TEST(JobRequestTest, NothingSentIsNotTheSameAsZero) {
  ASSERT_OK_AND_ASSIGN(const JobBatch batch,
                       DecodeEnqueue(Parse<v1::EnqueueRequest>(
                           R"({"jobs": [{"queue": "q", "backoff": "0s",
                               "keep": "0s", "payload": {}}]})")));
  EXPECT_EQ(batch.jobs[0].spec.backoff_us, 0);
  EXPECT_EQ(batch.jobs[0].row.keep_us, 0);
  EXPECT_EQ(batch.jobs[0].spec.payload, "");
}

TEST(JobRequestTest, EveryViolationIsReportedWithItsPath) {
  const absl::Status status = Refusal(R"({
      "queue": "Bad Queue", "priority": 1001, "maxAttempts": -1,
      "delay": "-1s", "backoff": "-0.5s", "after": [0], "afterItems": [1]})");
  EXPECT_THAT(status, StatusIs(kInvalid, "jobs[1].queue: is \"Bad Queue\""));
  for (const char* path :
       {"jobs[1].priority", "jobs[1].max_attempts", "jobs[1].delay",
        "jobs[1].backoff", "jobs[1].after[0]", "jobs[1].after_items[0]"}) {
    EXPECT_THAT(status.ToString(), HasSubstr(path));
  }
}

TEST(JobRequestTest, BoundsAreInclusive) {
  EXPECT_OK(Refusal(R"({"queue": "q", "priority": -1000})"));
  EXPECT_OK(Refusal(R"({"queue": "q", "maxAttempts": 1000})"));
  EXPECT_OK(Refusal(R"({"queue": "q", "delay": "315360000s"})"));
  EXPECT_OK(Refusal(R"({"queue": "q", "afterItems": [0]})"));
  EXPECT_OK(Refusal(absl::StrCat(R"({"queue": "q", "uniqueKey": ")",
                                 std::string(512, 'k'), R"("})")));
  EXPECT_THAT(Refusal(R"({"queue": "q", "priority": -1001})"),
              StatusIs(kInvalid, "give -1000 to 1000"));
  EXPECT_THAT(Refusal(R"({"queue": "q", "maxAttempts": 1001})"),
              StatusIs(kInvalid, "max_attempts"));
  EXPECT_THAT(Refusal(R"({"queue": "q", "delay": "315360001s"})"),
              StatusIs(kInvalid, "delay"));
  EXPECT_THAT(Refusal(R"({"queue": "q", "afterItems": [-1]})"),
              StatusIs(kInvalid, "after_items[0]"));
  EXPECT_THAT(Refusal(absl::StrCat(R"({"queue": "q", "uniqueKey": ")",
                                   std::string(513, 'k'), R"("})")),
              StatusIs(kInvalid, "513 bytes"));
}

TEST(JobRequestTest, APayloadHasAtMostOneMebibyte) {
  v1::EnqueueRequest request;
  v1::JobSpec& spec = *request.add_jobs();
  spec.set_queue("q");
  auto& text =
      *(*spec.mutable_payload()->mutable_fields())["x"].mutable_string_value();
  text.assign(1'000'000, 'x');
  EXPECT_OK(DecodeEnqueue(request));
  text.append(1 << 20, 'x');
  EXPECT_THAT(DecodeEnqueue(request), StatusIs(kInvalid, "jobs[0].payload"));
}

TEST(JobRequestTest, OneToAThousandJobsAndAHundredToComeAfter) {
  v1::EnqueueRequest request;
  EXPECT_THAT(DecodeEnqueue(request), StatusIs(kInvalid, "has 0 entries"));
  for (int i = 0; i < 1000; ++i) request.add_jobs()->set_queue("q");
  EXPECT_OK(DecodeEnqueue(request));
  for (int i = 0; i < 50; ++i) {
    request.mutable_jobs(999)->add_after(1);
    request.mutable_jobs(999)->add_after_items(0);
  }
  EXPECT_OK(DecodeEnqueue(request));
  request.mutable_jobs(999)->add_after(2);
  EXPECT_THAT(DecodeEnqueue(request),
              StatusIs(kInvalid, "jobs[999].after: has 101 entries"));
  request.add_jobs()->set_queue("q");
  EXPECT_THAT(DecodeEnqueue(request), StatusIs(kInvalid, "has 1001 entries"));
}

TEST(JobRequestTest, ALeaseIsBounded) {
  ASSERT_OK_AND_ASSIGN(
      const DecodedLease lease,
      DecodeLease(Parse<v1::LeaseRequest>(
          R"({"holder": "w", "queues": ["b", "a", "b"], "maxJobs": 5000})")));
  EXPECT_THAT(lease.wanted.queues, ElementsAre("a", "b"));
  EXPECT_EQ(lease.wanted.max_jobs, 1000);
  EXPECT_EQ(lease.wanted.lease_us, 60'000'000);
  EXPECT_EQ(lease.wait, absl::ZeroDuration());
  const auto refused = DecodeLease(Parse<v1::LeaseRequest>(
      R"({"queues": ["B"], "maxJobs": -1, "wait": "61s", "lease": "0.5s"})"));
  EXPECT_THAT(refused, StatusIs(kInvalid, "queues[0]"));
  for (const char* field : {"holder", "max_jobs", "wait", "lease"}) {
    EXPECT_THAT(refused.status().ToString(), HasSubstr(field));
  }
  EXPECT_THAT(DecodeLease(Parse<v1::LeaseRequest>(absl::StrCat(
                  R"({"holder": ")", std::string(129, 'h'), R"("})"))),
              StatusIs(kInvalid, "holder"));
}

TEST(JobRequestTest, AHeartbeatNeedsALeaseAndAShareOfTheWork) {
  const auto refused = DecodeHeartbeat(Parse<v1::HeartbeatRequest>(
      R"({"jobs": [{}, {"lease": {"id": 1, "attempt": 1}, "progress": 1.5}]})"));
  EXPECT_THAT(refused, StatusIs(kInvalid, "jobs[0].lease.id"));
  EXPECT_THAT(
      refused.status().ToString(),
      AllOf(HasSubstr("jobs[0].lease.attempt"), HasSubstr("jobs[1].progress"),
            Not(HasSubstr("jobs[1].lease"))));
  auto request = Parse<v1::HeartbeatRequest>(
      R"({"jobs": [{"lease": {"id": 1, "attempt": 1}, "progress": 1}]})");
  EXPECT_OK(DecodeHeartbeat(request));
  request.mutable_jobs(0)->set_progress(
      std::numeric_limits<double>::quiet_NaN());
  EXPECT_THAT(DecodeHeartbeat(request), StatusIs(kInvalid, "progress"));
  EXPECT_THAT(DecodeHeartbeat({}), StatusIs(kInvalid, "has 0 entries"));
}

TEST(JobRequestTest, AFailuresMessageIsCut) {
  v1::FailRequest request;
  v1::JobFailReport& report = *request.add_jobs();
  report.mutable_lease()->set_id(1);
  report.mutable_lease()->set_attempt(1);
  report.set_message(std::string(5000, 'x'));
  ASSERT_OK_AND_ASSIGN(const auto jobs, DecodeFail(request));
  EXPECT_LE(jobs[0].report.message.size(), 4096);
  EXPECT_GT(jobs[0].report.message.size(), 4000);
  EXPECT_FALSE(jobs[0].report.retry_delay_us.has_value());
  report.mutable_retry_delay()->set_seconds(-1);
  EXPECT_THAT(DecodeFail(request), StatusIs(kInvalid, "jobs[0].retry_delay"));
}

TEST(JobRequestTest, ARetryNamesJobsOrAQueue) {
  EXPECT_OK(DecodeRetry(Parse<v1::RetryRequest>(R"({"ids": [1]})")));
  EXPECT_OK(DecodeRetry(Parse<v1::RetryRequest>(R"({"queue": "q"})")));
  EXPECT_THAT(DecodeRetry({}), StatusIs(kInvalid, "not both"));
  EXPECT_THAT(
      DecodeRetry(Parse<v1::RetryRequest>(R"({"ids": [1], "queue": "q"})")),
      StatusIs(kInvalid, "not both"));
  EXPECT_THAT(DecodeCancel({}), StatusIs(kInvalid, "has 0 entries"));
  EXPECT_THAT(
      DecodeCancel(Parse<v1::JobServiceCancelRequest>(R"({"ids": [1, -2]})")),
      StatusIs(kInvalid, "ids[1]"));
}

TEST(JobRequestTest, AListNamesStatesAndItsOwnToken) {
  const auto list = Parse<v1::JobServiceListRequest>(
      R"({"states": ["STATE_DEAD", "STATE_RUNNING"]})");
  ASSERT_OK_AND_ASSIGN(const JobList decoded, DecodeList(list));
  EXPECT_THAT(decoded.states, ElementsAre(JobState::kDead, JobState::kRunning));
  EXPECT_EQ(decoded.page_size, 100);
  EXPECT_THAT(
      DecodeList(Parse<v1::JobServiceListRequest>(R"({"states": [0]})")),
      StatusIs(kInvalid, "states[0]"));
  EXPECT_THAT(
      DecodeList(Parse<v1::JobServiceListRequest>(R"({"states": [8]})")),
      StatusIs(kInvalid, "states[0]"));
  v1::JobServiceListRequest request;
  request.set_page_token("x");
  EXPECT_THAT(DecodeList(request), StatusIs(kInvalid, "page_token"));
  request.set_page_token(EncodePageToken("records/a/b", "5"));
  EXPECT_THAT(DecodeList(request), StatusIs(kInvalid, "page_token"));
  request.set_page_token(EncodePageToken(kJobsList, "five"));
  EXPECT_THAT(DecodeList(request), StatusIs(kInvalid, "page_token"));
}

TEST(JobRequestTest, StatsReachBackWholeMinutesOfOneDay) {
  const auto window = [](const std::string& text) {
    return DecodeStats(Parse<v1::JobServiceStatsRequest>(
                           absl::StrCat(R"({"window": ")", text, R"("})")))
        .status();
  };
  EXPECT_EQ(DecodeStats({})->window, absl::Hours(1));
  EXPECT_OK(window("60s"));
  EXPECT_OK(window("86400s"));
  EXPECT_THAT(window("90s"), StatusIs(kInvalid, "whole minutes"));
  EXPECT_THAT(window("0s"), StatusIs(kInvalid, "window"));
  EXPECT_THAT(window("86460s"), StatusIs(kInvalid, "window"));
}

TEST(JobRequestTest, APauseNamesAQueue) {
  EXPECT_THAT(CheckPause({}), StatusIs(kInvalid, "queue"));
}

}  // namespace
}  // namespace engram::storage
