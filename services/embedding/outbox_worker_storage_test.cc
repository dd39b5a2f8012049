// The worker against the real storage: what the two promise each other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libs/status/testing/status_matchers.h"
#include "services/embedding/model_registrar.h"
#include "services/embedding/outbox_worker.h"
#include "services/embedding/storage_client.h"
#include "services/embedding/testing/fake_provider.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using storage::testing::TestStorage;
using testing::FakeProvider;

class OutboxWorkerStorageTest : public ::testing::Test {
 protected:
  OutboxWorkerStorageTest() {
    auto provider = std::make_unique<FakeProvider>();
    provider_ = provider.get();
    std::vector<std::unique_ptr<Provider>> providers;
    providers.push_back(std::move(provider));
    catalog_ = *ModelCatalog::Create(std::move(providers), "fake/small");
    Connect();
  }

  void Connect() {
    client_ = std::make_unique<StorageClient>(storage_.channel());
    registrar_ = std::make_unique<ModelRegistrar>(*catalog_, *client_);
    worker_ = std::make_unique<OutboxWorker>(
        *provider_, *client_, *registrar_,
        OutboxWorkerSettings{.holder = "test"}, registry_);
  }

  void CreateNotes() {
    ASSERT_OK(registrar_->EnsureRegistered());
    ASSERT_OK(storage_.ApplySchema({R"(
collection: notes
fields:
  content: {type: text}
vectors:
  content: {source: [content], model: default}
)"}));
  }

  void WriteNote(const std::string& id, const std::string& content) {
    ASSERT_OK(
        storage_.Upsert("notes", id, "{\"content\": \"" + content + "\"}"));
  }

  // How many notes have the vector of their present text.
  int64_t Embedded() {
    const auto coverage = storage_.Coverage("notes");
    EXPECT_OK(coverage);
    return coverage.ok() ? coverage->vector_fields(0).embedded() : -1;
  }

  prometheus::Registry registry_;
  TestStorage storage_;
  FakeProvider* provider_;
  std::unique_ptr<ModelCatalog> catalog_;
  std::unique_ptr<StorageClient> client_;
  std::unique_ptr<ModelRegistrar> registrar_;
  std::unique_ptr<OutboxWorker> worker_;
};

TEST_F(OutboxWorkerStorageTest, EveryRecordGetsItsVector) {
  CreateNotes();
  WriteNote("a", "photo editor");
  WriteNote("b", "network monitor");

  ASSERT_OK(worker_->RunOnce());

  EXPECT_EQ(Embedded(), 2);
}

TEST_F(OutboxWorkerStorageTest, TheVectorOfAnOlderTextIsNeverStored) {
  CreateNotes();
  WriteNote("a", "old");
  provider_->set_before([&](FakeProvider::Texts texts) {
    if (texts[0] == "old") WriteNote("a", "new");
    return absl::OkStatus();
  });

  ASSERT_OK(worker_->RunOnce());
  EXPECT_EQ(Embedded(), 0);

  ASSERT_OK(worker_->RunOnce());
  EXPECT_EQ(Embedded(), 1);
  EXPECT_EQ(provider_->calls(), 2);
}

TEST_F(OutboxWorkerStorageTest, ARecordDeletedMeanwhileIsForgotten) {
  CreateNotes();
  WriteNote("a", "photo editor");
  WriteNote("b", "network monitor");
  provider_->set_before([&](auto) {
    EXPECT_OK(storage_.Delete("notes", "a"));
    return absl::OkStatus();
  });

  ASSERT_OK(worker_->RunOnce());

  EXPECT_EQ(Embedded(), 1);
}

TEST_F(OutboxWorkerStorageTest, ARestartOfStorageLosesNoText) {
  CreateNotes();
  WriteNote("a", "photo editor");
  provider_->set_before([](auto) { return absl::UnavailableError("down"); });
  EXPECT_THAT(worker_->RunOnce(), StatusIs(absl::StatusCode::kUnavailable));
  provider_->set_before([](auto) { return absl::OkStatus(); });

  storage_.Restart();  // The lease of "a" had a minute to go.
  Connect();
  ASSERT_OK(worker_->RunOnce());

  EXPECT_EQ(Embedded(), 1);
}

TEST_F(OutboxWorkerStorageTest, ShutdownEndsALongPoll) {
  absl::Status status;
  std::thread poll([&] {
    // Again if the poll ended for its own reasons, until it is shut down.
    while (status.ok()) status = worker_->RunOnce();
  });

  client_->Shutdown();
  poll.join();

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace engram::embedding
