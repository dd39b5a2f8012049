// What becomes of the outbox when a provider behind HTTP does not work well:
// the worker and all that is wrapped around the provider, against the real
// storage. Records can be written all the time; in the end each has the vector
// of its text, and no text was paid for twice.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/clock/testing/fake_timers.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/lease_keeper.h"
#include "services/embedding/model_registrar.h"
#include "services/embedding/outbox_worker.h"
#include "services/embedding/provider_stack.h"
#include "services/embedding/providers/http_provider.h"
#include "services/embedding/providers/provider_config.h"
#include "services/embedding/storage_client.h"
#include "services/embedding/testing/provider_server.h"
#include "services/embedding/testing/text_vector.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::embedding {
namespace {

using engram::testing::FakeTimers;
using engram::testing::StatusIs;
using storage::testing::TestStorage;
using testing::AskedFor;
using ::testing::HasSubstr;
using testing::ProviderKind;
using testing::ProviderServer;
using testing::TextVector;
using Behaviour = ProviderServer::Behaviour;
using Fate = http::testing::FakeResponse::Fate;

constexpr int kNotes = 40;

class OutboxProviderTest : public ::testing::Test {
 protected:
  OutboxProviderTest() {
    WriteKey();
    const ProviderConfig config = *ParseProviderConfig(
        absl::StrCat("providers:\n  compatible:\n    format: openai\n",
                     "    base_url: ", server_.base_url(), "\n",
                     "    key_file: ", key_file_, "\n    proxy: none\n",
                     "    max_texts: 16\n    models:\n",
                     "      test-model: {dimensions: 8, ",
                     "usd_per_million_tokens: 2}\n",
                     "use: [compatible/test-model]\n"),
        "test.yaml");
    const RemoteModel& model = config.models.at(0);
    std::vector<Endpoint> endpoints;
    endpoints.push_back(
        {std::make_unique<HttpProvider>(
             model, std::make_shared<HttpChannel>(model.provider.http, 4)),
         {}});
    std::vector<std::unique_ptr<Provider>> providers;
    providers.push_back(
        WrapRemote(std::move(endpoints), {registry_, timers_, cache_}));
    provider_ = providers.front().get();
    catalog_ =
        *ModelCatalog::Create(std::move(providers), provider_->model().name);
    client_ = std::make_unique<StorageClient>(storage_.channel());
    registrar_ = std::make_unique<ModelRegistrar>(*catalog_, *client_);
    keeper_ = std::make_unique<LeaseKeeper>(*client_, absl::Minutes(1), clock_);
    worker_ = std::make_unique<OutboxWorker>(
        *provider_, *client_, *registrar_, *keeper_,
        OutboxWorkerSettings{.holder = "test",
                             .wait = absl::ZeroDuration(),
                             .max_backoff = absl::Milliseconds(1)},
        registry_);
    EXPECT_OK(registrar_->EnsureRegistered());
    EXPECT_OK(storage_.ApplySchema({R"(
collection: notes
fields:
  content: {type: text}
vectors:
  content: {source: [content], model: default}
)"}));
  }

  void WriteKey() { std::ofstream(key_file_) << ProviderServer::kKey; }

  void WriteNote(const std::string& id, const std::string& content) {
    ASSERT_OK(
        storage_.Upsert("notes", id, "{\"content\": \"" + content + "\"}"));
    texts_[id] = content;
  }
  void DeleteNote(const std::string& id) {
    ASSERT_OK(storage_.Delete("notes", id));
    texts_.erase(id);
  }
  // Writes notes that were never there.
  void WriteNotes(int count) {
    for (int i = 0; i < count; ++i) {
      const int number = written_++;
      WriteNote(absl::StrCat(number), absl::StrCat("text ", number));
    }
  }

  // Has the worker handle a lease, while the time of the stack passes.
  absl::Status RunOnce() {
    absl::Status status;
    std::atomic<bool> has_ended = false;
    std::thread work([&] {
      status = worker_->RunOnce();
      has_ended = true;
    });
    while (!has_ended) {
      // One is the call's deadline.
      if (timers_.waiting() > 1) timers_.Advance(absl::Milliseconds(20));
      absl::SleepFor(absl::Microseconds(50));
    }
    work.join();
    return status;
  }

  storage::v1::VectorFieldCoverage Coverage() {
    const auto coverage = storage_.Coverage("notes");
    EXPECT_OK(coverage);
    return coverage->vector_fields(0);
  }
  int64_t Failed() {
    int64_t failed = 0;
    const auto coverage = Coverage();
    for (const auto& count : coverage.failures()) failed += count.records();
    return failed;
  }

  // Handles leases, of which some may end in errors, until all is embedded, and
  // checks the vector of each note.
  void EmbedTheRest() {
    for (int tries = 0; Coverage().pending() > 0 && tries < 100; ++tries) {
      (void)RunOnce();
      // What was postponed.
      clock_.Advance(absl::Seconds(10));
      storage_.RunOnce();
    }
    EXPECT_EQ(Coverage().embedded(), static_cast<int64_t>(texts_.size()));
    storage::v1::GetVectorsRequest request;
    request.set_collection("notes");
    for (const auto& [id, text] : texts_) request.add_ids(id);
    grpc::ClientContext context;
    storage::v1::GetVectorsResponse response;
    ASSERT_TRUE(
        storage_.vectors().GetVectors(&context, request, &response).ok());
    int place = 0;
    for (const auto& [id, text] : texts_) {
      const auto& record = response.records(place++);
      ASSERT_EQ(record.chunks_size(), 1) << id;
      const auto vector =
          storage::testing::UnpackVector(record.chunks(0).values());
      EXPECT_THAT(vector, ::testing::Pointwise(::testing::FloatNear(1e-5),
                                               TextVector(text, 8)))
          << id;
    }
  }

  // How often each text was paid for.
  std::map<std::string, int> Paid() const {
    std::map<std::string, int> paid;
    for (const AskedFor& asked : server_.requests()) {
      if (!asked.is_paid) continue;
      for (const std::string& text : asked.texts) ++paid[text];
    }
    paid.erase("engram");  // What the stack finds out with whether it works.
    return paid;
  }
  void ExpectNothingWasPaidTwice() {
    for (const auto& [text, times] : Paid()) EXPECT_EQ(times, 1) << text;
  }

  const engram::testing::TempDirectory directory_;
  const std::string key_file_ = directory_.path() + "/key";
  prometheus::Registry registry_;
  engram::testing::FakeClock clock_;
  TestStorage storage_{clock_};
  ProviderServer server_{ProviderKind::kCompatible};
  // HTTP goes by the real one.
  FakeTimers timers_{absl::Now()};
  VectorCache cache_{1 << 20};
  Provider* provider_;
  std::unique_ptr<ModelCatalog> catalog_;
  std::unique_ptr<StorageClient> client_;
  std::unique_ptr<ModelRegistrar> registrar_;
  std::unique_ptr<LeaseKeeper> keeper_;
  std::unique_ptr<OutboxWorker> worker_;
  int written_ = 0;
  // What each note holds.
  std::map<std::string, std::string> texts_;
};

struct Fault {
  std::string name;
  Behaviour behaviour;
  absl::StatusCode code;
  std::string words;
};

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

// Whether the provider charges for what it answers.
bool IsPaid(const Fault& fault) {
  return fault.behaviour.status == 200 && fault.behaviour.fate == Fate::kSent;
}

std::vector<Fault> AllFaults() {
  return {
      {"Down", {.status = 503}, absl::StatusCode::kUnavailable, "503"},
      {"StormOf429s",
       {.status = 429, .headers = {{"Retry-After", "1"}}},
       absl::StatusCode::kResourceExhausted,
       "429"},
      {"QuotaUsedUp",
       {.status = 402, .words = "no credits"},
       absl::StatusCode::kResourceExhausted,
       "no credits"},
      {"ConnectionsBreak",
       {.fate = Fate::kReset},
       absl::StatusCode::kUnavailable,
       "compatible"},
      {"KeyRevoked",
       {.status = 401, .words = "key revoked"},
       absl::StatusCode::kFailedPrecondition,
       "key revoked"},
      {"ModelMistyped",
       {.status = 404, .words = "The model `tset` does not exist"},
       absl::StatusCode::kFailedPrecondition,
       "`tset` does not exist"},
      {"DimensionsChanged",
       {.change_vectors =
            [](auto& vectors) {
              for (auto& vector : vectors) vector.push_back(1);
            }},
       absl::StatusCode::kInternal,
       "a vector has 9 values, the model has 8"},
      {"Garbage",
       {.change_body = [](auto body) { return body.substr(0, 40); }},
       absl::StatusCode::kInternal,
       "compatible"},
  };
}

class ProviderFaultTest : public OutboxProviderTest,
                          public ::testing::WithParamInterface<Fault> {};

TEST_P(ProviderFaultTest, WhateverIsWrongTheTextsWaitForTheProvider) {
  const Fault& fault = GetParam();
  server_.Behave(fault.behaviour);
  WriteNotes(5);
  for (int i = 0; i < 3; ++i) {
    // A breaker that is open tells why.
    EXPECT_THAT(std::string(RunOnce().message()), HasSubstr(fault.words));
    EXPECT_THAT(provider_->health(), StatusIs(fault.code, fault.words));
    WriteNotes(5);
  }
  EXPECT_EQ(Coverage().pending(), 20);
  // No text is at fault.
  EXPECT_EQ(Failed(), 0);
  WriteNote("0", "changed");
  DeleteNote("1");

  server_.Behave({});
  timers_.Advance(absl::Minutes(1));
  EmbedTheRest();
  EXPECT_OK(provider_->health());
  if (!IsPaid(fault)) ExpectNothingWasPaidTwice();
}

INSTANTIATE_TEST_SUITE_P(All, ProviderFaultTest,
                         ::testing::ValuesIn(AllFaults()),
                         [](const auto& info) { return info.param.name; });

TEST_F(OutboxProviderTest, AProviderThatIsDownForAMinuteUnderLoadCostsNothing) {
  server_.Behave({.status = 503});
  const absl::Time end = timers_.clock().Now() + absl::Minutes(1);
  while (timers_.clock().Now() < end) {
    WriteNotes(5);
    EXPECT_THAT(RunOnce(), StatusIs(absl::StatusCode::kUnavailable));
  }
  // A breaker is tried now and then.
  EXPECT_LE(server_.requests().size(), 20);

  server_.Behave({});
  timers_.Advance(absl::Minutes(1));
  EmbedTheRest();
  ExpectNothingWasPaidTwice();
}

TEST_F(OutboxProviderTest, AMissingKeyIsTakenUpOnceItIsThere) {
  std::filesystem::remove(key_file_);
  WriteNotes(kNotes);

  EXPECT_THAT(RunOnce(),
              StatusIs(absl::StatusCode::kFailedPrecondition, key_file_));
  EXPECT_THAT(provider_->health(),
              StatusIs(absl::StatusCode::kFailedPrecondition, key_file_));
  EXPECT_TRUE(server_.requests().empty());
  EXPECT_EQ(Coverage().pending(), kNotes);

  WriteKey();
  EmbedTheRest();
  EXPECT_OK(provider_->health());
  ExpectNothingWasPaidTwice();
}

TEST_F(OutboxProviderTest, OfMalformedAnswersNoneIsStored) {
  std::mt19937 random(42);
  int answers = 0;
  server_.Behave({.change_vectors = [&](std::vector<std::vector<float>>& all) {
    ++answers;
    // Half of the answers.
    switch (random() % 6) {
      case 0:
        all.pop_back();
        break;
      case 1:
        all[0][3] = NAN;
        break;
      case 2:
        all.back().pop_back();
        break;
      default:
        break;
    }
  }});
  WriteNotes(4 * kNotes);

  EmbedTheRest();
  EXPECT_GT(answers, 4 * kNotes / 16);
}

TEST_F(OutboxProviderTest, APoisonTextIsListedAndTheOthersArePaidForOnce) {
  WriteNotes(16);
  WriteNote("7", "poison");
  server_.Behave({.applies_to =
                      [](const AskedFor& asked) {
                        return ::testing::Matches(
                            ::testing::Contains("poison"))(asked.texts);
                      },
                  .status = 400,
                  .words = "maximum context length is 8192 tokens"});

  ASSERT_OK(RunOnce());

  EXPECT_EQ(Coverage().embedded(), 15);
  EXPECT_EQ(Failed(), 1);
  EXPECT_EQ(Paid().size(), 15);
  ExpectNothingWasPaidTwice();
  texts_.erase("7");
  EmbedTheRest();
}

// The provider answers 500 where the text is.
TEST_F(OutboxProviderTest, ATextThatItStumblesOverIsGivenUpInTheEnd) {
  WriteNotes(16);
  WriteNote("7", "poison");
  server_.Behave({.applies_to =
                      [](const AskedFor& asked) {
                        return ::testing::Matches(
                            ::testing::Contains("poison"))(asked.texts);
                      },
                  .status = 500,
                  .words = "NaN in the model"});
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(Failed(), 0);
    ASSERT_OK(RunOnce());
    EXPECT_EQ(Coverage().embedded(), 15);
    clock_.Advance(absl::Minutes(1));
    storage_.RunOnce();
  }

  EXPECT_EQ(Failed(), 1);
  ExpectNothingWasPaidTwice();
  // It takes no harm from it.
  EXPECT_OK(provider_->health());
  texts_.erase("7");
  EmbedTheRest();
}

TEST_F(OutboxProviderTest, ARecordMayGoOrChangeWhileItsTextIsThere) {
  WriteNotes(16);
  bool is_first = true;
  server_.Behave({.applies_to = [&](const AskedFor&) {
    if (std::exchange(is_first, false)) {
      WriteNote("3", "changed");
      DeleteNote("5");
    }
    return false;
  }});

  ASSERT_OK(RunOnce());
  EXPECT_EQ(Coverage().embedded(), 14);

  EmbedTheRest();
  ExpectNothingWasPaidTwice();
}

TEST_F(OutboxProviderTest, WhatWasPaidForIsCounted) {
  WriteNotes(kNotes);
  EmbedTheRest();
  // The cache has the text of another.
  WriteNote("copy", "text 0");
  EmbedTheRest();

  grpc::ClientContext context;
  storage::v1::GetUsageRequest request;
  storage::v1::GetUsageResponse response;
  ASSERT_TRUE(storage_.vectors().GetUsage(&context, request, &response).ok());
  ASSERT_EQ(response.rows_size(), 1);
  const auto& usage = response.rows(0).usage();
  EXPECT_EQ(usage.requests(), static_cast<int64_t>(server_.requests().size()));
  EXPECT_EQ(usage.texts(), kNotes);
  EXPECT_GT(usage.tokens(), kNotes);
  // Two dollars for a million.
  EXPECT_EQ(usage.cost_nanousd(), usage.tokens() * 2000);
}

}  // namespace
}  // namespace engram::embedding
