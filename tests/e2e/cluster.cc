#include "tests/e2e/cluster.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "libs/lifecycle/grpc_endpoint.h"

namespace engram::e2e {
namespace {

// Far more than anything takes, even under a sanitizer on a busy machine.
constexpr absl::Duration kPatience = absl::Minutes(2);
constexpr absl::Duration kPoll = absl::Milliseconds(10);

std::vector<std::string> EnvironmentOf(
    const std::optional<ProcessClock>& clock) {
  if (!clock.has_value()) return {};
  return clock->Environment();
}

std::string FreeAddress() { return absl::StrCat("127.0.0.1:", FreePort()); }

}  // namespace

Cluster::Cluster(std::vector<std::string> search_flags, WithClocks with_clocks)
    : search_flags_(std::move(search_flags)),
      storage_address_(FreeAddress()),
      embedding_address_(FreeAddress()),
      search_address_(FreeAddress()) {
  std::string pattern = ::testing::TempDir() + "/engram-e2e-XXXXXX";
  directory_ = mkdtemp(pattern.data());
  if (with_clocks == WithClocks::kYes) {
    storage_clock_.emplace(directory_ + "/storage.clock");
    search_clock_.emplace(directory_ + "/search.clock");
  }
}

Cluster::~Cluster() {
  if (::testing::Test::HasFailure()) {
    // The logs say why.
    std::cerr << "kept for inspection: " << directory_ << "\n";
  } else {
    Kill();
    std::filesystem::remove_all(directory_);
  }
}

void Cluster::Start() {
  StartStorageProcess();
  embedding_process_.emplace(
      "engram-embedding",
      std::vector<std::string>{"--listen", embedding_address_,
                               "--metrics-listen", "127.0.0.1:0",
                               "--storage-address", storage_address_},
      directory_ + "/embedding.log");
  StartSearchProcess();
  const auto storage = lifecycle::ConnectTo(storage_address_);
  const auto search = lifecycle::ConnectTo(search_address_);
  WaitUntilServing(storage);
  WaitUntilServing(lifecycle::ConnectTo(embedding_address_));
  WaitUntilServing(search);
  catalog_ = storage::v1::CatalogService::NewStub(storage);
  records_ = storage::v1::RecordService::NewStub(storage);
  vectors_ = storage::v1::VectorService::NewStub(storage);
  search_ = search::v1::SearchService::NewStub(search);
  indexes_ = search::v1::IndexService::NewStub(search);
  operations_ = search::v1::OperationService::NewStub(search);
}

void Cluster::StartStorageProcess() {
  storage_process_.emplace(
      "engram-storage",
      std::vector<std::string>{"--listen", storage_address_, "--metrics-listen",
                               "127.0.0.1:0", "--data-dir",
                               directory_ + "/data"},
      directory_ + "/storage.log", EnvironmentOf(storage_clock_));
}

void Cluster::StartStorage() {
  StartStorageProcess();
  WaitUntilServing(lifecycle::ConnectTo(storage_address_));
}

void Cluster::StartSearchProcess() {
  std::vector<std::string> flags = {"--listen",
                                    search_address_,
                                    "--metrics-listen",
                                    "127.0.0.1:0",
                                    "--storage-address",
                                    storage_address_,
                                    "--embedding-address",
                                    embedding_address_,
                                    "--cache-dir",
                                    directory_ + "/cache"};
  flags.insert(flags.end(), search_flags_.begin(), search_flags_.end());
  search_process_.emplace("engram-search", flags, directory_ + "/search.log",
                          EnvironmentOf(search_clock_));
}

void Cluster::StartSearch() {
  StartSearchProcess();
  WaitUntilServing(lifecycle::ConnectTo(search_address_));
}

std::string Cluster::CacheDirectory() const {
  return directory_ + "/cache/default";
}

std::string Cluster::SearchLog() const {
  std::ostringstream log;
  log << std::ifstream(directory_ + "/search.log").rdbuf();
  return log.str();
}

void Cluster::Kill() {
  search_process_.reset();
  embedding_process_.reset();
  storage_process_.reset();
}

void Cluster::Stop() {
  // A server's stop waits for its clients to hang up, and a synchronous client
  // without calls notices only every five seconds that it should.
  operations_.reset();
  indexes_.reset();
  search_.reset();
  vectors_.reset();
  records_.reset();
  catalog_.reset();
  EXPECT_EQ(search_process_->Terminate(), 0);
  EXPECT_EQ(embedding_process_->Terminate(), 0);
  EXPECT_EQ(storage_process_->Terminate(), 0);
  search_process_.reset();
  embedding_process_.reset();
  storage_process_.reset();
}

void Cluster::ApplySchema(absl::string_view yaml) {
  storage::v1::ApplySchemaRequest request;
  request.add_documents()->set_yaml(std::string(yaml));
  storage::v1::ApplySchemaResponse response;
  const absl::Time give_up = absl::Now() + kPatience;
  grpc::Status status;
  do {
    status = catalog_->ApplySchema(Context().get(), request, &response);
    if (status.ok()) return;
    absl::SleepFor(kPoll);
  } while (status.error_code() == grpc::StatusCode::FAILED_PRECONDITION &&
           absl::Now() < give_up);
  FAIL() << status.error_message();
}

std::string Cluster::Write(const std::string& collection, const std::string& id,
                           const std::string& text) {
  storage::v1::WriteRequest request;
  auto* item = request.add_items();
  item->set_collection(collection);
  item->mutable_upsert()->set_id(id);
  auto& fields = *item->mutable_upsert()->mutable_fields()->mutable_fields();
  fields["text"].set_string_value(text);
  storage::v1::WriteResponse response;
  const grpc::Status status =
      records_->Write(Context().get(), request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.position();
}

void Cluster::WaitForCoverage(const std::string& collection) {
  storage::v1::GetCoverageRequest request;
  request.set_collection(collection);
  storage::v1::GetCoverageResponse coverage;
  const absl::Time give_up = absl::Now() + kPatience;
  while (true) {
    ASSERT_TRUE(
        vectors_->GetCoverage(Context().get(), request, &coverage).ok());
    if (coverage.vector_fields(0).pending() == 0) break;
    ASSERT_LT(absl::Now(), give_up) << coverage.DebugString();
    absl::SleepFor(kPoll);
  }
  EXPECT_EQ(coverage.vector_fields(0).embedded(), coverage.records());
  WaitForPosition(coverage.position());
}

void Cluster::WaitForPosition(const std::string& position) {
  search::v1::WaitForPositionRequest wait;
  wait.set_position(position);
  search::v1::WaitForPositionResponse reached;
  const grpc::Status status =
      indexes_->WaitForPosition(Context(kPatience).get(), wait, &reached);
  ASSERT_TRUE(status.ok()) << status.error_message();
}

search::v1::VerifyIndexResult Cluster::Verify(const std::string& collection) {
  search::v1::VerifyIndexRequest request;
  request.set_collection(collection);
  search::v1::VerifyIndexResponse started;
  grpc::Status status =
      indexes_->VerifyIndex(Context().get(), request, &started);
  EXPECT_TRUE(status.ok()) << status.error_message();
  search::v1::OperationServiceWaitRequest wait;
  wait.set_name(started.operation().name());
  search::v1::OperationServiceWaitResponse ended;
  status = operations_->Wait(Context(kPatience).get(), wait, &ended);
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(ended.operation().state(), common::v1::Operation::STATE_SUCCEEDED)
      << ended.operation().DebugString();
  search::v1::VerifyIndexResult result;
  EXPECT_TRUE(ended.operation().result().UnpackTo(&result));
  return result;
}

std::unique_ptr<grpc::ClientContext> Cluster::Context(absl::Duration timeout) {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(absl::ToChronoTime(absl::Now() + timeout));
  return context;
}

void Cluster::WaitUntilServing(const std::shared_ptr<grpc::Channel>& channel) {
  const auto health = grpc::health::v1::Health::NewStub(channel);
  const absl::Time give_up = absl::Now() + kPatience;
  grpc::health::v1::HealthCheckResponse response;
  while (true) {
    const auto context = Context(kPatience);
    // Failing at once would also leave nobody to drive the connecting.
    context->set_wait_for_ready(true);
    if (health->Check(context.get(), {}, &response).ok() &&
        response.status() == grpc::health::v1::HealthCheckResponse::SERVING) {
      return;
    }
    ASSERT_LT(absl::Now(), give_up) << "not serving; logs in " << directory_;
    absl::SleepFor(kPoll);
  }
}

std::string RandomText::operator()(int words) {
  static constexpr const char* kWords[] = {
      "river",   "engine",  "music",   "cloud",   "bread",   "mountain",
      "lawyer",  "galaxy",  "needle",  "forest",  "battery", "poem",
      "vaccine", "bridge",  "chess",   "desert",  "harvest", "library",
      "magnet",  "ocean",   "painter", "quarrel", "rocket",  "saddle",
      "tunnel",  "violin",  "whale",   "yogurt",  "anchor",  "banker",
      "castle",  "dragon",  "eclipse", "factory", "garden",  "helmet",
      "island",  "jungle",  "kernel",  "lantern", "mirror",  "network",
      "orchid",  "pilot",   "queen",   "radar",   "senate",  "theatre",
      "uniform", "volcano", "window",  "zebra",   "apple",   "budget",
      "coffee",  "doctor",  "emerald", "falcon",  "glacier", "harbour",
      "insect",  "jacket",  "kitchen", "lemon"};
  std::string text;
  for (int i = 0; i < words; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : " ",
                    kWords[Below(sizeof(kWords) / sizeof(kWords[0]))]);
  }
  return text;
}

// splitmix64, https://prng.di.unimi.it/splitmix64.c
int RandomText::Below(int bound) {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return static_cast<int>((z ^ (z >> 31)) % static_cast<uint64_t>(bound));
}

}  // namespace engram::e2e
