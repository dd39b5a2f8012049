#include "services/search/stored_chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "libs/status/testing/status_matchers.h"

namespace engram::search {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;

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
  EXPECT_THAT(*first, ElementsAre("aaaa", "bbbb"));
  const auto second = TakeChunks(Stored(1, 4), &values);
  ASSERT_OK(second);
  EXPECT_THAT(*second, ElementsAre("cccc"));
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
  EXPECT_THAT(ChunksOf(stored), ElementsAre("aaaa", "bbbb"));
}

}  // namespace
}  // namespace engram::search
