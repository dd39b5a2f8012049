// The texts that vectors were made of.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engram/storage/v1/passage.grpc.pb.h"
#include "libs/position/position.h"
#include "libs/status/errors.h"
#include "libs/status/grpc_status.h"
#include "libs/status/testing/status_matchers.h"
#include "services/storage/content_hash.h"
#include "services/storage/testing/storage_fixture.h"

namespace engram::storage {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr char kNone[] = "(none)";

// Where a chunk lies in its text, in bytes.
using Place = std::pair<int, int>;

class PassageGetTest : public ::testing::Test {
 protected:
  PassageGetTest() {
    EXPECT_OK(storage_.RegisterModel("test/two", "two-v1", 2));
  }

  // Documents of a title and a body, embedded as `vectors` says.
  void Declare(const std::string& vectors) {
    ASSERT_OK(storage_.ApplySchema({absl::StrCat(R"(
collection: docs
fields: {title: {type: string}, body: {type: text}, tags: {type: strings}}
vectors: {text: {)",
                                                 vectors, "}}")}));
  }

  void Write(const std::string& id, const std::string& fields) {
    ASSERT_OK(storage_.Upsert("docs", id, fields));
  }

  // Embeds the one text that waits, cut at these places; not cut if there are
  // none. Returns the position of its vectors.
  std::string Embed(const std::vector<Place>& places,
                    const std::string& fingerprint = "two-v1",
                    std::vector<float> vector = {1, 0}) {
    const auto leased = storage_.Lease(fingerprint);
    EXPECT_OK(leased);
    EXPECT_THAT(leased->entries(), SizeIs(1));
    if (leased->entries().empty()) return "";
    const v1::OutboxEntry& entry = leased->entries(0);
    v1::PutVectorsRequest request;
    v1::VectorPut& put = *request.add_puts();
    put.set_entry(entry.entry());
    put.set_generation(entry.generation());
    put.set_content_hash(entry.content_hash());
    for (const auto& [begin, end] : places) {
      put.add_chunks()->set_values(testing::PackVector(vector));
      v1::ChunkText& text = *put.add_texts();
      text.set_hash(
          std::string(ContentHash::Of(absl::StrCat(begin, "-", end)).bytes()));
      text.mutable_range()->set_begin(begin);
      text.mutable_range()->set_end(end);
    }
    if (places.empty()) {
      put.add_chunks()->set_values(testing::PackVector(vector));
    }
    grpc::ClientContext context;
    v1::PutVectorsResponse response;
    EXPECT_OK(FromGrpcStatus(
        storage_.vectors().PutVectors(&context, request, &response)));
    EXPECT_THAT(response.results(), SizeIs(1));
    return response.results(0).position();
  }

  absl::StatusOr<v1::GetPassagesResponse> Call(
      const v1::GetPassagesRequest& request) {
    grpc::ClientContext context;
    v1::GetPassagesResponse response;
    const auto stub = v1::PassageService::NewStub(storage_.channel());
    const grpc::Status status = stub->GetPassages(&context, request, &response);
    if (!status.ok()) return FromGrpcStatus(status);
    return response;
  }

  static v1::GetPassagesRequest Ask(const std::string& id, int chunks,
                                    const std::string& position = "") {
    v1::GetPassagesRequest request;
    request.set_collection("docs");
    request.set_position(position);
    for (int chunk = 0; chunk < chunks; ++chunk) {
      v1::VectorName& vector = *request.add_vectors();
      vector.set_id(id);
      vector.set_chunk(chunk);
    }
    return request;
  }

  std::vector<std::string> Passages(const v1::GetPassagesRequest& request) {
    const auto response = Call(request);
    EXPECT_OK(response);
    if (!response.ok()) return {};
    std::vector<std::string> texts;
    for (const v1::Passage& passage : response->passages()) {
      texts.push_back(passage.has_text() ? passage.text() : kNone);
    }
    return texts;
  }
  std::vector<std::string> Passages(const std::string& id, int chunks,
                                    const std::string& position = "") {
    return Passages(Ask(id, chunks, position));
  }

  testing::TestStorage storage_;
};

constexpr char kChunked[] = "source: [body], chunking: paragraphs";

// In the text as sources and template make it, not in a field of it.
TEST_F(PassageGetTest, CutsWhatWasEmbedded) {
  Declare(
      "source: [title, body, tags], chunking: paragraphs, "
      "template: 'On {title}: {body} ({tags})'");
  Write("a", R"({"title": "tea", "body": "hot\n\ncold", "tags": ["x", "y"]})");
  //        0         10
  // "On tea: hot\n\ncold (x y)"
  Embed({{0, 11}, {13, 23}});
  EXPECT_THAT(Passages("a", 3),
              ElementsAre("On tea: hot", "cold (x y)", kNone));
}

TEST_F(PassageGetTest, OfATextThatIsNotCutItIsAllOfIt) {
  Declare("source: [title, body]");
  Write("a", R"({"title": "Tee", "body": "heiß"})");
  Embed({});
  EXPECT_THAT(Passages("a", 1), ElementsAre("Tee\nheiß"));
}

TEST_F(PassageGetTest, WhatWasEmbeddedIsForgottenWithTheText) {
  Declare(kChunked);
  Write("a", R"({"title": "t", "body": "one\n\ntwo"})");
  Embed({{0, 3}, {5, 8}});
  // It is not of the text that is embedded.
  Write("a", R"({"title": "u"})");
  EXPECT_THAT(Passages("a", 2), ElementsAre("one", "two"));
  // The vectors are still those of the text before, of the same length.
  Write("a", R"({"body": "eno\n\nowt"})");
  EXPECT_THAT(Passages("a", 2), ElementsAre(kNone, kNone));
  Write("a", R"({"body": "one\n\ntwo"})");
  EXPECT_THAT(Passages("a", 2), ElementsAre("one", "two"));
  ASSERT_OK(storage_.Delete("docs", "a"));
  EXPECT_THAT(Passages("a", 1), ElementsAre(kNone));
}

// A caller may know older vectors than these.
TEST_F(PassageGetTest, AVectorIsNotTakenForAnEarlierOne) {
  Declare(kChunked);
  Write("a", R"({"body": "one\n\ntwo"})");
  const std::string before = Embed({{0, 3}, {5, 8}});
  Write("a", R"({"body": "eno\n\nowt"})");
  const std::string after = Embed({{0, 3}, {5, 8}});
  EXPECT_THAT(Passages("a", 2, before), ElementsAre(kNone, kNone));
  EXPECT_THAT(Passages("a", 2, after), ElementsAre("eno", "owt"));
  EXPECT_THAT(Passages("a", 2), ElementsAre("eno", "owt"));
  // Of a history that ended.
  ASSERT_OK_AND_ASSIGN(Position position, Position::Parse(after));
  position.epoch ^= 1;
  EXPECT_THAT(Passages("a", 1, position.ToString()), ElementsAre(kNone));
}

TEST_F(PassageGetTest, EachGenerationHasItsOwn) {
  Declare("source: [title, body], template: '{title}! {body}'");
  Write("a", R"({"title": "tea", "body": "hot"})");
  Embed({});
  ASSERT_OK(storage_.RegisterModel("test/three", "three-v1", 3));
  Declare(
      "source: [body], chunking: paragraphs, model: test/three, "
      "cutover: manual");
  storage_.RunOnce();
  Embed({{1, 3}}, "three-v1", {1, 0, 0});
  v1::GetPassagesRequest request = Ask("a", 1);
  EXPECT_THAT(Passages(request), ElementsAre("tea! hot"));
  request.set_generation(1);
  EXPECT_THAT(Passages(request), ElementsAre("tea! hot"));
  request.set_generation(2);
  EXPECT_THAT(Passages(request), ElementsAre("ot"));
  request.set_generation(3);
  EXPECT_EQ(ReasonOf(Call(request).status()),
            common::v1::ERROR_REASON_GENERATION_UNKNOWN);
}

// Storage cannot know where an embedding service cuts.
TEST_F(PassageGetTest, APlaceThatIsNoneInTheTextGivesNothing) {
  Declare(kChunked);
  Write("a", R"({"body": "aß b"})");
  Embed({{0, 3}, {0, 2}, {2, 5}, {1, 3}, {4, 6}});
  EXPECT_THAT(Passages("a", 5), ElementsAre("aß", kNone, kNone, "ß", kNone));
}

TEST_F(PassageGetTest, VectorsOfAClientWereMadeOfNothingHere) {
  Declare("supplied: true, dimensions: 2, metric: dot");
  Write("a", R"({"body": "one"})");
  EXPECT_THAT(Passages("a", 1), ElementsAre(kNone));
}

TEST_F(PassageGetTest, LongTextsComeInSeveralAnswers) {
  Declare("source: [body]");
  const std::string text(2 << 20, 'a');
  v1::GetPassagesRequest request = Ask("none", 1);
  for (const char* id : {"a", "b", "c"}) {
    Write(id, absl::StrCat(R"({"body": ")", text, R"("})"));
    Embed({});
    request.add_vectors()->set_id(id);
  }
  EXPECT_THAT(Passages(request), ElementsAre(kNone, text));
}

TEST_F(PassageGetTest, RefusesWhatCannotBe) {
  Declare(kChunked);
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(Call(Ask("a", 0)), StatusIs(kInvalid, "vectors: has 0"));
  EXPECT_THAT(Call(Ask("a", 1001)), StatusIs(kInvalid, "vectors: has 1001"));
  EXPECT_THAT(Call(Ask("a", 1, "yesterday")), StatusIs(kInvalid, "position"));
  v1::GetPassagesRequest request = Ask("a", 2);
  request.mutable_vectors(1)->set_chunk(4096);
  EXPECT_THAT(Call(request), StatusIs(kInvalid, "vectors[1].chunk: is 4096"));
  request = Ask("a", 1);
  request.set_vector_field("other");
  EXPECT_THAT(Call(request), StatusIs(absl::StatusCode::kNotFound));
  request.set_collection("other");
  EXPECT_THAT(Call(request), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace engram::storage
