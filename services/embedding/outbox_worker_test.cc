#include "services/embedding/outbox_worker.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/isolating_provider.h"
#include "services/embedding/testing/fake_provider.h"
#include "services/embedding/testing/fake_storage.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using ::testing::ElementsAre;
using testing::FakeProvider;
using testing::FakeStorage;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class OutboxWorkerTest : public ::testing::Test {
 protected:
  OutboxWorkerTest() {
    StartStorage();
    grpc::ChannelArguments arguments;
    // A restart must not make the test wait for gRPC's first second.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 10);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 10);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 10);
    client_ = std::make_unique<StorageClient>(grpc::CreateCustomChannel(
        address_, grpc::InsecureChannelCredentials(), arguments));
    UseProvider(std::make_unique<FakeProvider>());
  }
  ~OutboxWorkerTest() override {
    client_->Shutdown();
    workers_.clear();
    storage_ = nullptr;
    unlink(address_.substr(sizeof("unix:") - 1).c_str());
  }

  void StartStorage() { storage_ = std::make_unique<FakeStorage>(address_); }
  void StopStorage() { storage_ = nullptr; }

  void UseProvider(std::unique_ptr<FakeProvider> provider) {
    provider_ = provider.get();
    std::vector<std::unique_ptr<Provider>> providers;
    providers.push_back(
        std::make_unique<IsolatingProvider>(std::move(provider)));
    isolating_ = providers.front().get();
    catalog_ = *ModelCatalog::Create(std::move(providers), "fake/small");
    registrar_ = std::make_unique<ModelRegistrar>(*catalog_, *client_);
    keeper_ = std::make_unique<LeaseKeeper>(*client_, absl::Minutes(1), clock_);
    workers_.clear();
    worker_ = AddWorker();
  }

  OutboxWorker* AddWorker() {
    workers_.push_back(std::make_unique<OutboxWorker>(
        *isolating_, *client_, *registrar_, *keeper_,
        OutboxWorkerSettings{.holder = "test",
                             .max_backoff = absl::Milliseconds(1)},
        registry_));
    return workers_.back().get();
  }

  std::string metrics() const {
    return prometheus::TextSerializer().Serialize(registry_.Collect());
  }

  const std::string address_ = absl::StrCat("unix:", ::testing::TempDir(),
                                            "engram-outbox-worker-", getpid());
  prometheus::Registry registry_;
  std::unique_ptr<FakeStorage> storage_;
  std::unique_ptr<StorageClient> client_;
  std::unique_ptr<ModelCatalog> catalog_;
  FakeProvider* provider_ = nullptr;
  // Of the stack, what tells texts that are at fault.
  Provider* isolating_ = nullptr;
  std::unique_ptr<ModelRegistrar> registrar_;
  engram::testing::FakeClock clock_;
  std::unique_ptr<LeaseKeeper> keeper_;
  std::vector<std::unique_ptr<OutboxWorker>> workers_;
  OutboxWorker* worker_ = nullptr;
};

TEST_F(OutboxWorkerTest, EmbedsWhatWaitsInOneCall) {
  storage_->WriteText("a", "photo editor");
  storage_->WriteText("b", "network monitor");

  ASSERT_OK(worker_->RunOnce());

  EXPECT_THAT(
      storage_->vectors(),
      UnorderedElementsAre(Pair("a", provider_->VectorOf("photo editor")),
                           Pair("b", provider_->VectorOf("network monitor"))));
  EXPECT_EQ(provider_->calls(), 1);
  EXPECT_EQ(provider_->last_purpose(), Purpose::kDocument);
  EXPECT_THAT(metrics(), HasSubstr("engram_embedding_vectors_stored_total 2"));
}

// What was paid for is stored before more is paid for.
TEST_F(OutboxWorkerTest, TakesNoMoreThanItsProviderTakesInACall) {
  auto provider = std::make_unique<FakeProvider>();
  provider->set_limits({.texts = 2});
  UseProvider(std::move(provider));
  for (const char* const id : {"a", "b", "c"}) storage_->WriteText(id, id);

  ASSERT_OK(worker_->RunOnce());

  EXPECT_THAT(storage_->vectors(), SizeIs(2));
}

TEST_F(OutboxWorkerTest, RegistersItsModelsFirst) {
  storage_->WriteText("a", "photo editor");
  provider_->set_before([&](auto) {
    EXPECT_THAT(storage_->models(), ElementsAre("fake/small"));
    return absl::OkStatus();
  });

  ASSERT_OK(worker_->RunOnce());

  EXPECT_EQ(provider_->calls(), 1);
}

TEST_F(OutboxWorkerTest, TextThatChangesWhileItIsEmbeddedIsEmbeddedAgain) {
  storage_->WriteText("a", "old");
  provider_->set_before([&](auto texts) {
    if (texts[0] == "old") storage_->WriteText("a", "new");
    return absl::OkStatus();
  });

  ASSERT_OK(worker_->RunOnce());
  EXPECT_THAT(storage_->vectors(), IsEmpty());
  EXPECT_THAT(metrics(), HasSubstr("engram_embedding_vectors_dropped_total 1"));

  ASSERT_OK(worker_->RunOnce());
  EXPECT_THAT(storage_->vectors(),
              ElementsAre(Pair("a", provider_->VectorOf("new"))));
}

TEST_F(OutboxWorkerTest, EntriesOfAProviderThatIsDownComeAgain) {
  storage_->WriteText("a", "photo editor");
  provider_->set_before([](auto) { return absl::UnavailableError("down"); });
  EXPECT_THAT(worker_->RunOnce(),
              StatusIs(absl::StatusCode::kUnavailable, "down"));
  EXPECT_THAT(storage_->vectors(), IsEmpty());

  // They were given back at once.
  provider_->set_before([](auto) { return absl::OkStatus(); });
  ASSERT_OK(worker_->RunOnce());

  EXPECT_THAT(storage_->vectors(), SizeIs(1));
  EXPECT_THAT(storage_->postponed(), IsEmpty());
}

// Whatever its answers are, the texts are not at fault.
TEST_F(OutboxWorkerTest, AProviderThatNeverWorksMakesNoFailures) {
  for (const char* const id : {"a", "b", "c"}) storage_->WriteText(id, id);
  provider_->set_before([](auto) { return absl::InternalError("garbage"); });

  EXPECT_THAT(worker_->RunOnce(),
              StatusIs(absl::StatusCode::kInternal, "garbage"));

  EXPECT_EQ(provider_->calls(), 2);  // And a try of something else.
  EXPECT_THAT(storage_->postponed(), IsEmpty());
  provider_->set_before({});
  ASSERT_OK(worker_->RunOnce());
  EXPECT_THAT(storage_->vectors(), SizeIs(3));
}

TEST_F(OutboxWorkerTest, ATextThatTheProviderStumblesOverIsPostponed) {
  for (const char* const id : {"a", "b", "poison", "c"}) {
    storage_->WriteText(id, id);
  }
  for (const auto code :
       {absl::StatusCode::kInternal, absl::StatusCode::kUnavailable,
        absl::StatusCode::kDeadlineExceeded}) {
    provider_->set_before([code](FakeProvider::Texts texts) {
      for (const auto text : texts) {
        if (text == "poison") return absl::Status(code, "NaN");
      }
      return absl::OkStatus();
    });
    ASSERT_OK(worker_->RunOnce());
    EXPECT_THAT(storage_->vectors(), SizeIs(3));
    EXPECT_THAT(storage_->postponed(), ElementsAre(Pair("poison", "NaN")));
    storage_->ExpireLeases();
  }
  EXPECT_THAT(metrics(), HasSubstr("engram_embedding_texts_postponed_total 3"));
}

TEST_F(OutboxWorkerTest, ARefusedTextDoesNotHoldBackTheOthers) {
  storage_->WriteText("a", "photo editor");
  storage_->WriteText("b", "refused");
  storage_->WriteText("c", "network monitor");
  provider_->set_before([](FakeProvider::Texts texts) {
    for (const auto text : texts) {
      if (text == "refused") {
        return absl::InvalidArgumentError("9000 tokens, at most 8192");
      }
    }
    return absl::OkStatus();
  });

  ASSERT_OK(worker_->RunOnce());

  EXPECT_THAT(storage_->vectors(),
              UnorderedElementsAre(Pair("a", SizeIs(8)), Pair("c", SizeIs(8))));
  EXPECT_THAT(storage_->refused(),
              ElementsAre(Pair("b", "9000 tokens, at most 8192")));
  EXPECT_THAT(metrics(), HasSubstr("engram_embedding_texts_failed_total 1"));
}

TEST_F(OutboxWorkerTest, TellsWhatWasUsed) {
  for (const char* const id : {"a", "b", "c"}) storage_->WriteText(id, id);

  ASSERT_OK(worker_->RunOnce());

  EXPECT_EQ(storage_->usage().requests(), 1);
  EXPECT_EQ(storage_->usage().texts(), 3);
  EXPECT_EQ(storage_->usage().tokens(), 3);
  EXPECT_EQ(storage_->usage().cost_nanousd(), 1'500'000'000);
}

TEST_F(OutboxWorkerTest, ALongCallKeepsItsLease) {
  storage_->WriteText("a", "photo editor");
  provider_->set_before([&](auto) {
    clock_.Advance(absl::Seconds(19));
    keeper_->RunOnce();
    EXPECT_EQ(storage_->extensions(), 0);
    for (int i = 1; i <= 3; ++i) {
      clock_.Advance(absl::Seconds(21));
      keeper_->RunOnce();
      EXPECT_EQ(storage_->extensions(), i);
    }
    return absl::OkStatus();
  });

  ASSERT_OK(worker_->RunOnce());

  // What is answered needs no lease.
  clock_.Advance(absl::Seconds(60));
  keeper_->RunOnce();
  EXPECT_EQ(storage_->extensions(), 3);
}

TEST_F(OutboxWorkerTest, WhatAnotherHasIsNotEmbedded) {
  auto provider = std::make_unique<FakeProvider>();
  provider->set_limits({.texts = 2});
  UseProvider(std::move(provider));
  // Two chunks, which fill a call.
  storage_->WriteText("a", "one two three four\n\nfive six seven eight");
  storage_->CutAtParagraphs("a");
  storage_->WriteText("b", "b");
  std::vector<std::string> given;
  provider_->set_before([&](FakeProvider::Texts texts) {
    for (const absl::string_view text : texts) given.emplace_back(text);
    storage_->TakeAway("b");
    clock_.Advance(absl::Seconds(30));
    keeper_->RunOnce();
    return absl::OkStatus();
  });

  ASSERT_OK(worker_->RunOnce());

  EXPECT_THAT(given, ElementsAre("one two three four", "five six seven eight"));
}

TEST_F(OutboxWorkerTest, VectorsAreKeptWhileStorageIsBusy) {
  storage_->WriteText("a", "photo editor");
  storage_->FailPuts(3, absl::ResourceExhaustedError("the queue is full"));

  ASSERT_OK(worker_->RunOnce());

  EXPECT_THAT(storage_->vectors(), SizeIs(1));
  EXPECT_EQ(provider_->calls(), 1);
}

// Else they would be paid for again and again.
TEST_F(OutboxWorkerTest, VectorsThatStorageRefusesAreReported) {
  storage_->WriteText("a", "photo editor");
  storage_->WriteText("b", "network monitor");
  // That of both, then that of the first.
  storage_->FailPuts(2, absl::InvalidArgumentError("wrong dimension"));

  ASSERT_OK(worker_->RunOnce());

  EXPECT_THAT(storage_->postponed(), ElementsAre(Pair("a", "wrong dimension")));
  EXPECT_THAT(storage_->vectors(), ElementsAre(Pair("b", SizeIs(8))));
}

TEST_F(OutboxWorkerTest, MessagesStayWithinTheirBound) {
  UseProvider(std::make_unique<FakeProvider>("fake/small", 4096));
  for (int i = 0; i < 300; ++i) {  // 16 KiB each: 4.7 MiB in all.
    storage_->WriteText(absl::StrCat(i), absl::StrCat("text ", i));
  }

  ASSERT_OK(worker_->RunOnce());

  EXPECT_THAT(storage_->vectors(), SizeIs(300));
  EXPECT_LE(storage_->largest_put_bytes(), 2 << 20);
}

TEST_F(OutboxWorkerTest, EntriesOfOtherModelsAreLeftToOthers) {
  storage_->WriteText("a", "photo editor", "other/model@1");
  storage_->WriteText("b", "network monitor");

  ASSERT_OK(worker_->RunOnce());

  EXPECT_THAT(storage_->vectors(), ElementsAre(Pair("b", SizeIs(8))));
}

TEST_F(OutboxWorkerTest, SurvivesARestartOfStorageAndRegistersAgain) {
  worker_->Start();
  storage_->WriteText("a", "photo editor");
  storage_->AwaitVectors(1);
  storage_->AwaitLongPoll();

  StopStorage();
  StartStorage();  // An empty one: it knows no model.
  storage_->WriteText("b", "network monitor");
  storage_->AwaitVectors(1);

  EXPECT_THAT(storage_->models(), ElementsAre("fake/small"));
}

TEST_F(OutboxWorkerTest, WaitsForAStorageThatIsNotThereYet) {
  StopStorage();
  EXPECT_THAT(worker_->RunOnce(), StatusIs(absl::StatusCode::kUnavailable));
  worker_->Start();

  StartStorage();
  storage_->WriteText("a", "photo editor");
  storage_->AwaitVectors(1);
}

TEST_F(OutboxWorkerTest, SeveralWorkersShareTheWork) {
  AddWorker();
  for (int i = 0; i < 5000; ++i) {
    storage_->WriteText(absl::StrCat(i), absl::StrCat("text ", i));
  }
  for (const auto& worker : workers_) worker->Start();

  storage_->AwaitVectors(5000);

  // Ten batches of 512 hold them all: no text was handed to both.
  EXPECT_EQ(provider_->calls(), 10);
}

TEST_F(OutboxWorkerTest, ShutdownEndsALongPollAtOnce) {
  absl::Status status;
  std::thread poll([&] { status = worker_->RunOnce(); });
  storage_->AwaitLongPoll();
  const absl::Time before = absl::Now();

  client_->Shutdown();
  poll.join();

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  // It would have lasted ten seconds.
  EXPECT_LT(absl::Now() - before, absl::Seconds(5));
  EXPECT_THAT(worker_->RunOnce(), StatusIs(absl::StatusCode::kCancelled));
}

TEST_F(OutboxWorkerTest, ShutdownEndsThePauseOfARetry) {
  storage_->WriteText("a", "photo editor");
  storage_->FailPuts(1 << 20, absl::UnavailableError("down"));
  provider_->set_before([&](auto) {
    client_->Shutdown();
    return absl::OkStatus();
  });

  EXPECT_THAT(worker_->RunOnce(), StatusIs(absl::StatusCode::kCancelled));
}

}  // namespace
}  // namespace engram::embedding
