// Vectors of texts that are cut into chunks: what a lease tells of them, what a
// put may leave to storage, and what followers get.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/clock/testing/fake_clock.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/content_hash.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::FakeClock;
using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

std::string HashOf(const std::string& text) {
  return std::string(ContentHash::Of(text).bytes());
}

// A chunk as an embedding service sends it.
struct Sent {
  std::string text;
  int64_t begin = 0;
  int64_t end = 0;
  // Nothing leaves it to storage.
  std::optional<std::vector<float>> vector;
};

// A vector and its place, `1,0 at 3-7`.
std::string Show(const std::string& vector,
                 const common::v1::TextRange& range) {
  const std::vector<float> values = testing::UnpackVector(vector);
  return absl::StrCat(values[0], ",", values[1], " at ", range.begin(), "-",
                      range.end());
}

// `values` are those of all chunks. None where the text is not cut.
template <typename Ranges>
std::vector<std::string> Show(const std::vector<std::string>& values,
                              const Ranges& ranges) {
  std::vector<std::string> shown;
  if (ranges.empty()) return shown;
  EXPECT_EQ(ranges.size(), values.size());
  for (int i = 0; i < ranges.size(); ++i) {
    shown.push_back(Show(values[i], ranges[i]));
  }
  return shown;
}

class ChunkVectorsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK(storage_.RegisterModel("test/two", "two-v1", 2));
    Apply("{by: paragraphs, size: 16}");
  }

  void Apply(const std::string& chunking) {
    ASSERT_OK(storage_.ApplySchema({absl::StrCat(R"(
collection: docs
fields: {body: {type: text}}
vectors: {body: {source: [body], chunking: )",
                                                 chunking, "}}")}));
  }

  void Write(const std::string& id, const std::string& body) {
    ASSERT_OK_AND_ASSIGN(
        const auto written,
        storage_.Upsert("docs", id,
                        absl::StrCat("{\"body\": \"", body, "\"}")));
    position_ = written.position();
  }

  v1::OutboxEntry LeaseOne() {
    const auto leased = storage_.Lease("two-v1");
    EXPECT_OK(leased);
    EXPECT_EQ(leased->entries_size(), 1);
    return leased->entries().empty() ? v1::OutboxEntry() : leased->entries(0);
  }

  absl::Status Put(const v1::OutboxEntry& entry,
                   const std::vector<Sent>& chunks) {
    v1::VectorPut put;
    put.set_entry(entry.entry());
    put.set_generation(entry.generation());
    put.set_content_hash(entry.content_hash());
    for (const Sent& chunk : chunks) {
      common::v1::Vector& vector = *put.add_chunks();
      if (chunk.vector.has_value()) {
        vector.set_values(testing::PackVector(*chunk.vector));
      }
      v1::ChunkText& text = *put.add_texts();
      text.set_hash(HashOf(chunk.text));
      text.mutable_range()->set_begin(chunk.begin);
      text.mutable_range()->set_end(chunk.end);
    }
    return PutAll(put);
  }

  absl::Status PutAll(const v1::VectorPut& put) {
    v1::PutVectorsRequest request;
    *request.add_puts() = put;
    grpc::ClientContext context;
    v1::PutVectorsResponse response;
    const grpc::Status status =
        storage_.vectors().PutVectors(&context, request, &response);
    if (status.ok()) {
      EXPECT_EQ(response.results(0).outcome(), v1::PutResult::OUTCOME_STORED);
    }
    return FromGrpcStatus(status);
  }

  // Two paragraphs, embedded.
  void WriteTwo() {
    Write("a", "one\\n\\ntwo");
    ASSERT_OK(
        Put(LeaseOne(), {{"one", 0, 3, {{1, 0}}}, {"two", 5, 8, {{0, 1}}}}));
  }

  // What followers got of the last vectors stored.
  std::vector<std::string> Newest() {
    v1::WatchChangesRequest request;
    request.set_after_position(position_);
    grpc::ClientContext context;
    const auto reader = storage_.feed().WatchChanges(&context, request);
    v1::WatchChangesResponse response;
    std::vector<std::string> newest;
    while (newest.empty() && reader->Read(&response)) {
      for (const v1::Change& change : response.changes()) {
        if (!change.has_vectors_stored()) continue;
        std::vector<std::string> values;
        for (const auto& chunk : change.vectors_stored().chunks()) {
          values.push_back(chunk.values());
        }
        newest = Show(values, change.vectors_stored().ranges());
      }
    }
    context.TryCancel();
    return newest;
  }

  // The same as a snapshot tells it, by the id of the record.
  std::vector<std::pair<std::string, std::vector<std::string>>> Snapshot() {
    grpc::ClientContext context;
    const auto reader = storage_.feed().StreamSnapshot(&context, {});
    v1::StreamSnapshotResponse response;
    std::vector<std::pair<std::string, std::vector<std::string>>> all;
    while (reader->Read(&response)) {
      for (const v1::StoredVectors& stored : response.records().vectors()) {
        if (stored.ranges().empty()) {
          // Vectors of whole texts, which lie nowhere in them.
          for (const int record : stored.records()) {
            all.emplace_back(response.records().ids(record),
                             std::vector<std::string>());
          }
          continue;
        }
        absl::string_view rest = stored.values();
        const size_t bytes = rest.size() / stored.ranges_size();
        auto range = stored.ranges().begin();
        for (int i = 0; i < stored.records_size(); ++i) {
          const int chunks = stored.chunks().empty() ? 1 : stored.chunks(i);
          std::vector<std::string> values;
          v1::VectorsStored cut;
          for (int chunk = 0; chunk < chunks; ++chunk) {
            values.emplace_back(rest.substr(0, bytes));
            rest.remove_prefix(bytes);
            *cut.add_ranges() = *range++;
          }
          all.emplace_back(response.records().ids(stored.records(i)),
                           Show(values, cut.ranges()));
        }
        EXPECT_TRUE(rest.empty());
      }
    }
    EXPECT_TRUE(reader->Finish().ok());
    return all;
  }

  FakeClock clock_;
  testing::TestStorage storage_{clock_};
  // After the last write.
  std::string position_;
};

TEST_F(ChunkVectorsTest, ALeaseTellsHowTheTextIsCut) {
  Write("a", "one");
  const v1::OutboxEntry paragraphs = LeaseOne();
  EXPECT_EQ(paragraphs.chunking().method(), v1::Chunking::METHOD_PARAGRAPHS);
  EXPECT_EQ(paragraphs.chunking().size(), 16);
  EXPECT_THAT(paragraphs.stored_text_hashes(), IsEmpty());

  Apply("{by: tokens, size: 100, overlap: 5}");
  const v1::OutboxEntry tokens = LeaseOne();
  EXPECT_EQ(tokens.chunking().method(), v1::Chunking::METHOD_TOKENS);
  EXPECT_EQ(tokens.chunking().size(), 100);
  EXPECT_EQ(tokens.chunking().overlap(), 5);
  EXPECT_NE(tokens.generation(), paragraphs.generation());

  Apply("markdown");
  const v1::OutboxEntry markdown = LeaseOne();
  EXPECT_EQ(markdown.chunking().method(), v1::Chunking::METHOD_MARKDOWN);
  EXPECT_TRUE(markdown.chunking().headings());

  Apply("none");
  EXPECT_FALSE(LeaseOne().has_chunking());
}

TEST_F(ChunkVectorsTest, FollowersLearnWhereChunksLie) {
  WriteTwo();
  EXPECT_THAT(Newest(), ElementsAre("1,0 at 0-3", "0,1 at 5-8"));
  EXPECT_THAT(Snapshot(),
              ElementsAre(Pair("a", ElementsAre("1,0 at 0-3", "0,1 at 5-8"))));
}

TEST_F(ChunkVectorsTest, OnlyTheChangedChunkNeedsAVector) {
  WriteTwo();
  Write("a", "three\\n\\ntwo");
  const v1::OutboxEntry entry = LeaseOne();
  EXPECT_THAT(entry.stored_text_hashes(),
              UnorderedElementsAre(HashOf("one"), HashOf("two")));

  ASSERT_OK(Put(entry, {{"three", 0, 5, {{-1, 0}}}, {"two", 7, 10}}));

  EXPECT_THAT(Newest(), ElementsAre("-1,0 at 0-5", "0,1 at 7-10"));
  EXPECT_THAT(Snapshot(), ElementsAre(Pair(
                              "a", ElementsAre("-1,0 at 0-5", "0,1 at 7-10"))));
}

TEST_F(ChunkVectorsTest, ChunksThatTradePlacesKeepTheirVectors) {
  WriteTwo();
  Write("a", "two\\n\\none\\n\\ntwo");
  ASSERT_OK(Put(LeaseOne(), {{"two", 0, 3}, {"one", 5, 8}, {"two", 10, 13}}));
  EXPECT_THAT(Newest(),
              ElementsAre("0,1 at 0-3", "1,0 at 5-8", "0,1 at 10-13"));
}

TEST_F(ChunkVectorsTest, ChunksThatVanishLoseTheirVectors) {
  WriteTwo();
  Write("a", "two");
  ASSERT_OK(Put(LeaseOne(), {{"two", 0, 3}}));
  EXPECT_THAT(Snapshot(), ElementsAre(Pair("a", ElementsAre("0,1 at 0-3"))));
}

TEST_F(ChunkVectorsTest, WhatIsStoredOutlivesARestart) {
  WriteTwo();
  storage_.Restart();
  Write("a", "one");
  EXPECT_THAT(LeaseOne().stored_text_hashes(), SizeIs(2));
}

TEST_F(ChunkVectorsTest, AChunkWithoutAVectorIsRefusedIfNoneIsStored) {
  WriteTwo();
  Write("a", "three\\n\\ntwo");
  const v1::OutboxEntry entry = LeaseOne();
  EXPECT_THAT(
      Put(entry, {{"three", 0, 5}, {"two", 7, 10}}),
      StatusIs(absl::StatusCode::kInvalidArgument,
               "chunk 0 has no vector, and none of its text is stored"));
  // Nothing has changed, and the entry waits still.
  EXPECT_THAT(Snapshot(),
              ElementsAre(Pair("a", ElementsAre("1,0 at 0-3", "0,1 at 5-8"))));
  clock_.Advance(absl::Seconds(61));
  storage_.RunOnce();
  EXPECT_EQ(LeaseOne().entry(), entry.entry());
  ASSERT_OK(Put(entry, {{"three", 0, 5, {{-1, 0}}}, {"two", 7, 10}}));
}

// Of another record, of the same text.
TEST_F(ChunkVectorsTest, StoredVectorsAreThoseOfTheRecordItself) {
  WriteTwo();
  Write("b", "one");
  const v1::OutboxEntry entry = LeaseOne();
  EXPECT_THAT(entry.stored_text_hashes(), IsEmpty());
  EXPECT_THAT(Put(entry, {{"one", 0, 3}}),
              StatusIs(absl::StatusCode::kInvalidArgument, "send it"));
}

TEST_F(ChunkVectorsTest, RefusesTextsThatCannotBe) {
  Write("a", "one");
  const v1::OutboxEntry entry = LeaseOne();
  v1::VectorPut put;
  put.set_entry(entry.entry());
  put.set_generation(entry.generation());
  put.set_content_hash(entry.content_hash());
  put.add_chunks()->set_values(testing::PackVector({1, 0}));
  const auto refused = [&](const char* problem) {
    EXPECT_THAT(PutAll(put),
                StatusIs(absl::StatusCode::kInvalidArgument, problem));
  };
  refused("puts[0].texts: has 0 entries; vector field \"body\" is chunked");
  v1::ChunkText& text = *put.add_texts();
  text.set_hash("short");
  text.mutable_range()->set_end(3);
  refused("puts[0].texts[0].hash: has 5 bytes; a SHA-256 has 32");
  text.set_hash(HashOf("one"));
  text.mutable_range()->set_begin(3);
  refused("puts[0].texts[0].range: goes from 3 to 3");
  text.mutable_range()->set_begin(-1);
  refused("puts[0].texts[0].range: goes from -1");
  text.mutable_range()->set_begin(0);
  put.mutable_chunks(0)->set_values("x");
  refused("puts[0].chunks[0].values: has 1 bytes");
  put.mutable_chunks(0)->set_values(testing::PackVector({1, 0}));
  EXPECT_OK(PutAll(put));
}

TEST_F(ChunkVectorsTest, ATextThatIsNotCutHasNoPlaces) {
  Apply("none");
  Write("a", "one");
  // The vectors that served so far want the text cut.
  const auto leased = storage_.Lease("two-v1");
  ASSERT_OK(leased);
  ASSERT_EQ(leased->entries_size(), 2);
  const bool first_is_newer =
      leased->entries(0).generation() > leased->entries(1).generation();
  const v1::OutboxEntry& entry = leased->entries(first_is_newer ? 0 : 1);
  EXPECT_THAT(Put(entry, {{"one", 0, 3, {{1, 0}}}}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "is not chunked: give none"));
  ASSERT_OK(storage_.Put(entry, {{1, 0}}));
  EXPECT_THAT(Snapshot(), ElementsAre(Pair("a", IsEmpty())));
}

}  // namespace
}  // namespace engram::storage
