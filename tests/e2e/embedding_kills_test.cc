// Embedding is killed in every stage of a lease, and storage now and then,
// while a client writes: in the end every text has its vector, and only texts
// in the hands of a process that was killed were paid for again.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "engram/storage/v1/catalog.grpc.pb.h"
#include "engram/storage/v1/record.grpc.pb.h"
#include "engram/storage/v1/vector.grpc.pb.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "services/embedding/testing/provider_server.h"
#include "services/embedding/testing/text_vector.h"
#include "tests/e2e/cluster.h"
#include "tests/e2e/process.h"
#include "tests/e2e/storage_process.h"

namespace engram::e2e {
namespace {

using embedding::testing::AskedFor;
using embedding::testing::ProviderKind;
using embedding::testing::ProviderServer;
using embedding::testing::TextVector;

constexpr int kRounds = 5;
constexpr int kThreads = 2;
constexpr int kMaxTexts = 16;
constexpr absl::Duration kPatience = absl::Minutes(1);
// Far more than what comes in meanwhile.
constexpr int kMaxNotes = 20'000;

// A provider whose calls can be held.
class HeldServer {
 public:
  HeldServer() {
    server_.Behave({.applies_to = [this](const AskedFor&) {
      Enter();
      return false;
    }});
  }

  std::string base_url() const { return server_.base_url(); }

  // From now on calls wait.
  void Hold() {
    absl::MutexLock lock(&mutex_);
    is_held_ = true;
  }
  void Release() {
    absl::MutexLock lock(&mutex_);
    is_held_ = false;
  }
  // Waits until a call waits, or has come since this call.
  void AwaitCall() {
    absl::MutexLock lock(&mutex_);
    const int before = is_held_ ? calls_ - waiting_ : calls_;
    const auto has_come = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return calls_ > before;
    };
    EXPECT_TRUE(mutex_.AwaitWithTimeout(absl::Condition(&has_come), kPatience));
  }

  // How often each text was paid for.
  std::map<std::string, int> Paid() const {
    std::map<std::string, int> paid;
    for (const AskedFor& asked : server_.requests()) {
      for (const std::string& text : asked.texts) ++paid[text];
    }
    return paid;
  }

 private:
  void Enter() {
    absl::MutexLock lock(&mutex_);
    ++calls_;
    ++waiting_;
    mutex_.Await(absl::Condition(
        +[](bool* is_held) { return !*is_held; }, &is_held_));
    --waiting_;
  }

  absl::Mutex mutex_;
  bool is_held_ ABSL_GUARDED_BY(mutex_) = false;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  // Last: it calls the rest.
  ProviderServer server_{ProviderKind::kCompatible};
};

class EmbeddingKillsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(directory_.File("key")) << ProviderServer::kKey;
    std::ofstream(directory_.File("providers.yaml"))
        << "providers:\n  compatible:\n    format: openai\n"
        << "    base_url: " << server_.base_url() << "\n"
        << "    key_file: " << directory_.File("key") << "\n"
        << "    proxy: none\n    max_texts: " << kMaxTexts << "\n"
        << "    models:\n      test-model: {dimensions: 8}\n"
        << "use: [compatible/test-model]\ndefault: compatible/test-model\n";
    storage_.Start();
    StartEmbedding();
    ApplySchema();
  }

  void StartEmbedding() {
    embedding_.emplace(
        "engram-embedding",
        std::vector<std::string>{
            "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0",
            "--storage-address", storage_.address(), "--providers",
            directory_.File("providers.yaml"), "--indexer-threads",
            absl::StrCat(kThreads), "--indexer-lease", "1s",
            "--indexer-max-backoff", "50ms"},
        directory_.File("log"));
  }

  // Once its model is registered.
  void ApplySchema() {
    const auto catalog =
        storage::v1::CatalogService::NewStub(storage_.channel());
    storage::v1::ApplySchemaRequest request;
    request.add_documents()->set_yaml(std::string(kNotesSchema));
    storage::v1::ApplySchemaResponse response;
    const absl::Time give_up = absl::Now() + kPatience;
    grpc::Status status;
    do {
      status =
          catalog->ApplySchema(Cluster::Context().get(), request, &response);
      if (status.ok()) return;
      absl::SleepFor(absl::Milliseconds(5));
    } while (absl::Now() < give_up);
    FAIL() << status.error_message();
  }

  // Writes a batch of notes, until it is acknowledged.
  void Write() {
    storage::v1::WriteRequest request;
    request.set_request_id(absl::StrCat(written_.load()));
    for (int i = 0; i < kMaxTexts; ++i) {
      storage::v1::WriteItem& item = *request.add_items();
      item.set_collection("notes");
      const int number = written_ + i;
      item.mutable_upsert()->set_id(absl::StrCat(number));
      (*item.mutable_upsert()->mutable_fields()->mutable_fields())["text"]
          .set_string_value(TextOf(number));
    }
    storage::v1::WriteResponse response;
    while (!storage::v1::RecordService::NewStub(channel())
                ->Write(Cluster::Context().get(), request, &response)
                .ok()) {
      absl::SleepFor(absl::Milliseconds(5));
    }
    written_ += kMaxTexts;
  }

  static std::string TextOf(int number) {
    return absl::StrCat("text ", number);
  }

  // Storage's present one.
  std::shared_ptr<grpc::Channel> channel() {
    absl::MutexLock lock(&mutex_);
    return storage_.channel();
  }
  void KillStorage() {
    absl::MutexLock lock(&mutex_);
    storage_.Kill();
    storage_.Start();
  }

  int64_t Pending() {
    storage::v1::GetCoverageRequest request;
    request.set_collection("notes");
    storage::v1::GetCoverageResponse coverage;
    const grpc::Status status =
        storage::v1::VectorService::NewStub(channel())->GetCoverage(
            Cluster::Context().get(), request, &coverage);
    EXPECT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(coverage.vector_fields(0).failures_size(), 0);
    return coverage.vector_fields(0).pending();
  }

  void CheckVectors() {
    const auto vectors = storage::v1::VectorService::NewStub(channel());
    for (int first = 0; first < written_; first += 1000) {
      storage::v1::GetVectorsRequest request;
      request.set_collection("notes");
      for (int i = first; i < std::min<int>(written_, first + 1000); ++i) {
        request.add_ids(absl::StrCat(i));
      }
      storage::v1::GetVectorsResponse response;
      ASSERT_TRUE(
          vectors->GetVectors(Cluster::Context().get(), request, &response)
              .ok());
      ASSERT_EQ(response.records_size(), request.ids_size());
      for (const auto& record : response.records()) {
        ASSERT_EQ(record.chunks_size(), 1) << record.id();
        const std::string& bytes = record.chunks(0).values();
        std::vector<float> vector(bytes.size() / sizeof(float));
        std::memcpy(vector.data(), bytes.data(), bytes.size());
        ASSERT_THAT(vector, ::testing::Pointwise(
                                ::testing::FloatNear(1e-5),
                                TextVector(TextOf(std::stoi(record.id())), 8)));
      }
    }
  }

  const engram::testing::TempDirectory directory_;
  HeldServer server_;
  absl::Mutex mutex_;
  StorageProcess storage_;
  std::optional<Process> embedding_;
  std::atomic<int> written_ = 0;
};

TEST_F(EmbeddingKillsTest, KillsInEveryStageOfALeaseLoseNoText) {
  std::atomic<bool> stop = false;
  std::thread writer([&] {
    while (!stop && written_ < kMaxNotes) {
      Write();
      absl::SleepFor(absl::Milliseconds(2));
    }
  });
  RandomText random(::testing::UnitTest::GetInstance()->random_seed());
  int kills = 0;
  const auto kill = [&] {
    embedding_->Kill();
    ++kills;
    StartEmbedding();
  };
  for (int round = 0; round < kRounds; ++round) {
    // Its texts are at the provider.
    server_.Hold();
    server_.AwaitCall();
    embedding_->Kill();
    ++kills;
    server_.Release();
    StartEmbedding();
    // The answer is on its way, or its vectors are, or have just been stored.
    server_.AwaitCall();
    absl::SleepFor(absl::Microseconds(random.Below(10'000)));
    kill();
    // It comes up, and leases for the first time.
    absl::SleepFor(absl::Milliseconds(random.Below(100)));
    kill();
    // Storage forgets the leases of one that lives.
    server_.AwaitCall();
    KillStorage();
    ++kills;
  }
  stop = true;
  writer.join();

  const absl::Time give_up = absl::Now() + kPatience;
  while (Pending() > 0 && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  ASSERT_EQ(Pending(), 0);
  CheckVectors();
  int again = 0;
  for (const auto& [text, times] : server_.Paid()) again += times - 1;
  EXPECT_LE(again, kills * kThreads * kMaxTexts);
  EXPECT_EQ(embedding_->Terminate(), 0);
}

}  // namespace
}  // namespace engram::e2e
