#include "services/embedding/chunked_entry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/status/testing/status_matchers.h"
#include "services/embedding/testing/fake_provider.h"

namespace engram::embedding {
namespace {

using engram::testing::StatusIs;
using storage::v1::Chunking;
using storage::v1::OutboxEntry;
using storage::v1::VectorPut;
using ::testing::ElementsAre;
using testing::FakeProvider;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ChunkedEntryTest : public ::testing::Test {
 protected:
  OutboxEntry Entry(const std::string& text,
                    Chunking::Method method = Chunking::METHOD_PARAGRAPHS) {
    OutboxEntry entry;
    entry.set_database("default");
    entry.set_entry(7);
    entry.set_generation(3);
    entry.set_content_hash("hash of all");
    entry.set_text(text);
    entry.mutable_chunking()->set_method(method);
    entry.mutable_chunking()->set_size(16);
    return entry;
  }

  // The put of an entry, all of whose texts the provider has embedded.
  VectorPut PutOf(const ChunkedEntry& entry) {
    return entry.MakePut(*provider_.Embed(entry.texts(), Purpose::kDocument));
  }

  FakeProvider provider_;
};

TEST_F(ChunkedEntryTest, ATextThatIsNotCutHasOneVectorAndNoPlaces) {
  OutboxEntry entry = Entry("a\n\nb");
  entry.clear_chunking();
  ASSERT_OK_AND_ASSIGN(const ChunkedEntry cut,
                       ChunkedEntry::Create(entry, provider_));
  EXPECT_THAT(cut.texts(), ElementsAre("a\n\nb"));
  const VectorPut put = PutOf(cut);
  EXPECT_EQ(put.entry(), 7);
  EXPECT_EQ(put.generation(), 3);
  EXPECT_EQ(put.content_hash(), "hash of all");
  EXPECT_THAT(put.chunks(), SizeIs(1));
  EXPECT_THAT(put.texts(), IsEmpty());
}

TEST_F(ChunkedEntryTest, AWholeTextThatStorageHasIsNotEmbedded) {
  OutboxEntry entry = Entry("a");
  entry.clear_chunking();
  entry.add_stored_text_hashes("hash of all");
  ASSERT_OK_AND_ASSIGN(const ChunkedEntry cut,
                       ChunkedEntry::Create(entry, provider_));
  EXPECT_THAT(cut.texts(), IsEmpty());
  const VectorPut put = cut.MakePut({});
  ASSERT_THAT(put.chunks(), SizeIs(1));
  EXPECT_EQ(put.chunks(0).values(), "");
}

TEST_F(ChunkedEntryTest, OnlyWhatStorageHasNotIsEmbedded) {
  OutboxEntry entry = Entry("one two three four\n\nfive six seven eight");
  ASSERT_OK_AND_ASSIGN(const ChunkedEntry first,
                       ChunkedEntry::Create(entry, provider_));
  EXPECT_THAT(first.texts(),
              ElementsAre("one two three four", "five six seven eight"));
  const VectorPut put = PutOf(first);
  ASSERT_THAT(put.texts(), SizeIs(2));
  EXPECT_EQ(put.texts(1).range().begin(), 20);
  EXPECT_EQ(put.texts(1).range().end(), 40);

  entry.set_text("nine ten eleven twelve\n\nfive six seven eight");
  for (const auto& text : put.texts()) {
    entry.add_stored_text_hashes(text.hash());
  }
  ASSERT_OK_AND_ASSIGN(const ChunkedEntry second,
                       ChunkedEntry::Create(entry, provider_));
  EXPECT_THAT(second.texts(), ElementsAre("nine ten eleven twelve"));
  const VectorPut next = PutOf(second);
  ASSERT_THAT(next.chunks(), SizeIs(2));
  EXPECT_EQ(next.chunks(0).values().size(), 8 * sizeof(float));
  EXPECT_EQ(next.chunks(1).values(), "");
  EXPECT_EQ(next.texts(1).hash(), put.texts(1).hash());
  EXPECT_EQ(next.texts(1).range().begin(), 24);
}

TEST_F(ChunkedEntryTest, ATextThatIsThereTwiceIsEmbeddedOnce) {
  const OutboxEntry entry = Entry("a b c d\n\ne f g h\n\na b c d");
  ASSERT_OK_AND_ASSIGN(ChunkedEntry made,
                       ChunkedEntry::Create(entry, provider_));
  const ChunkedEntry cut = std::move(made);
  EXPECT_THAT(cut.texts(), ElementsAre("a b c d", "e f g h"));
  const VectorPut put = PutOf(cut);
  ASSERT_THAT(put.chunks(), SizeIs(3));
  EXPECT_EQ(put.chunks(0).values(), put.chunks(2).values());
  EXPECT_NE(put.chunks(0).values(), put.chunks(1).values());
}

TEST_F(ChunkedEntryTest, AHeadingAboveIsEmbeddedAndNotInThePlace) {
  OutboxEntry entry =
      Entry("# A\n\ntext\n\n## B\n\nmore", Chunking::METHOD_MARKDOWN);
  entry.mutable_chunking()->set_headings(true);
  ASSERT_OK_AND_ASSIGN(const ChunkedEntry cut,
                       ChunkedEntry::Create(entry, provider_));
  EXPECT_THAT(cut.texts(), ElementsAre("# A\n\ntext", "A\n## B\n\nmore"));
  EXPECT_EQ(PutOf(cut).texts(1).range().begin(), 11);
}

TEST_F(ChunkedEntryTest, VectorsFitIntoAMessage) {
  EXPECT_EQ(MaxChunks(8), 4096);
  EXPECT_EQ(MaxChunks(1536), 506);
  std::string text;
  for (int i = 0; i < 2000; ++i) {
    absl::StrAppend(&text, "w", i, " b c d\n\n");
  }
  FakeProvider large("fake/large", 4096);
  const OutboxEntry entry = Entry(text);
  ASSERT_OK_AND_ASSIGN(const ChunkedEntry cut,
                       ChunkedEntry::Create(entry, large));
  EXPECT_LE(cut.texts().size(), MaxChunks(4096));
  EXPECT_GT(cut.texts().size(), MaxChunks(4096) / 4);
}

TEST_F(ChunkedEntryTest, AMethodOfTheFutureIsNotGuessed) {
  const OutboxEntry entry = Entry("a", static_cast<Chunking::Method>(99));
  EXPECT_THAT(ChunkedEntry::Create(entry, provider_).status(),
              StatusIs(absl::StatusCode::kUnimplemented, "chunking method 99"));
}

}  // namespace
}  // namespace engram::embedding
