// Storage is killed again and again while clients add jobs and workers run
// them, some of which die with their jobs: every job that was acknowledged
// succeeds in the end, none is there twice, and none is stuck.

#include <gmock/gmock.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/job.grpc.pb.h"
#include "libs/sqlite/connection.h"
#include "libs/status/testing/status_matchers.h"
#include "tests/e2e/storage_process.h"

namespace engram::e2e {
namespace {

using storage::v1::JobService;
using storage::v1::LeaseResult;

constexpr int kKills = 40;
constexpr int kProducers = 2;
constexpr int kWorkers = 4;
constexpr int kBatch = 20;

// Each call gets a context of its own.
std::unique_ptr<grpc::ClientContext> Context() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(30)));
  return context;
}

// Numbers that differ from run to run.
class Random {
 public:
  explicit Random(int seed) : bits_(seed) {}
  int Below(int bound) {
    return std::uniform_int_distribution<int>(0, bound - 1)(bits_);
  }

 private:
  std::mt19937 bits_;
};

// Adds jobs; one whose call failed is added again until it is acknowledged.
class Producer {
 public:
  explicit Producer(int number) : number_(number) {}

  // Adds jobs until a call fails.
  void Run(const std::shared_ptr<grpc::Channel>& channel) {
    while (Send(channel)) Prepare();
  }

  // Repeats the call that failed.
  void Settle(const std::shared_ptr<grpc::Channel>& channel) {
    EXPECT_TRUE(Send(channel));
    Prepare();
  }

  const std::set<int64_t>& acknowledged() const { return acknowledged_; }

 private:
  void Prepare() {
    request_.Clear();
    request_.set_request_id(absl::StrCat(number_, "/", ++requests_));
    for (int i = 0; i < kBatch; ++i) {
      storage::v1::JobSpec& spec = *request_.add_jobs();
      spec.set_queue(absl::StrCat("queue-", number_));
      spec.set_max_attempts(1000);
      spec.mutable_backoff()->set_nanos(1'000'000);
      spec.mutable_max_backoff()->set_nanos(2'000'000);
      // Chains of three.
      if (i % 3 != 0) spec.add_after_items(i - 1);
    }
  }

  bool Send(const std::shared_ptr<grpc::Channel>& channel) {
    if (request_.jobs().empty()) Prepare();
    storage::v1::EnqueueResponse response;
    if (!JobService::NewStub(channel)
             ->Enqueue(Context().get(), request_, &response)
             .ok()) {
      return false;
    }
    for (const auto& job : response.jobs()) acknowledged_.insert(job.id());
    return true;
  }

  const int number_;
  int requests_ = 0;
  storage::v1::EnqueueRequest request_;
  std::set<int64_t> acknowledged_;
};

// Runs jobs, and dies with some of them.
class Worker {
 public:
  // `is_mortal` workers forget some of their jobs.
  Worker(int number, bool is_mortal)
      : holder_(absl::StrCat("worker-", number)),
        is_mortal_(is_mortal),
        random_(number) {}

  // Works until a call fails or `stop` is set.
  void Run(const std::shared_ptr<grpc::Channel>& channel,
           const std::atomic<bool>& stop) {
    const auto jobs = JobService::NewStub(channel);
    while (!stop) {
      storage::v1::LeaseRequest request;
      request.set_holder(holder_);
      request.set_max_jobs(1 + random_.Below(kBatch));
      request.mutable_lease()->set_seconds(1);
      request.mutable_wait()->set_nanos(100'000'000);
      storage::v1::LeaseResponse leased;
      if (!jobs->Lease(Context().get(), request, &leased).ok()) return;
      if (!leased.jobs().empty() && !Finish(*jobs, leased)) return;
    }
  }

 private:
  bool Finish(JobService::Stub& jobs,
              const storage::v1::LeaseResponse& leased) {
    storage::v1::CompleteRequest completed;
    storage::v1::FailRequest failed;
    for (const storage::v1::Job& job : leased.jobs()) {
      storage::v1::JobLease lease;
      lease.set_id(job.id());
      lease.set_attempt(job.attempt());
      switch (is_mortal_ ? random_.Below(10) : 9) {
        case 0:
          // It dies with this job.
          break;
        case 1:
          *failed.add_jobs()->mutable_lease() = lease;
          break;
        default:
          *completed.add_jobs()->mutable_lease() = lease;
      }
    }
    storage::v1::CompleteResponse done;
    storage::v1::FailResponse noted;
    return (completed.jobs().empty() ||
            jobs.Complete(Context().get(), completed, &done).ok()) &&
           (failed.jobs().empty() ||
            jobs.Fail(Context().get(), failed, &noted).ok());
  }

  const std::string holder_;
  const bool is_mortal_;
  Random random_;
};

// How many jobs have not finished, and how many have succeeded.
struct Standing {
  int64_t unfinished = 0;
  int64_t succeeded = 0;
  int64_t other = 0;
};

Standing ReadStanding(const std::shared_ptr<grpc::Channel>& channel) {
  storage::v1::JobServiceStatsResponse stats;
  EXPECT_TRUE(
      JobService::NewStub(channel)->Stats(Context().get(), {}, &stats).ok());
  Standing standing;
  for (const auto& queue : stats.queues()) {
    standing.unfinished +=
        queue.ready() + queue.scheduled() + queue.blocked() + queue.running();
    standing.succeeded += queue.succeeded();
    standing.other += queue.dead() + queue.cancelled();
  }
  return standing;
}

class JobKillsTest : public ::testing::Test {
 protected:
  JobKillsTest() {
    for (int i = 0; i < kProducers; ++i) producers_.emplace_back(i);
    for (int i = 0; i < kWorkers; ++i) workers_.emplace_back(i, true);
  }

  // All work until storage is killed.
  void WorkUntilKilled(int milliseconds) {
    const std::atomic<bool> never = false;
    std::vector<std::thread> threads;
    for (Producer& producer : producers_) {
      threads.emplace_back([&] { producer.Run(storage_.channel()); });
    }
    for (Worker& worker : workers_) {
      threads.emplace_back([&] { worker.Run(storage_.channel(), never); });
    }
    // A random moment is the point.
    absl::SleepFor(absl::Milliseconds(milliseconds));
    storage_.Kill();
    for (std::thread& thread : threads) thread.join();
  }

  // Workers that do not die run what is left.
  void Drain() {
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < kWorkers; ++i) {
      threads.emplace_back([&, i] {
        Worker(kWorkers + i, false).Run(storage_.channel(), stop);
      });
    }
    const absl::Time deadline = absl::Now() + absl::Minutes(2);
    while (ReadStanding(storage_.channel()).unfinished > 0 &&
           absl::Now() < deadline) {
      absl::SleepFor(absl::Milliseconds(20));
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
  }

  StorageProcess storage_;
  std::vector<Producer> producers_;
  std::vector<Worker> workers_;
};

TEST_F(JobKillsTest, KillsOfStorageAndOfWorkersLoseNoJob) {
  Random random(::testing::UnitTest::GetInstance()->random_seed());
  storage_.Start();
  for (int kill = 0; kill < kKills; ++kill) {
    WorkUntilKilled(20 + random.Below(150));
    storage_.Start();
    for (Producer& producer : producers_) producer.Settle(storage_.channel());
    if (::testing::Test::HasFailure()) return;
  }
  Drain();
  std::set<int64_t> acknowledged;
  for (const Producer& producer : producers_) {
    acknowledged.insert(producer.acknowledged().begin(),
                        producer.acknowledged().end());
  }
  EXPECT_GT(acknowledged.size(), 10 * kKills);
  const Standing standing = ReadStanding(storage_.channel());
  EXPECT_EQ(standing.unfinished, 0);
  EXPECT_EQ(standing.other, 0);
  // None is there that was not acknowledged: repeats added nothing.
  EXPECT_EQ(standing.succeeded, static_cast<int64_t>(acknowledged.size()));
  EXPECT_EQ(*acknowledged.rbegin(), static_cast<int64_t>(acknowledged.size()));
  EXPECT_EQ(storage_.Stop(), 0);

  const auto file =
      sqlite::Connection::Open(storage_.File(), sqlite::Access::kReadOnly);
  ASSERT_OK(file);
  EXPECT_EQ(*(*file)->QueryInt("SELECT count(*) FROM _jobs WHERE state = 5"),
            standing.succeeded);
  EXPECT_EQ(*(*file)->QueryInt("SELECT count(*) FROM _job_edges"), 0);
  // Workers did die.
  EXPECT_GT(*(*file)->QueryInt("SELECT max(attempt) FROM _jobs"), 1);
}

}  // namespace
}  // namespace engram::e2e
