// Records whose texts are cut into chunks, as search finds them.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "libs/vector/vector.h"
#include "services/search/testing/search_fixture.h"

namespace engram::search {
namespace {

using ::engram::search::testing::FakeEmbeddingService;
using ::engram::search::testing::LetterVector;
using ::engram::search::testing::SearchTest;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PassagesTest : public SearchTest {
 protected:
  PassagesTest() {
    EXPECT_OK(storage_.ApplySchema({R"(
collection: docs
fields:
  body: {type: text}
vectors:
  body: {source: [body], metric: cosine, chunking: paragraphs}
)"}));
  }

  // Writes a text, and stores the vectors of its lines: each is a chunk. Those
  // that storage has are not sent again.
  void WriteLines(const std::string& id, const std::string& body) {
    bodies_[id] = body;
    const std::string json = absl::StrReplaceAll(body, {{"\n", "\\n"}});
    const auto written =
        storage_.Upsert("docs", id, absl::StrCat("{\"body\": \"", json, "\"}"));
    ASSERT_OK(written);
    position_ = written->position();
    const auto leased = storage_.Lease(FakeEmbeddingService::kFingerprint);
    ASSERT_OK(leased);
    ASSERT_EQ(leased->entries_size(), 1);
    const storage::v1::OutboxEntry& entry = leased->entries(0);
    storage::v1::PutVectorsRequest request;
    storage::v1::VectorPut& put = *request.add_puts();
    put.set_entry(entry.entry());
    put.set_generation(entry.generation());
    put.set_content_hash(entry.content_hash());
    int64_t begin = 0;
    for (const std::string& line :
         std::vector<std::string>(absl::StrSplit(body, '\n'))) {
      storage::v1::ChunkText& text = *put.add_texts();
      text.set_hash(line + std::string(32 - line.size(), ' '));
      text.mutable_range()->set_begin(begin);
      begin += static_cast<int64_t>(line.size());
      text.mutable_range()->set_end(begin++);
      const bool is_stored =
          std::count(entry.stored_text_hashes().begin(),
                     entry.stored_text_hashes().end(), text.hash()) > 0;
      common::v1::Vector& vector = *put.add_chunks();
      if (is_stored) continue;
      vector.set_values(std::string(vector::Pack(LetterVector(line))));
    }
    grpc::ClientContext context;
    storage::v1::PutVectorsResponse response;
    ASSERT_TRUE(
        storage_.vectors().PutVectors(&context, request, &response).ok());
    ASSERT_EQ(response.results(0).outcome(),
              storage::v1::PutResult::OUTCOME_STORED);
  }

  // What a query finds: id, number of the chunk and its text, such as
  // `d 1: bbb`; of the records that are like it at all.
  std::vector<std::string> FindPassages(const std::string& text) {
    v1::QueryRequest request = TextQuery(text);
    request.set_collection("docs");
    request.set_min_position(position_);
    const auto found = Query(request);
    EXPECT_OK(found);
    std::vector<std::string> passages;
    if (!found.ok()) return passages;
    for (const v1::Hit& hit : found->hits()) {
      if (hit.score() == 0) continue;
      const std::string& body = bodies_[hit.id()];
      const auto& passage = hit.passage();
      passages.push_back(absl::StrCat(
          hit.id(), " ", hit.chunk(), ": ",
          body.substr(passage.begin(), passage.end() - passage.begin())));
    }
    return passages;
  }

  // The texts that a query's hits were found by, such as `d: bbb`; the error's
  // text if it fails.
  std::vector<std::string> FindTexts(v1::QueryRequest request) {
    request.mutable_include()->set_passage_text(true);
    const auto found = Query(request);
    if (!found.ok()) return {found.status().ToString()};
    std::vector<std::string> texts;
    for (const v1::Hit& hit : found->hits()) {
      texts.push_back(absl::StrCat(
          hit.id(), ": ", hit.has_passage_text() ? hit.passage_text() : "?"));
    }
    return texts;
  }
  v1::QueryRequest DocsQuery(const std::string& text) const {
    v1::QueryRequest request = TextQuery(text);
    request.set_collection("docs");
    request.set_limit(2);
    request.set_min_position(position_);
    return request;
  }

  // How many vectors the index has of the documents, all as in storage.
  int64_t TrueVectors() {
    const auto result = Verify("docs");
    EXPECT_OK(result);
    if (!result.ok()) return -1;
    EXPECT_EQ(result->difference_count(), 0) << result->DebugString();
    for (const v1::Index& index : ListIndexes()) {
      if (index.collection() == "docs") {
        EXPECT_EQ(index.vectors(), result->vectors());
      }
    }
    return result->vectors();
  }

  void ForgetTheCache() {
    std::filesystem::remove_all(std::filesystem::path(cache_.path()) / "cache");
  }

  std::map<std::string, std::string> bodies_;
  std::string position_;
};

TEST_F(PassagesTest, ARecordIsFoundOnceByItsNearestChunk) {
  StartSearch();
  WriteLines("d", "aa\nbbb\nc");
  WriteLines("e", "abbb");
  EXPECT_THAT(FindPassages("a"), ElementsAre("d 0: aa", "e 0: abbb"));
  EXPECT_THAT(FindPassages("bbbba"), ElementsAre("e 0: abbb", "d 1: bbb"));
  EXPECT_THAT(FindPassages("c"), ElementsAre("d 2: c"));
  EXPECT_EQ(TrueVectors(), 4);
}

// As it is told by changes, by the cache, and by a snapshot.
TEST_F(PassagesTest, ChunksThatVanishedAreFoundNoMore) {
  StartSearch();
  WriteLines("d", "aa\nbbb\nc");
  EXPECT_THAT(FindPassages("bc"), ElementsAre("d 1: bbb"));
  WriteLines("d", "dd\naa");
  const auto expect_truth = [&] {
    EXPECT_THAT(FindPassages("bc"), ElementsAre());
    EXPECT_THAT(FindPassages("aab"), ElementsAre("d 1: aa"));
    EXPECT_THAT(FindPassages("d"), ElementsAre("d 0: dd"));
    EXPECT_EQ(TrueVectors(), 2);
  };
  expect_truth();
  StopSearch();
  StartSearch();
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 0);
  expect_truth();
  StopSearch();
  ForgetTheCache();
  StartSearch();
  EXPECT_EQ(Metric("engram_search_snapshots_total"), 1);
  expect_truth();
}

TEST_F(PassagesTest, HitsHoldTheTextsThatTheyWereFoundBy) {
  StartSearch();
  WriteLines("d", "aa\nbbb\nc");
  WriteLines("e", "abbb");
  v1::QueryRequest request = DocsQuery("bbbba");
  ASSERT_OK_AND_ASSIGN(const auto found, Query(request));
  EXPECT_FALSE(found.hits(0).has_passage_text());
  EXPECT_THAT(FindTexts(request), ElementsAre("e: abbb", "d: bbb"));
  request.mutable_include()->mutable_fields()->add_paths("*");
  request.set_filter("body LIKE 'aa%'");
  request.set_explain(true);
  EXPECT_THAT(FindTexts(request), ElementsAre("d: bbb"));
  request.set_filter("body LIKE 'x%'");
  EXPECT_THAT(FindTexts(request), ElementsAre());
  proxy_.GoAway();
  EXPECT_THAT(FindTexts(DocsQuery("b")),
              ElementsAre(HasSubstr("read the passages: ")));
  proxy_.ComeBack();
}

TEST_F(PassagesTest, ATextThatIsNotCutIsAllOfIt) {
  StartSearch();
  WriteAndIndex({"a", "ab b"});
  EXPECT_THAT(FindTexts(TextQuery("a")), ElementsAre("a: a", "ab b: ab b"));
}

TEST_F(PassagesTest, TextsThatAreTooLongForOneAnswerComeInSeveral) {
  const std::string a(1'800'000, 'a');
  const std::string b(1'800'000, 'b');
  Write("a", a);
  Write("b", b);
  EmbedPending();
  StartSearch();
  const std::vector<std::string> texts = FindTexts(TextQuery("aab"));
  EXPECT_TRUE(texts == std::vector<std::string>({"a: " + a, "b: " + b}));
}

// Lines of the same lengths: the passages lie where others lay.
TEST_F(PassagesTest, AHitNeverHoldsATextThatItWasNotFoundBy) {
  StartSearch();
  WriteLines("d", "aa\nbbb");
  WriteLines("e", "cc\nbba");
  v1::QueryRequest request = DocsQuery("b");
  EXPECT_THAT(FindTexts(request), ElementsAre("d: bbb", "e: bba"));
  proxy_.HoldFeed();  // From here on the index hears of nothing.
  WriteLines("d", "dd\nccc");
  EXPECT_OK(storage_.Upsert("docs", "e", R"({"body": "dd\nccc"})"));
  EXPECT_THAT(FindTexts(request), ElementsAre("d: ?", "e: ?"));
  EXPECT_OK(storage_.Delete("docs", "e"));
  EXPECT_THAT(FindTexts(request), ElementsAre("d: ?", "e: ?"));
  proxy_.ReleaseFeed();
  WaitUntilIndexed();
  EXPECT_THAT(FindTexts(DocsQuery("c")), ElementsAre("d: ccc"));
}

TEST_F(PassagesTest, OfVectorsThatStorageDroppedTheTextsAreUnknown) {
  StartSearch();
  WriteAndIndex({"a"});
  ASSERT_OK(storage_.RegisterModel(FakeEmbeddingService::kTurnedModel,
                                   FakeEmbeddingService::kTurnedFingerprint,
                                   5));
  ASSERT_OK(storage_.ApplySchema({R"(
collection: notes
fields: {body: {type: text}}
vectors:
  body: {source: [body], model: test/turned, metric: cosine, cutover: manual,
         template: "Note: {body}"}
)"}));
  EmbedPending();
  WaitUntilIndexed();
  proxy_.HoldFeed();
  storage::v1::SwitchGenerationRequest change;
  change.set_collection("notes");
  change.set_generation(3);
  grpc::ClientContext context;
  storage::v1::SwitchGenerationResponse changed;
  ASSERT_OK(FromGrpcStatus(
      storage_.catalog().SwitchGeneration(&context, change, &changed)));
  // The one that serves here still is not the one that serves there.
  EXPECT_THAT(FindTexts(TextQuery("a")), ElementsAre("a: a"));
  storage::v1::DropGenerationRequest drop;
  drop.set_collection("notes");
  drop.set_generation(1);
  grpc::ClientContext other;
  storage::v1::DropGenerationResponse dropped;
  ASSERT_OK(FromGrpcStatus(
      storage_.catalog().DropGeneration(&other, drop, &dropped)));
  EXPECT_THAT(FindTexts(TextQuery("a")), ElementsAre("a: ?"));
  proxy_.ReleaseFeed();
  WaitUntilIndexed();
  EXPECT_THAT(FindTexts(TextQuery("a")), ElementsAre("a: Note: a"));
}

TEST_F(PassagesTest, ATextThatIsNotCutHasNoPassage) {
  StartSearch();
  WriteAndIndex({"a"});
  ASSERT_OK_AND_ASSIGN(const auto found, Query(TextQuery("a")));
  EXPECT_FALSE(found.hits(0).has_passage());
  EXPECT_EQ(found.hits(0).chunk(), 0);
}

}  // namespace
}  // namespace engram::search
