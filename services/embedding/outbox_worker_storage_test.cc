// The worker against the real storage: what the two promise each other.

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/isolating_provider.h"
#include "services/embedding/model_registrar.h"
#include "services/embedding/outbox_worker.h"
#include "services/embedding/storage_client.h"
#include "services/embedding/testing/fake_provider.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using storage::testing::TestStorage;
using ::testing::ElementsAre;
using testing::FakeProvider;
using ::testing::IsEmpty;

class OutboxWorkerStorageTest : public ::testing::Test {
 protected:
  OutboxWorkerStorageTest() {
    auto provider = std::make_unique<FakeProvider>();
    provider_ = provider.get();
    std::vector<std::unique_ptr<Provider>> providers;
    providers.push_back(
        std::make_unique<IsolatingProvider>(std::move(provider)));
    isolating_ = providers.front().get();
    catalog_ = *ModelCatalog::Create(std::move(providers), "fake/small");
    Connect();
  }

  void Connect() {
    client_ = std::make_unique<StorageClient>(storage_.channel());
    registrar_ = std::make_unique<ModelRegistrar>(*catalog_, *client_);
    keeper_ = std::make_unique<LeaseKeeper>(*client_, absl::Minutes(1), clock_);
    worker_ = std::make_unique<OutboxWorker>(
        *isolating_, *client_, *registrar_, *keeper_,
        OutboxWorkerSettings{.holder = "test",
                             .wait = absl::ZeroDuration(),
                             .max_backoff = absl::Milliseconds(1)},
        registry_);
  }

  void CreateNotes(const std::string& chunking = "none") {
    ASSERT_OK(registrar_->EnsureRegistered());
    ASSERT_OK(storage_.ApplySchema({R"(
collection: notes
fields:
  content: {type: text}
vectors:
  content: {source: [content], model: default, chunking: )" +
                                    chunking + "}"}));
  }

  // Writes, has the worker do what there is to do, and returns which texts the
  // provider was given.
  std::vector<std::string> EmbeddedOf(const std::string& id,
                                      const std::string& content) {
    std::vector<std::string> given;
    provider_->set_before([&](FakeProvider::Texts texts) {
      for (const absl::string_view text : texts) given.emplace_back(text);
      return absl::OkStatus();
    });
    WriteNote(id, content);
    EXPECT_OK(worker_->RunOnce());
    provider_->set_before({});
    return given;
  }

  // The vectors of every note, with the passages that they are of, as the
  // feed's snapshot has them.
  std::multimap<std::string, std::vector<float>> Passages(
      const std::string& content) {
    std::multimap<std::string, std::vector<float>> passages;
    grpc::ClientContext context;
    const auto reader = storage_.feed().StreamSnapshot(&context, {});
    storage::v1::StreamSnapshotResponse response;
    while (reader->Read(&response)) {
      for (const auto& stored : response.records().vectors()) {
        absl::string_view values = stored.values();
        const size_t bytes = values.size() / stored.ranges_size();
        for (const auto& range : stored.ranges()) {
          passages.emplace(
              content.substr(range.begin(), range.end() - range.begin()),
              storage::testing::UnpackVector(
                  std::string(values.substr(0, bytes))));
          values.remove_prefix(bytes);
        }
      }
    }
    EXPECT_TRUE(reader->Finish().ok());
    return passages;
  }

  // That each of `passages` has its own vector.
  void ExpectTrue(
      const std::multimap<std::string, std::vector<float>>& passages) {
    for (const auto& [passage, vector] : passages) {
      const std::vector<float> right = provider_->VectorOf(passage);
      for (size_t i = 0; i < right.size(); ++i) {
        ASSERT_NEAR(vector[i], right[i], 1e-6) << passage;
      }
    }
  }

  // Moves the clock, and ends leases whose time has come.
  void Advance(absl::Duration duration) {
    clock_.Advance(duration);
    storage_.RunOnce();
  }

  void WriteNote(const std::string& id, const std::string& content) {
    ASSERT_OK(
        storage_.Upsert("notes", id, "{\"content\": \"" + content + "\"}"));
  }

  // How many notes have a text that could not be embedded.
  int64_t Failed() {
    const auto coverage = storage_.Coverage("notes");
    EXPECT_OK(coverage);
    int64_t failed = 0;
    for (const auto& count : coverage->vector_fields(0).failures()) {
      failed += count.records();
    }
    return failed;
  }

  // How many notes have the vector of their present text.
  int64_t Embedded() {
    const auto coverage = storage_.Coverage("notes");
    EXPECT_OK(coverage);
    return coverage.ok() ? coverage->vector_fields(0).embedded() : -1;
  }

  // The generations of notes' vectors, the newest last.
  std::vector<storage::v1::GenerationStatus> Generations() {
    grpc::ClientContext context;
    storage::v1::ListGenerationsResponse response;
    EXPECT_TRUE(
        storage_.catalog().ListGenerations(&context, {}, &response).ok());
    return {response.generations().begin(), response.generations().end()};
  }

  // Has the newest vectors serve, and the others go.
  void FinishTheChange() {
    const std::vector<storage::v1::GenerationStatus> before = Generations();
    ASSERT_EQ(before.size(), 2);
    storage::v1::DropGenerationRequest request;
    request.set_collection("notes");
    request.set_generation(before[0].generation().id());
    grpc::Status dropped;
    do {  // What serves is not dropped.
      Advance(absl::Milliseconds(100));
      grpc::ClientContext context;
      storage::v1::DropGenerationResponse response;
      dropped = storage_.catalog().DropGeneration(&context, request, &response);
    } while (!dropped.ok());
  }

  prometheus::Registry registry_;
  engram::testing::FakeClock clock_;
  TestStorage storage_{clock_};
  FakeProvider* provider_;
  // Of the stack, what tells texts that are at fault.
  Provider* isolating_;
  std::unique_ptr<ModelCatalog> catalog_;
  std::unique_ptr<StorageClient> client_;
  std::unique_ptr<ModelRegistrar> registrar_;
  std::unique_ptr<LeaseKeeper> keeper_;
  std::unique_ptr<OutboxWorker> worker_;
};

// Another process that embeds, with threads of its own.
class Indexer {
 public:
  Indexer(TestStorage& storage, const ModelCatalog& catalog, Provider& provider,
          int workers)
      : client_(ChannelTo(storage.address())),
        registrar_(catalog, client_),
        keeper_(client_, absl::Minutes(1)) {
    for (int i = 0; i < workers; ++i) {
      workers_.push_back(std::make_unique<OutboxWorker>(
          provider, client_, registrar_, keeper_,
          OutboxWorkerSettings{.holder = "another",
                               .max_entries = 16,
                               .max_backoff = absl::Milliseconds(1)},
          registry_));
      workers_.back()->Start();
    }
  }
  ~Indexer() { client_.Shutdown(); }

 private:
  static std::shared_ptr<grpc::Channel> ChannelTo(const std::string& address) {
    grpc::ChannelArguments arguments;
    // A restart must not make the test wait for gRPC's first second.
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 5);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5);
    return grpc::CreateCustomChannel(
        address, grpc::InsecureChannelCredentials(), arguments);
  }

  prometheus::Registry registry_;
  StorageClient client_;
  ModelRegistrar registrar_;
  LeaseKeeper keeper_;
  std::vector<std::unique_ptr<OutboxWorker>> workers_;
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

// Paragraphs of 32 tokens or a few more each: chunks by themselves.
std::string Paragraph(const std::string& word) {
  std::string paragraph = word;
  for (int i = 0; i < 20; ++i) paragraph += " " + word;
  return paragraph;
}

TEST_F(OutboxWorkerStorageTest, OnlyTheChangedParagraphIsEmbeddedAgain) {
  CreateNotes("{by: paragraphs, size: 64}");
  const std::string a = Paragraph("a"), b = Paragraph("b"), c = Paragraph("c"),
                    d = Paragraph("d");
  // JSON's own newlines.
  const std::string gap = "\\n\\n";
  EXPECT_THAT(EmbeddedOf("n", a + gap + b + gap + c), ElementsAre(a, b, c));
  EXPECT_THAT(EmbeddedOf("n", a + gap + d + gap + c), ElementsAre(d));
  EXPECT_EQ(Embedded(), 1);
  auto passages = Passages(a + "\n\n" + d + "\n\n" + c);
  EXPECT_EQ(passages.size(), 3);
  EXPECT_TRUE(passages.contains(d));
  ExpectTrue(passages);

  // Nothing is new here, so that the provider is not called at all.
  const int calls = provider_->calls();
  EXPECT_THAT(EmbeddedOf("n", c + gap + a), IsEmpty());
  EXPECT_EQ(provider_->calls(), calls);
  EXPECT_EQ(Embedded(), 1);
  passages = Passages(c + "\n\n" + a);
  EXPECT_EQ(passages.size(), 2);  // That of `d` is gone.
  ExpectTrue(passages);
}

TEST_F(OutboxWorkerStorageTest, AnotherChunkingEmbedsAllAgain) {
  CreateNotes("{by: paragraphs, size: 64}");
  const std::string a = Paragraph("a"), b = Paragraph("b");
  EmbeddedOf("n", a + "\\n\\n" + b);
  CreateNotes("{by: paragraphs, size: 128}");
  int texts = 0;
  provider_->set_before([&](FakeProvider::Texts given) {
    texts += static_cast<int>(given.size());
    return absl::OkStatus();
  });
  ASSERT_OK(worker_->RunOnce());
  EXPECT_EQ(texts, 1);  // Both are small now.
  FinishTheChange();
  EXPECT_EQ(Passages(a + "\n\n" + b).size(), 1);
}

TEST_F(OutboxWorkerStorageTest, ChunksOfATextThatChangesMeanwhileAreDropped) {
  CreateNotes("{by: paragraphs, size: 64}");
  const std::string a = Paragraph("a"), b = Paragraph("b"), c = Paragraph("c");
  EmbeddedOf("n", a);
  WriteNote("n", a + "\\n\\n" + b);
  provider_->set_before([&](FakeProvider::Texts texts) {
    if (texts[0] == b) WriteNote("n", c + "\\n\\n" + a);
    return absl::OkStatus();
  });
  ASSERT_OK(worker_->RunOnce());
  EXPECT_EQ(Embedded(), 0);
  ASSERT_OK(worker_->RunOnce());
  EXPECT_EQ(Embedded(), 1);
  const auto passages = Passages(c + "\n\n" + a);
  EXPECT_EQ(passages.size(), 2);
  ExpectTrue(passages);
}

// Four notes of some 13 chunks, two of which make a call of at least 20 texts.
class ManyChunksTest : public OutboxWorkerStorageTest {
 protected:
  ManyChunksTest() {
    CreateNotes("{by: tokens, size: 16}");
    for (int i = 0; i < 200; ++i) text_ += "w" + std::to_string(i) + " ";
    for (int i = 0; i < 4; ++i) WriteNote("n" + std::to_string(i), text_);
    worker_ = std::make_unique<OutboxWorker>(
        *isolating_, *client_, *registrar_, *keeper_,
        OutboxWorkerSettings{.holder = "test", .max_entries = 20}, registry_);
  }

  // That all are as they should be after what a worker does now.
  void ExpectTheRestIsEmbedded() {
    provider_->set_before({});
    ASSERT_OK(worker_->RunOnce());
    EXPECT_EQ(Embedded(), 4);
    const auto passages = Passages(text_);
    EXPECT_GT(passages.size(), 48);
    ExpectTrue(passages);
  }

  std::string text_;
};

TEST_F(ManyChunksTest, AreAllStored) {
  ExpectTheRestIsEmbedded();
  EXPECT_EQ(provider_->calls(), 2);
}

TEST_F(ManyChunksTest, OfOneCallAreStoredBeforeTheNextIsPaidFor) {
  provider_->set_before([&](auto) {
    if (provider_->calls() == 1) return absl::OkStatus();
    EXPECT_EQ(Embedded(), 2);
    return absl::UnavailableError("down");
  });
  EXPECT_THAT(worker_->RunOnce(), StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(provider_->calls(), 3);  // And a try of something else.
  EXPECT_EQ(Embedded(), 2);

  ExpectTheRestIsEmbedded();
}

TEST_F(ManyChunksTest, AreLeftToOthersWhenTheLeaseHasEnded) {
  // Another has what is not embedded yet when this one asks for more time.
  storage::v1::LeasePendingResponse other;
  provider_->set_before([&](auto) {
    Advance(absl::Seconds(61));
    if (other.entries().empty()) other = *storage_.Lease("fake/small@1");
    keeper_->RunOnce();
    return absl::OkStatus();
  });
  ASSERT_OK(worker_->RunOnce());
  EXPECT_EQ(provider_->calls(), 1);
  EXPECT_EQ(Embedded(), 2);

  Advance(absl::Seconds(61));
  ExpectTheRestIsEmbedded();
}

// --- Faults: coverage is complete after each, or a failure is listed, and
// every text has been paid for once.

TEST_F(OutboxWorkerStorageTest, RacingIndexersDoNothingTwice) {
  CreateNotes();
  constexpr int kNotes = 400;
  absl::Mutex mutex;
  std::map<std::string, int> given;
  provider_->set_before([&](FakeProvider::Texts texts) {
    absl::MutexLock lock(&mutex);
    for (const absl::string_view text : texts) ++given[std::string(text)];
    return absl::OkStatus();
  });
  {
    Indexer first(storage_, *catalog_, *isolating_, 2);
    Indexer second(storage_, *catalog_, *isolating_, 2);
    for (int i = 0; i < kNotes; ++i) {
      WriteNote(absl::StrCat(i), absl::StrCat("text ", i));
    }
    while (Embedded() < kNotes) absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_EQ(given.size(), kNotes);
  for (const auto& [text, times] : given) EXPECT_EQ(times, 1) << text;
}

// Leases do not outlive storage, so that what is in the indexers' hands then
// may be embedded twice, and no more than that.
TEST_F(OutboxWorkerStorageTest, RestartsOfStorageDuringABackfillLoseNothing) {
  constexpr int kNotes = 400;
  constexpr int kRestarts = 3;
  constexpr int kInHands = 2 * 16;
  CreateNotes();
  for (int i = 0; i < kNotes; ++i) {
    WriteNote(absl::StrCat(i), absl::StrCat("text ", i));
  }
  for (int done = 0; done < kNotes; done += 512) ASSERT_OK(worker_->RunOnce());
  std::atomic<int> texts = 0;
  provider_->set_before([&](FakeProvider::Texts given) {
    texts += static_cast<int>(given.size());
    // So that a restart finds some calls under way.
    absl::SleepFor(absl::Milliseconds(1));
    return absl::OkStatus();
  });
  // Another chunking is another generation, which is filled from the start.
  CreateNotes("{by: paragraphs, size: 64}");
  const auto embedded = [&] { return Generations().back().embedded(); };
  ASSERT_EQ(embedded(), 0);
  {
    Indexer indexer(storage_, *catalog_, *isolating_, 2);
    for (int i = 1; i <= kRestarts; ++i) {
      const int enough = kNotes * i / (kRestarts + 1);
      while (texts < enough) absl::SleepFor(absl::Milliseconds(1));
      storage_.Restart();
    }
    while (embedded() < kNotes) absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_LE(texts, kNotes + kRestarts * kInHands);
  EXPECT_EQ(Failed(), 0);
}

// Whatever was done of a lease, the next one does the rest.
TEST_F(OutboxWorkerStorageTest, ALeaseMayEndAtAnyStage) {
  CreateNotes();
  const auto lease = [&] {
    const auto leased = storage_.Lease("fake/small@1");
    EXPECT_OK(leased);
    return *leased;
  };
  // Killed with the lease in its hands, or with the text at the provider: for
  // storage that is one.
  WriteNote("a", "leased");
  ASSERT_EQ(lease().entries_size(), 1);
  // Killed once the vector was stored, and before the answer came.
  WriteNote("b", "stored");
  const auto second = lease();
  ASSERT_EQ(second.entries_size(), 1);
  ASSERT_OK(storage_.Put(second.entries(0), {provider_->VectorOf("stored")}));
  // Killed after half of a batch.
  WriteNote("c", "half");
  WriteNote("d", "other half");
  const auto third = lease();
  ASSERT_EQ(third.entries_size(), 2);
  ASSERT_OK(storage_.Put(third.entries(0), {provider_->VectorOf("half")}));

  ASSERT_OK(worker_->RunOnce());
  EXPECT_EQ(Embedded(), 2);
  Advance(absl::Seconds(61));
  ASSERT_OK(worker_->RunOnce());

  EXPECT_EQ(Embedded(), 4);
  EXPECT_EQ(provider_->calls(), 1);
}

TEST_F(OutboxWorkerStorageTest, AProviderThatIsDownForAMinuteCostsNothing) {
  CreateNotes();
  const absl::Time up = clock_.Now() + absl::Minutes(1);
  int texts = 0;
  provider_->set_before([&](FakeProvider::Texts given) -> absl::Status {
    if (clock_.Now() < up) return absl::UnavailableError("down");
    texts += static_cast<int>(given.size());
    return absl::OkStatus();
  });
  int notes = 0;
  while (clock_.Now() < up) {
    for (int i = 0; i < 5; ++i, ++notes) {
      WriteNote(absl::StrCat(notes), absl::StrCat("text ", notes));
    }
    EXPECT_THAT(worker_->RunOnce(), StatusIs(absl::StatusCode::kUnavailable));
    Advance(absl::Seconds(5));
  }
  // One of the first is changed meanwhile, and one is deleted.
  WriteNote("0", "another text");
  ASSERT_OK(storage_.Delete("notes", "1"));

  ASSERT_OK(worker_->RunOnce());

  EXPECT_EQ(Embedded(), notes - 1);
  EXPECT_EQ(texts, notes - 1);
  EXPECT_EQ(Failed(), 0);
}

TEST_F(OutboxWorkerStorageTest, APoisonTextIsListedAndTheOthersAreEmbedded) {
  CreateNotes();
  for (int i = 0; i < 100; ++i) WriteNote(absl::StrCat(i), absl::StrCat(i));
  bool refuses = true;
  provider_->set_before([&](FakeProvider::Texts texts) -> absl::Status {
    for (const absl::string_view text : texts) {
      if (refuses && text == "42") {
        return absl::InvalidArgumentError("42 is too long");
      }
    }
    return absl::OkStatus();
  });

  ASSERT_OK(worker_->RunOnce());

  EXPECT_EQ(Embedded(), 99);
  EXPECT_EQ(Failed(), 1);
  // It is found by halves.
  EXPECT_LE(provider_->calls(), 15);
  refuses = false;
  grpc::ClientContext context;
  storage::v1::RetryFailuresResponse retried;
  EXPECT_TRUE(storage_.vectors().RetryFailures(&context, {}, &retried).ok());
  EXPECT_EQ(retried.retried(), 1);
  ASSERT_OK(worker_->RunOnce());
  EXPECT_EQ(Embedded(), 100);
  EXPECT_EQ(Failed(), 0);
}

TEST_F(OutboxWorkerStorageTest, ATextThatAlwaysFailsIsGivenUpInTheEnd) {
  CreateNotes();
  WriteNote("a", "poison");
  provider_->set_before([](FakeProvider::Texts texts) {
    return texts[0] == "poison" ? absl::InternalError("NaN") : absl::OkStatus();
  });
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Failed(), 0);
    ASSERT_OK(worker_->RunOnce());
    Advance(absl::Minutes(1));
  }
  EXPECT_EQ(Failed(), 1);
  // And is not asked for again.
  const int calls = provider_->calls();
  ASSERT_OK(worker_->RunOnce());
  EXPECT_EQ(provider_->calls(), calls);
}

TEST_F(OutboxWorkerStorageTest, ATextThatIsChangedBackCostsNothing) {
  CreateNotes();
  EXPECT_THAT(EmbeddedOf("a", "x"), ElementsAre("x"));
  WriteNote("a", "y");
  EXPECT_THAT(EmbeddedOf("a", "x"), IsEmpty());
  EXPECT_EQ(Embedded(), 1);
}

TEST_F(OutboxWorkerStorageTest, WhatWasGivenBackIsTakenUpAtOnce) {
  CreateNotes();
  WriteNote("a", "x");
  provider_->set_before([&](auto) {
    client_->Shutdown();
    return absl::CancelledError("embedding stops");
  });
  EXPECT_THAT(worker_->RunOnce(), StatusIs(absl::StatusCode::kCancelled));

  provider_->set_before({});
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
