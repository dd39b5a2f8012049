// The vectors of a collection are made anew, in another way, while processes
// serve: nothing stops, and every crash is made good.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/e2e/cluster.h"

namespace engram::e2e {
namespace {

using storage::v1::GenerationStatus;
using ::testing::Contains;

constexpr absl::Duration kPatience = absl::Minutes(2);

// The built-in model is the only one here; whole paragraphs instead of whole
// texts, compared by another metric, are other vectors all the same.
constexpr absl::string_view kOtherVectors = R"yaml(
collection: notes
fields:
  text: {type: text, required: true}
vectors:
  text: {source: [text], metric: dot, chunking: {by: paragraphs, size: 64}}
)yaml";

class ModelChangeTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.Start();
    cluster_.ApplySchema(kNotesSchema);
  }

  // Writes records of random text, many at a time.
  void WriteMany(int records) {
    RandomText text(7);
    storage::v1::WriteRequest request;
    for (int i = 0; i < records; ++i) {
      auto* item = request.add_items();
      item->set_collection("notes");
      item->mutable_upsert()->set_id(absl::StrCat("old-", i));
      (*item->mutable_upsert()->mutable_fields()->mutable_fields())["text"]
          .set_string_value(text(12));
      if (request.items_size() < 500 && i + 1 < records) continue;
      storage::v1::WriteResponse response;
      ASSERT_TRUE(cluster_.records()
                      .Write(Cluster::Context().get(), request, &response)
                      .ok());
      request.clear_items();
    }
  }

  std::vector<GenerationStatus> Generations() {
    storage::v1::ListGenerationsRequest request;
    request.set_collection("notes");
    storage::v1::ListGenerationsResponse response;
    const grpc::Status status = cluster_.catalog().ListGenerations(
        Cluster::Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return {response.generations().begin(), response.generations().end()};
  }
  void WaitUntilServing(int64_t generation) {
    const absl::Time give_up = absl::Now() + kPatience;
    while (absl::Now() < give_up) {
      for (const GenerationStatus& status : Generations()) {
        if (status.generation().id() == generation &&
            status.state() == GenerationStatus::STATE_SERVING) {
          return;
        }
      }
      absl::SleepFor(absl::Milliseconds(10));
    }
    FAIL() << "generation " << generation << " does not serve";
  }
  void Switch(int64_t generation) {
    storage::v1::SwitchGenerationRequest request;
    request.set_collection("notes");
    request.set_generation(generation);
    storage::v1::SwitchGenerationResponse response;
    const grpc::Status status = cluster_.catalog().SwitchGeneration(
        Cluster::Context().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }

  // Writes a record, and finds it at its position.
  void WriteAndFind(const std::string& id, const std::string& text) {
    const std::string position = cluster_.Write("notes", id, text);
    search::v1::QueryRequest request;
    request.set_collection("notes");
    request.set_text(text);
    request.set_min_position(position);
    search::v1::QueryResponse response;
    const grpc::Status status =
        cluster_.search().Query(Cluster::Context().get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> ids;
    for (const auto& hit : response.hits()) ids.push_back(hit.id());
    ASSERT_THAT(ids, Contains(id));
  }

  Cluster cluster_;
};

TEST_F(ModelChangeTest, NothingStopsForwardAndBack) {
  WriteMany(3000);
  cluster_.WaitForCoverage("notes");
  std::atomic<bool> is_over = false;
  std::thread client([&] {
    RandomText text(11);
    for (int i = 0; !is_over; ++i) {
      WriteAndFind(absl::StrCat("new-", i), text(12));
      if (HasFatalFailure()) return;
    }
  });
  cluster_.ApplySchema(kOtherVectors);
  WaitUntilServing(2);
  // What is written just now may not have vectors of both yet, and need not.
  for (const int64_t generation : {1, 2, 1, 2}) Switch(generation);
  is_over = true;
  client.join();
  WaitUntilServing(2);
  cluster_.WaitForCoverage("notes");
  EXPECT_EQ(cluster_.Verify("notes").difference_count(), 0);
}

TEST_F(ModelChangeTest, KillsInItsMidstLoseNothing) {
  WriteMany(3000);
  cluster_.WaitForCoverage("notes");
  cluster_.ApplySchema(kOtherVectors);
  RandomText text(13);
  for (int round = 0; round < 3; ++round) {
    cluster_.Write("notes", absl::StrCat("between-", round), text(12));
    absl::SleepFor(absl::Milliseconds(text.Below(300)));
    cluster_.Kill();
    cluster_.Start();
  }
  WaitUntilServing(2);
  cluster_.WaitForCoverage("notes");
  EXPECT_EQ(cluster_.Verify("notes").difference_count(), 0);
  // The old ones are kept as new as those that serve.
  const absl::Time give_up = absl::Now() + kPatience;
  while (Generations()[0].embedded() < 3003 && absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  for (const GenerationStatus& status : Generations()) {
    EXPECT_EQ(status.embedded(), 3003) << status.ShortDebugString();
    EXPECT_EQ(status.missing(), 0);
  }
}

}  // namespace
}  // namespace engram::e2e
