// How many jobs a second go through a queue: added, leased and completed, in
// batches of 100, by several producers and workers at once; and how long a
// worker that waits takes to get a job. README.md has the command and results.
//
//   job_benchmark [throughput] [latency]
//
// TMPDIR decides which disk is measured. Results go to standard output as rows
// of a Markdown table.

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "engram/storage/v1/job.grpc.pb.h"
#include "tests/benchmarks/check.h"
#include "tests/benchmarks/load.h"
#include "tests/benchmarks/local_storage.h"
#include "tests/benchmarks/report.h"

namespace engram::benchmarks {
namespace {

using Stub = storage::v1::JobService::Stub;

constexpr int kRounds = 7;
constexpr int kBatch = 100;
constexpr int kProducers = 3;
constexpr int kWorkers = 4;
constexpr int kRoundBatches = 600;
constexpr int kWakeUps = 2000;

// What an image's job carries.
storage::v1::EnqueueRequest MakeBatch(int jobs) {
  static std::atomic<int64_t> image = 0;
  storage::v1::EnqueueRequest request;
  for (int i = 0; i < jobs; ++i) {
    storage::v1::JobSpec& spec = *request.add_jobs();
    spec.set_queue("images");
    auto& fields = *spec.mutable_payload()->mutable_fields();
    const int64_t number = ++image;
    fields["image_id"].set_number_value(static_cast<double>(number));
    fields["path"].set_string_value(
        absl::StrCat("/uploads/2026/11/image-", number, ".jpeg"));
    fields["kind"].set_string_value("variants");
  }
  return request;
}

void Enqueue(Stub& stub, const storage::v1::EnqueueRequest& request) {
  grpc::ClientContext context;
  storage::v1::EnqueueResponse response;
  CheckOk(stub.Enqueue(&context, request, &response));
}

storage::v1::LeaseResponse Lease(Stub& stub, const std::string& holder) {
  grpc::ClientContext context;
  storage::v1::LeaseRequest request;
  request.set_holder(holder);
  request.add_queues("images");
  request.set_max_jobs(kBatch);
  request.mutable_wait()->set_seconds(1);
  storage::v1::LeaseResponse response;
  CheckOk(stub.Lease(&context, request, &response));
  return response;
}

void Complete(Stub& stub, const storage::v1::LeaseResponse& leased) {
  grpc::ClientContext context;
  storage::v1::CompleteRequest request;
  for (const storage::v1::Job& job : leased.jobs()) {
    storage::v1::JobLease& lease = *request.add_jobs()->mutable_lease();
    lease.set_id(job.id());
    lease.set_attempt(job.attempt());
  }
  storage::v1::CompleteResponse response;
  CheckOk(stub.Complete(&context, request, &response));
  for (const storage::v1::LeaseResult& result : response.results()) {
    if (result.outcome() == storage::v1::LeaseResult::OUTCOME_OK) continue;
    CheckOk(absl::InternalError("a job was lost"));
  }
}

// Jobs a second from the first that is added to the last that is completed.
double RunJobs(Clients& clients) {
  std::vector<storage::v1::EnqueueRequest> batches;
  for (int i = 0; i < kRoundBatches; ++i) batches.push_back(MakeBatch(kBatch));
  std::atomic<int> next = 0;
  std::atomic<int> left = kRoundBatches * kBatch;
  std::vector<std::thread> threads;
  const absl::Time start = absl::Now();
  // Set by the worker that completes the last job.
  absl::Time end;
  for (int i = 0; i < kProducers; ++i) {
    threads.emplace_back([&, i] {
      const auto stub = storage::v1::JobService::NewStub(clients.channel(i));
      for (int batch = next++; batch < kRoundBatches; batch = next++) {
        Enqueue(*stub, batches[batch]);
      }
    });
  }
  for (int i = 0; i < kWorkers; ++i) {
    threads.emplace_back([&, i] {
      const auto stub = storage::v1::JobService::NewStub(clients.channel(i));
      while (left > 0) {
        const auto leased = Lease(*stub, absl::StrCat("worker-", i));
        if (leased.jobs().empty()) continue;
        Complete(*stub, leased);
        if ((left -= leased.jobs_size()) == 0) end = absl::Now();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return kRoundBatches * kBatch / absl::ToDoubleSeconds(end - start);
}

void MeasureThroughput() {
  LocalStorage storage(HandWrittenStore::FullText::kNone);
  std::vector<double> rounds;
  for (int i = 0; i < kRounds; ++i) {
    rounds.push_back(RunJobs(storage.clients()));
  }
  std::sort(rounds.begin(), rounds.end());
  PrintRow("jobs added, leased and completed, batches of 100",
           absl::StrCat(Rounded(rounds[kRounds / 2]), " jobs/s"), "",
           absl::StrCat(Rounded(rounds.front()), " to ", Rounded(rounds.back()),
                        " jobs/s"),
           ">= 20000 jobs/s");
}

// How long it takes from the begin of an Enqueue until a worker that waits has
// the job.
void MeasureLatency() {
  LocalStorage storage(HandWrittenStore::FullText::kNone);
  const auto producer =
      storage::v1::JobService::NewStub(storage.clients().channel(0));
  const auto worker =
      storage::v1::JobService::NewStub(storage.clients().channel(1));
  std::vector<absl::Duration> waits;
  for (int i = 0; i < kWakeUps; ++i) {
    absl::Time leased_at;
    std::thread waiter([&] {
      storage::v1::LeaseResponse leased;
      while (leased.jobs().empty()) leased = Lease(*worker, "worker");
      leased_at = absl::Now();
      Complete(*worker, leased);
    });
    // So that it waits by then.
    absl::SleepFor(absl::Milliseconds(1));
    const absl::Time start = absl::Now();
    Enqueue(*producer, MakeBatch(1));
    waiter.join();
    waits.push_back(leased_at - start);
  }
  std::sort(waits.begin(), waits.end());
  const auto text = [&](double share) {
    const auto place = static_cast<size_t>(share * (kWakeUps - 1));
    return absl::StrCat(
        Rounded(absl::ToDoubleMilliseconds(waits[place]), "%.2f"), " ms");
  };
  PrintRow("from an Enqueue to the worker that waits for it", text(0.5), "",
           absl::StrCat("p99 ", text(0.99)), "");
}

}  // namespace

int Main(int argc, char** argv) {
  const std::vector<std::pair<std::string, std::function<void()>>> parts = {
      {"throughput", MeasureThroughput},
      {"latency", MeasureLatency},
  };
  const std::set<std::string> wanted(argv + 1, argv + argc);
  engram::testing::TempDirectory directory;
  std::printf(
      "%s\n\n| what | ours | theirs | result | goal |\n"
      "| --- | --- | --- | --- | --- |\n",
      DescribeMachine(directory.path()).c_str());
  for (const auto& [name, measure] : parts) {
    if (wanted.empty() || wanted.count(name) > 0) measure();
  }
  return 0;
}

}  // namespace engram::benchmarks

int main(int argc, char** argv) { return engram::benchmarks::Main(argc, argv); }
