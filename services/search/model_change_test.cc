// The model of a vector field changes under a running search: queries are
// answered from the old vectors until the new ones serve, and never from both.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using testing::FakeEmbeddingService;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr char kLetters[] = "letters-1";
constexpr char kTurned[] = "turned-1";

class ModelChangeTest : public testing::SearchTest {
 protected:
  // Declares the other model, which serves when Switch says so.
  void ChangeModel() {
    ASSERT_OK(
        storage_.RegisterModel(FakeEmbeddingService::kTurnedModel, kTurned, 5));
    ASSERT_OK(storage_.ApplySchema({R"(
collection: notes
fields:
  body: {type: text}
vectors:
  body: {source: [body], model: test/turned, metric: cosine, cutover: manual}
)"}));
  }

  // Returns the position of the switch.
  std::string Switch(int64_t generation) {
    storage::v1::SwitchGenerationRequest request;
    request.set_collection("notes");
    request.set_generation(generation);
    grpc::ClientContext context;
    storage::v1::SwitchGenerationResponse response;
    EXPECT_OK(FromGrpcStatus(
        storage_.catalog().SwitchGeneration(&context, request, &response)));
    return response.position();
  }

  // Ids nearest to a text, at the position or after.
  std::vector<std::string> FindAt(const std::string& text,
                                  const std::string& position) {
    v1::QueryRequest request = TextQuery(text);
    request.set_min_position(position);
    const auto found = Query(request);
    if (!found.ok()) return {found.status().ToString()};
    std::vector<std::string> ids;
    for (const v1::Hit& hit : found->hits()) ids.push_back(hit.id());
    return ids;
  }

  // The fingerprint of the vectors that serve, told by whose query vectors are
  // refused.
  std::string Serving() {
    v1::QueryRequest request = VectorQuery({1, 0, 0, 0});
    request.set_fingerprint(kLetters);
    const auto found = Query(request);
    if (found.ok()) return kLetters;
    EXPECT_EQ(ReasonOf(found.status()),
              common::v1::ERROR_REASON_FINGERPRINT_MISMATCH);
    EXPECT_THAT(found.status(), StatusIs(absl::StatusCode::kFailedPrecondition,
                                         "make it with model \"test/turned\""));
    return kTurned;
  }

  std::vector<std::pair<int64_t, v1::Index::State>> Indexes() {
    std::vector<std::pair<int64_t, v1::Index::State>> indexes;
    for (const v1::Index& index : ListIndexes()) {
      indexes.emplace_back(index.generation(), index.state());
    }
    return indexes;
  }
};

TEST_F(ModelChangeTest, QueriesGoFromOneModelToTheOtherAndBack) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  ChangeModel();
  WriteAndIndex({"c"});
  EXPECT_EQ(Serving(), kLetters);
  EXPECT_THAT(Find("b"), ElementsAre("b", "a", "c"));
  EXPECT_THAT(Indexes(),
              UnorderedElementsAre(Pair(1, v1::Index::STATE_SERVING),
                                   Pair(2, v1::Index::STATE_STANDBY)));
  const std::string forward = Switch(2);
  EXPECT_THAT(FindAt("b", forward), ElementsAre("b", "a", "c"));
  EXPECT_EQ(Serving(), kTurned);
  EXPECT_EQ(Verify()->difference_count(), 0);
  WriteAndIndex({"d"});
  const std::string back = Switch(1);
  EXPECT_THAT(FindAt("d", back), ElementsAre("d", "a", "b", "c"));
  EXPECT_EQ(Serving(), kLetters);
}

TEST_F(ModelChangeTest, BothIndexesLiveThroughARestart) {
  StartSearch();
  WriteAndIndex({"a", "b"});
  ChangeModel();
  EmbedPending();
  WaitUntilIndexed();
  StopSearch();
  StartSearch();
  EXPECT_EQ(Serving(), kLetters);
  EXPECT_THAT(FindAt("b", Switch(2)), ElementsAre("b", "a"));
  CrashAndRestart();
  WaitUntilIndexed();
  EXPECT_EQ(Serving(), kTurned);
  EXPECT_THAT(Find("a"), ElementsAre("a", "b"));
}

TEST_F(ModelChangeTest, AQueryThatWaitedInTheOldVectorsWaitsInTheNewOnes) {
  StartSearch();
  WriteAndIndex({"a"});
  ChangeModel();
  EmbedPending();
  v1::QueryRequest request = TextQuery("b");
  request.set_min_position(Write("b", "b"));
  absl::StatusOr<v1::QueryResponse> found;
  std::thread query([&] { found = Query(request, absl::Milliseconds(1500)); });
  // Until it waits; were it late, it would wait for the new ones at once.
  absl::SleepFor(absl::Milliseconds(20));
  Switch(2);
  EmbedPending(kLetters);
  query.join();
  EXPECT_THAT(found, StatusIs(absl::StatusCode::kDeadlineExceeded));
  EmbedPending(kTurned);
  EXPECT_THAT(FindAt("b", request.min_position()), ElementsAre("b", "a"));
}

TEST_F(ModelChangeTest, SwitchesUnderLoadFailNoQuery) {
  StartSearch();
  WriteAndIndex({"a", "b", "c"});
  ChangeModel();
  EmbedPending();
  WaitUntilIndexed();
  std::atomic<bool> is_over = false;
  std::atomic<int> answered = 0;
  std::vector<std::thread> clients;
  for (int client = 0; client < 2; ++client) {
    clients.emplace_back([&] {
      while (!is_over) {
        EXPECT_THAT(Find("bc"), UnorderedElementsAre("a", "b", "c"));
        ++answered;
      }
    });
  }
  int asked_before = 0;
  for (int i = 0; i < 20; ++i) {
    ASSERT_OK(WaitForPosition(Switch(i % 2 == 0 ? 2 : 1)));
    // One query at least sees each.
    while (answered < asked_before + 2) std::this_thread::yield();
    asked_before = answered;
  }
  is_over = true;
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace engram::search
