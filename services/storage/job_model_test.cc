// Random calls against a real file and against a model that keeps jobs in a
// map and follows the rules word by word: after each call both have to agree.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/job_editor.h"
#include "services/storage/testing/job_fixture.h"

namespace engram::storage {
namespace {

using testing::TestJobs;
using Outcome = v1::LeaseResult;

constexpr int64_t kSecondUs = 1'000'000;
constexpr int64_t kLeaseUs = 60 * kSecondUs;

struct ModelJob {
  std::string queue;
  std::string state = "READY";
  int priority = 0;
  std::string key;
  std::set<int64_t> after;
  // Those of `after` that hold it still.
  std::set<int64_t> blockers;
  int max_attempts = 3;
  int64_t backoff_us = 2 * kSecondUs;
  int64_t keep_us = 0;
  int64_t keep_dead_us = 0;
  int64_t ready_us = 0;
  int64_t due_us = kNeverDue;
  int attempt = 0;
  int failures = 0;

  bool HasFinished() const {
    return state == "SUCCEEDED" || state == "DEAD" || state == "CANCELLED";
  }
};

class Model {
 public:
  std::map<int64_t, ModelJob> jobs;
  std::set<std::string> paused;
  int64_t now_us = 0;

  std::optional<int64_t> FindKey(const std::string& queue,
                                 const std::string& key) const {
    if (key.empty()) return std::nullopt;
    for (const auto& [id, job] : jobs) {
      if (job.queue == queue && job.key == key && !job.HasFinished()) return id;
    }
    return std::nullopt;
  }

  void Add(int64_t id, ModelJob job, int64_t delay_us) {
    job.ready_us = now_us + delay_us;
    bool is_cancelled = false;
    for (const int64_t first : job.after) {
      const auto found = jobs.find(first);
      if (found == jobs.end() || found->second.state == "SUCCEEDED") continue;
      is_cancelled |= found->second.state == "CANCELLED";
      job.blockers.insert(first);
    }
    ModelJob& added = jobs[id] = std::move(job);
    if (is_cancelled) return Finish(added, "CANCELLED", added.keep_us);
    Place(added);
  }

  std::vector<int64_t> Lease(const std::string& queue, int count) {
    std::vector<std::tuple<int, int64_t, int64_t>> ready;
    for (const auto& [id, job] : jobs) {
      if (job.state != "READY" || paused.contains(job.queue)) continue;
      if (!queue.empty() && job.queue != queue) continue;
      ready.push_back({-job.priority, job.ready_us, id});
    }
    std::sort(ready.begin(), ready.end());
    std::vector<int64_t> ids;
    for (const auto& [priority, ready_us, id] : ready) {
      if (static_cast<int>(ids.size()) == count) break;
      ModelJob& job = jobs[id];
      job.state = "RUNNING";
      job.due_us = now_us + kLeaseUs;
      ++job.attempt;
      ids.push_back(id);
    }
    return ids;
  }

  ModelJob* Holding(int64_t id, int attempt) {
    const auto job = jobs.find(id);
    if (job == jobs.end() || job->second.state != "RUNNING" ||
        job->second.attempt != attempt) {
      return nullptr;
    }
    return &job->second;
  }

  void Complete(int64_t id) {
    for (auto& [other, job] : jobs) {
      if (job.blockers.erase(id) == 0 || !job.blockers.empty()) continue;
      job.ready_us = std::max(job.ready_us, now_us);
      Place(job);
    }
    Finish(jobs[id], "SUCCEEDED", jobs[id].keep_us);
  }

  void Fail(int64_t id, bool permanent) {
    ModelJob& job = jobs[id];
    ++job.failures;
    if (permanent || job.failures >= job.max_attempts) {
      return Finish(job, "DEAD", job.keep_dead_us);
    }
    job.ready_us = now_us + BackoffUs(job.backoff_us, 3600 * kSecondUs,
                                      job.failures, id, job.attempt);
    Place(job);
  }

  int64_t Cancel(int64_t id) {
    const auto found = jobs.find(id);
    if (found == jobs.end()) return 0;
    ModelJob& job = found->second;
    if (job.state == "SUCCEEDED" || job.state == "CANCELLED") return 0;
    job.blockers.clear();
    Finish(job, "CANCELLED", job.keep_us);
    int64_t cancelled = 1;
    for (auto& [other, waiting] : jobs) {
      if (waiting.blockers.contains(id)) cancelled += Cancel(other);
    }
    return cancelled;
  }

  int64_t Retry(int64_t id) {
    const auto found = jobs.find(id);
    if (found == jobs.end() || !found->second.HasFinished()) return 0;
    ModelJob& job = found->second;
    if (FindKey(job.queue, job.key).has_value()) return 0;
    job.failures = 0;
    job.ready_us = now_us;
    for (const int64_t first : job.after) {
      const auto other = jobs.find(first);
      if (other != jobs.end() && other->second.state != "SUCCEEDED" &&
          other->second.state != "CANCELLED") {
        job.blockers.insert(first);
      }
    }
    Place(job);
    return 1;
  }

  void RunDue() {
    bool is_done = false;
    while (!is_done) {
      is_done = true;
      for (auto it = jobs.begin(); it != jobs.end();) {
        const auto current = it++;
        ModelJob& job = current->second;
        if (job.due_us > now_us) continue;
        is_done = false;
        if (job.state == "SCHEDULED") {
          job.state = "READY";
          job.due_us = kNeverDue;
        } else if (job.state == "RUNNING") {
          Fail(current->first, false);
        } else if (IsWaitedFor(current->first)) {
          job.due_us = now_us + std::max(job.keep_dead_us, 60 * kSecondUs);
        } else {
          jobs.erase(current);
        }
      }
    }
  }

 private:
  void Place(ModelJob& job) {
    job.due_us = kNeverDue;
    job.state = "READY";
    if (!job.blockers.empty()) {
      job.state = "BLOCKED";
    } else if (job.ready_us > now_us) {
      job.state = "SCHEDULED";
      job.due_us = job.ready_us;
    }
  }

  void Finish(ModelJob& job, const std::string& state, int64_t keep_us) {
    job.blockers.clear();
    job.state = state;
    job.due_us = now_us + keep_us;
  }

  bool IsWaitedFor(int64_t id) const {
    return std::any_of(jobs.begin(), jobs.end(), [&](const auto& entry) {
      return entry.second.blockers.contains(id);
    });
  }
};

class RandomCalls {
 public:
  explicit RandomCalls(uint64_t seed) : random_(seed) { SyncClock(); }

  // One call, on both.
  void Step() {
    switch (Below(12)) {
      case 0:
      case 1:
      case 2:
        return Enqueue();
      case 3:
      case 4:
        return Lease();
      case 5:
      case 6:
        return Complete();
      case 7:
        return Fail();
      case 8:
        return Below(2) == 0 ? Cancel() : Retry();
      case 9:
        return Heartbeat();
      case 10:
        return Below(3) == 0 ? Pause() : Advance();
      default:
        return Advance();
    }
  }

  void Check() {
    std::map<int64_t, std::string> expected;
    for (const auto& [id, job] : model_.jobs) expected[id] = job.state;
    std::map<int64_t, std::string> actual;
    for (int64_t id = 1; id <= newest_; ++id) {
      const std::string state = jobs_.StateOf(id);
      if (state != "(none)") actual[id] = state;
    }
    EXPECT_EQ(actual, expected);
    EXPECT_OK(jobs_.CheckBooks());
  }

  void Reopen() { jobs_.database().Reopen(); }

 private:
  int Below(int bound) {
    return std::uniform_int_distribution<int>(0, bound - 1)(random_);
  }
  std::string AnyQueue() { return Below(2) == 0 ? "a" : "b"; }
  // Newer ones rather than older ones.
  int64_t AnyJob() {
    return newest_ == 0 ? 1 : std::max<int64_t>(1, newest_ - Below(30));
  }
  void SyncClock() {
    model_.now_us = absl::ToUnixMicros(jobs_.database().clock().Now());
  }

  void Enqueue() {
    ModelJob job;
    job.queue = AnyQueue();
    job.priority = Below(3) - 1;
    if (Below(3) == 0) job.key = absl::StrCat("k", Below(4));
    for (int i = Below(3); i > 0 && newest_ > 0; --i)
      job.after.insert(AnyJob());
    job.max_attempts = 1 + Below(3);
    job.keep_us = Below(3) * 100 * kSecondUs;
    job.keep_dead_us = Below(3) * 200 * kSecondUs;
    const int delay = Below(2) * Below(100);
    const auto response = jobs_.Enqueue(absl::StrCat(
        R"([{"queue": ")", job.queue, R"(", "priority": )", job.priority,
        R"(, "uniqueKey": ")", job.key, R"(", "after": [)",
        absl::StrJoin(job.after, ","), R"(], "maxAttempts": )",
        job.max_attempts, R"(, "keep": ")", job.keep_us / kSecondUs,
        R"(s", "keepDead": ")", job.keep_dead_us / kSecondUs,
        R"(s", "delay": ")", delay, R"(s"}])"));
    ASSERT_OK(response);
    const auto other = model_.FindKey(job.queue, job.key);
    ASSERT_EQ(response->jobs(0).existed(), other.has_value());
    if (other.has_value()) {
      EXPECT_EQ(response->jobs(0).id(), *other);
      return;
    }
    ASSERT_EQ(response->jobs(0).id(), newest_ + 1);
    model_.Add(++newest_, std::move(job), delay * kSecondUs);
  }

  void Lease() {
    const std::string queue = Below(3) == 0 ? AnyQueue() : "";
    const int count = 1 + Below(4);
    const auto leased = jobs_.Lease(absl::StrCat(
        R"("maxJobs": )", count, R"(, "queues": [)",
        queue.empty() ? "" : absl::StrCat("\"", queue, "\""), "]"));
    ASSERT_OK(leased);
    // A lease sees to what is due first.
    model_.RunDue();
    std::vector<int64_t> ids;
    for (const v1::Job& job : *leased) {
      ids.push_back(job.id());
      leases_.push_back({job.id(), job.attempt()});
    }
    EXPECT_EQ(ids, model_.Lease(queue, count));
    jobs_.RunDue();
  }

  // A lease that was given out once, or one that never was.
  std::pair<int64_t, int> AnyLease() {
    if (leases_.empty() || Below(20) == 0) return {AnyJob(), 1 + Below(3)};
    return leases_[leases_.size() - 1 -
                   Below(std::min<int>(leases_.size(), 10))];
  }

  // What both have to say of a lease.
  Outcome::Outcome Expected(int64_t id, int attempt) {
    if (model_.Holding(id, attempt) != nullptr) return Outcome::OUTCOME_OK;
    const auto job = model_.jobs.find(id);
    const bool is_cancelled = job != model_.jobs.end() &&
                              job->second.state == "CANCELLED" &&
                              job->second.attempt == attempt;
    return is_cancelled ? Outcome::OUTCOME_CANCELLED : Outcome::OUTCOME_LOST;
  }

  void Complete() {
    const auto [id, attempt] = AnyLease();
    Outcome::Outcome expected = Expected(id, attempt);
    const auto job = model_.jobs.find(id);
    if (job != model_.jobs.end() && job->second.state == "SUCCEEDED" &&
        job->second.attempt == attempt) {
      expected = Outcome::OUTCOME_OK;
    }
    EXPECT_EQ(jobs_.Complete(id, attempt, Below(2) == 0 ? "" : R"({"r": 1})")
                  .outcome(),
              expected);
    if (model_.Holding(id, attempt) != nullptr) model_.Complete(id);
    RunDue();
  }

  void Fail() {
    const auto [id, attempt] = AnyLease();
    const bool permanent = Below(4) == 0;
    // No two have the same words, so none is taken for a repeat.
    EXPECT_EQ(jobs_
                  .Fail(id, attempt,
                        absl::StrCat(R"("message": "failure )", ++failures_,
                                     R"(", "permanent": )",
                                     permanent ? "true" : "false"))
                  .outcome(),
              Expected(id, attempt));
    if (model_.Holding(id, attempt) != nullptr) model_.Fail(id, permanent);
    RunDue();
  }

  void Heartbeat() {
    const auto [id, attempt] = AnyLease();
    EXPECT_EQ(jobs_.Heartbeat(id, attempt).outcome(), Expected(id, attempt));
    if (ModelJob* job = model_.Holding(id, attempt)) {
      job->due_us = model_.now_us + kLeaseUs;
    }
  }

  void Cancel() {
    const int64_t id = AnyJob();
    const auto cancelled = jobs_.Cancel({id});
    ASSERT_OK(cancelled);
    EXPECT_EQ(*cancelled, model_.Cancel(id));
    RunDue();
  }

  void Retry() {
    const int64_t id = AnyJob();
    const auto retried = jobs_.Retry({id});
    ASSERT_OK(retried);
    EXPECT_EQ(*retried, model_.Retry(id));
  }

  void Pause() {
    const std::string queue = AnyQueue();
    const bool pause = Below(2) == 0;
    ASSERT_OK(jobs_.Pause(queue, pause));
    if (pause) {
      model_.paused.insert(queue);
    } else {
      model_.paused.erase(queue);
    }
  }

  void Advance() {
    jobs_.Advance(absl::Seconds(Below(2) == 0 ? Below(5) : Below(120)));
    SyncClock();
    model_.RunDue();
  }

  // Jobs that are kept for no time go at once.
  void RunDue() {
    jobs_.RunDue();
    model_.RunDue();
  }

  TestJobs jobs_;
  Model model_;
  std::mt19937_64 random_;
  int64_t newest_ = 0;
  int failures_ = 0;
  std::vector<std::pair<int64_t, int>> leases_;
};

TEST(JobModelTest, RandomCallsDoWhatTheRulesSay) {
  for (const uint64_t seed : {1, 2, 3, 4, 5, 6}) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    RandomCalls calls(seed);
    for (int step = 0; step < 600; ++step) {
      SCOPED_TRACE(absl::StrCat("step ", step));
      calls.Step();
      if (step % 20 == 0) calls.Check();
      if (step % 200 == 199) calls.Reopen();
      if (::testing::Test::HasFailure()) return;
    }
    calls.Check();
  }
}

}  // namespace
}  // namespace engram::storage
