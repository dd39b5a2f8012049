#include "services/search/stored_chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/status/testing/status_matchers.h"

namespace engram::search {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

storage::v1::StoredVectors Stored(int chunks, int64_t bytes) {
  storage::v1::StoredVectors stored;
  stored.set_chunks(chunks);
  stored.set_bytes(bytes);
  return stored;
}

TEST(StoredChunksTest, EachRecordTakesItsOwn) {
  absl::string_view values = "aaaabbbbcccc";
  const auto first = TakeChunks(Stored(2, 8), &values);
  ASSERT_OK(first);
  EXPECT_THAT(first->vectors, ElementsAre("aaaa", "bbbb"));
  const auto second = TakeChunks(Stored(1, 4), &values);
  ASSERT_OK(second);
  EXPECT_THAT(second->vectors, ElementsAre("cccc"));
  EXPECT_EQ(values, "");
}

TEST(StoredChunksTest, NumbersThatDoNotFitAreDataLoss) {
  for (const auto& stored : {Stored(2, 12), Stored(0, 4), Stored(-1, 4),
                             Stored(2, 7), Stored(1, -4)}) {
    absl::string_view values = "aaaabbbb";
    EXPECT_THAT(TakeChunks(stored, &values),
                StatusIs(absl::StatusCode::kDataLoss, "the snapshot holds 8"))
        << stored.ShortDebugString();
    EXPECT_EQ(values.size(), 8);
  }
}

TEST(StoredChunksTest, ThoseOfAChangeAreInOrder) {
  storage::v1::VectorsStored stored;
  stored.add_chunks()->set_values("aaaa");
  stored.add_chunks()->set_values("bbbb");
  EXPECT_THAT(ChunksOf(stored).vectors, ElementsAre("aaaa", "bbbb"));
}

template <typename Stored>
void AddRange(int64_t begin, int64_t end, Stored* stored) {
  common::v1::TextRange& range = *stored->add_ranges();
  range.set_begin(begin);
  range.set_end(end);
}

TEST(StoredChunksTest, PlacesInTheTextComeWithTheVectors) {
  storage::v1::VectorsStored change;
  EXPECT_THAT(ChunksOf(change).passages, IsEmpty());
  AddRange(0, 5, &change);
  AddRange(7, 4'000'000'000, &change);
  EXPECT_THAT(ChunksOf(change).passages,
              ElementsAre(Passage{0, 5}, Passage{7, 4'000'000'000}));

  absl::string_view values = "aaaabbbb";
  storage::v1::StoredVectors stored = Stored(1, 4);
  AddRange(2, 3, &stored);
  const auto cut = TakeChunks(stored, &values);
  ASSERT_OK(cut);
  EXPECT_THAT(cut->passages, ElementsAre(Passage{2, 3}));
  const auto whole = TakeChunks(Stored(1, 4), &values);
  ASSERT_OK(whole);
  EXPECT_THAT(whole->passages, IsEmpty());
}

}  // namespace
}  // namespace engram::search
