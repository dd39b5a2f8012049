// What lists and statistics say.

#include "services/storage/job_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/errors.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/testing/job_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using testing::TestJobs;

class JobReaderTest : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_OK(jobs_.CheckBooks()); }

  // The numbers of all pages.
  std::vector<int64_t> ListIds(const std::string& fields = "",
                               int max_rows = 100'000) {
    std::vector<int64_t> ids;
    std::string token;
    pages_ = 0;
    do {
      const auto page =
          jobs_.List(absl::StrCat(fields, fields.empty() ? "" : ", ",
                                  R"("pageToken": ")", token, R"(")"),
                     max_rows);
      EXPECT_OK(page);
      if (!page.ok()) return ids;
      for (const v1::Job& job : page->jobs()) ids.push_back(job.id());
      token = page->next_page_token();
      ++pages_;
    } while (!token.empty());
    return ids;
  }

  TestJobs jobs_;
  int pages_ = 0;
};

TEST_F(JobReaderTest, AnUnknownJobIsNotFound) {
  const auto job = jobs_.Get(5);
  EXPECT_THAT(job, StatusIs(absl::StatusCode::kNotFound));
  EXPECT_EQ(ReasonOf(job.status()), common::v1::ERROR_REASON_JOB_UNKNOWN);
}

TEST_F(JobReaderTest, GetTellsAllThatWasAskedFor) {
  const int64_t id = jobs_.Add(R"({
      "queue": "q", "payload": {"a": 1}, "priority": -7, "delay": "5s",
      "uniqueKey": "k", "maxAttempts": 9, "backoff": "3s",
      "maxBackoff": "0.000001s", "keep": "10s", "keepDead": "20s"})");
  ASSERT_OK_AND_ASSIGN(const v1::Job job, jobs_.Get(id));
  const v1::JobSpec& spec = job.spec();
  EXPECT_EQ(spec.queue(), "q");
  EXPECT_EQ(spec.payload().fields().at("a").number_value(), 1);
  EXPECT_EQ(spec.priority(), -7);
  EXPECT_EQ(spec.delay().seconds(), 5);
  EXPECT_EQ(spec.unique_key(), "k");
  EXPECT_EQ(spec.max_attempts(), 9);
  EXPECT_EQ(spec.backoff().seconds(), 3);
  EXPECT_EQ(spec.max_backoff().nanos(), 1000);
  EXPECT_EQ(spec.keep().seconds(), 10);
  EXPECT_EQ(spec.keep_dead().seconds(), 20);
  EXPECT_EQ(job.ready_time().seconds() - job.create_time().seconds(), 5);
}

TEST_F(JobReaderTest, ListsNewestFirstInPages) {
  for (int i = 0; i < 5; ++i) jobs_.Add(R"({"queue": "q"})");
  EXPECT_THAT(ListIds(R"("pageSize": 2)"), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_EQ(pages_, 3);
  ASSERT_OK_AND_ASSIGN(const auto page, jobs_.List(R"("pageSize": 1)"));
  EXPECT_FALSE(page.jobs(0).spec().has_payload());
  EXPECT_EQ(page.jobs(0).spec().queue(), "q");
}

TEST_F(JobReaderTest, ListsByQueueAndState) {
  jobs_.Add(R"({"queue": "a", "priority": 1})");
  jobs_.Add(R"({"queue": "b"})");
  jobs_.Add(R"({"queue": "a", "delay": "9s"})");
  jobs_.Add(R"({"queue": "a"})");
  jobs_.LeaseIds(1);
  EXPECT_THAT(ListIds(R"("queue": "a")"), ElementsAre(4, 3, 1));
  EXPECT_THAT(ListIds(R"("queue": "unknown")"), IsEmpty());
  EXPECT_THAT(ListIds(R"("states": ["STATE_RUNNING"])"), ElementsAre(1));
  EXPECT_THAT(ListIds(R"("states": ["STATE_RUNNING"], "queue": "b")"),
              IsEmpty());
  EXPECT_THAT(ListIds(R"("states": ["STATE_SCHEDULED", "STATE_READY"])"),
              ElementsAre(4, 3, 2));
  jobs_.Fail(1, 1, R"("permanent": true, "message": "broken")");
  EXPECT_THAT(ListIds(R"("states": ["STATE_DEAD"])"), ElementsAre(1));
  ASSERT_OK_AND_ASSIGN(const auto dead,
                       jobs_.List(R"("queue": "a", "states": ["STATE_DEAD"])"));
  ASSERT_THAT(dead.jobs(), SizeIs(1));
  EXPECT_EQ(dead.jobs(0).failures(0).message(), "broken");
}

TEST_F(JobReaderTest, APageEndsAfterSoManyRowsAndTheNextGoesOn) {
  for (int i = 0; i < 10; ++i) {
    jobs_.Add(i == 0 ? R"({"queue": "rare"})" : R"({"queue": "q"})");
  }
  EXPECT_THAT(ListIds(R"("queue": "rare")", 3), ElementsAre(1));
  EXPECT_GT(pages_, 3);
  // Dead letters have a way of their own.
  ASSERT_OK(jobs_.Lease(R"("queues": ["rare"])"));
  jobs_.Fail(1, 1, R"("permanent": true)");
  EXPECT_THAT(ListIds(R"("queue": "rare", "states": ["STATE_DEAD"])", 3),
              ElementsAre(1));
  EXPECT_EQ(pages_, 1);
}

TEST_F(JobReaderTest, StatsCountWhereJobsStand) {
  jobs_.Add(R"({"queue": "a"})");
  jobs_.Add(R"({"queue": "a", "delay": "9s"})");
  jobs_.Add(R"({"queue": "a", "after": [1]})");
  jobs_.Add(R"({"queue": "b"})");
  ASSERT_OK(jobs_.Pause("b", true));
  ASSERT_OK_AND_ASSIGN(auto stats, jobs_.Stats());
  ASSERT_EQ(stats.queues_size(), 2);
  EXPECT_EQ(stats.queues(0).queue(), "a");
  EXPECT_EQ(stats.queues(0).ready(), 1);
  EXPECT_EQ(stats.queues(0).scheduled(), 1);
  EXPECT_EQ(stats.queues(0).blocked(), 1);
  EXPECT_FALSE(stats.queues(0).paused());
  EXPECT_TRUE(stats.queues(1).paused());
  jobs_.LeaseIds(1);
  ASSERT_OK_AND_ASSIGN(stats, jobs_.Stats(R"("queues": ["a"])"));
  ASSERT_EQ(stats.queues_size(), 1);
  EXPECT_EQ(stats.queues(0).running(), 1);
  EXPECT_EQ(stats.queues(0).ready(), 0);
  EXPECT_FALSE(stats.queues(0).has_oldest_ready());
}

TEST_F(JobReaderTest, TheOldestIsFoundWhateverItsPriority) {
  jobs_.Add(R"({"queue": "q", "priority": -5})");
  jobs_.Advance(absl::Seconds(30));
  jobs_.Add(R"({"queue": "q", "priority": 5})");
  jobs_.Advance(absl::Seconds(30));
  EXPECT_EQ(jobs_.Stats()->queues(0).oldest_ready().seconds(), 60);
}

TEST_F(JobReaderTest, StatsTellWhatHappenedInEachMinute) {
  jobs_.Add(R"({"queue": "q"})");
  jobs_.Add(R"({"queue": "q", "maxAttempts": 1})");
  jobs_.Advance(absl::Seconds(10));
  jobs_.LeaseIds(2);
  jobs_.Advance(absl::Seconds(4));
  jobs_.Complete(1, 1);
  jobs_.Advance(absl::Minutes(2));  // The second's lease ends.
  ASSERT_OK_AND_ASSIGN(auto stats, jobs_.Stats());
  const v1::QueueStats& queue = stats.queues(0);
  ASSERT_EQ(queue.minutes_size(), 2);
  EXPECT_EQ(queue.minutes(0).enqueued(), 2);
  EXPECT_EQ(queue.minutes(0).leased(), 2);
  EXPECT_EQ(queue.minutes(0).succeeded(), 1);
  EXPECT_EQ(queue.minutes(0).mean_wait().seconds(), 10);
  EXPECT_EQ(queue.minutes(0).mean_run().seconds(), 4);
  EXPECT_EQ(queue.minutes(1).failed(), 1);
  EXPECT_EQ(queue.minutes(1).died(), 1);
  EXPECT_FALSE(queue.minutes(1).has_mean_wait());
  EXPECT_EQ(queue.minutes(1).start_time().seconds() % 60, 0);
  EXPECT_EQ(queue.window().enqueued(), 2);
  EXPECT_EQ(queue.window().died(), 1);
  EXPECT_EQ(queue.window().mean_run().seconds(), (4 + 124) / 2);
  // Only the last minute.
  ASSERT_OK_AND_ASSIGN(stats, jobs_.Stats(R"("window": "60s")"));
  EXPECT_EQ(stats.queues(0).window().enqueued(), 0);
  EXPECT_EQ(stats.queues(0).window().died(), 1);
}

TEST_F(JobReaderTest, MinutesOfMoreThanADayAgoAreDropped) {
  jobs_.Add(R"({"queue": "q"})");
  jobs_.Advance(absl::Minutes(1));
  jobs_.Add(R"({"queue": "q"})");
  jobs_.Advance(absl::Hours(24));
  jobs_.Add(R"({"queue": "q"})");
  EXPECT_EQ(jobs_.database().QueryInt("SELECT count(*) FROM _job_minutes"), 2);
  jobs_.Advance(absl::Minutes(1));
  jobs_.Add(R"({"queue": "q"})");
  EXPECT_EQ(jobs_.database().QueryInt("SELECT count(*) FROM _job_minutes"), 2);
}

}  // namespace
}  // namespace engram::storage
