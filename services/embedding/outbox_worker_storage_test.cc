// The worker against the real storage: what the two promise each other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
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
using ::testing::ElementsAre;
using testing::FakeProvider;
using ::testing::IsEmpty;

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
      absl::string_view values = response.records().values();
      for (const auto& record : response.records().records()) {
        const auto& stored = record.vectors(0);
        const size_t bytes = stored.bytes() / stored.chunks();
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
    UseWorker(absl::Minutes(1));
  }

  void UseWorker(absl::Duration lease) {
    worker_ = std::make_unique<OutboxWorker>(
        *provider_, *client_, *registrar_,
        OutboxWorkerSettings{
            .holder = "test", .max_entries = 20, .lease = lease},
        registry_);
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
  EXPECT_EQ(provider_->calls(), 2);
  EXPECT_EQ(Embedded(), 2);

  storage_.Restart();  // The leases had a minute to go.
  Connect();
  ExpectTheRestIsEmbedded();
}

TEST_F(ManyChunksTest, AreLeftToOthersWhenTheLeaseHasEnded) {
  UseWorker(absl::Milliseconds(1));
  provider_->set_before([](auto) {
    absl::SleepFor(absl::Milliseconds(2));
    return absl::OkStatus();
  });
  ASSERT_OK(worker_->RunOnce());
  EXPECT_EQ(provider_->calls(), 1);
  EXPECT_EQ(Embedded(), 2);

  UseWorker(absl::Minutes(1));
  ExpectTheRestIsEmbedded();
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
