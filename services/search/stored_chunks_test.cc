#include "services/search/stored_chunks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::search {
namespace {

using ::engram::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <typename Stored>
void AddRange(int64_t begin, int64_t end, Stored* stored) {
  common::v1::TextRange& range = *stored->add_ranges();
  range.set_begin(begin);
  range.set_end(end);
}

// A run of three records, of which the first and the last have vectors, two and
// one, of four bytes.
storage::v1::SnapshotRecords StoredPart() {
  storage::v1::SnapshotRecords part;
  for (const int64_t row : {5, 6, 9}) {
    part.add_rows(row);
    part.add_ids(absl::StrCat("id", row));
    part.add_sequences(row + 100);
  }
  storage::v1::StoredVectors& stored = *part.add_vectors();
  stored.set_generation(7);
  stored.mutable_records()->Add(0);
  stored.mutable_records()->Add(2);
  stored.mutable_sequences()->Add(104);
  stored.mutable_sequences()->Add(108);
  stored.mutable_chunks()->Add(2);
  stored.mutable_chunks()->Add(1);
  stored.set_values("aaaabbbbcccc");
  return part;
}

// What ForEachRecord tells, a line a record.
std::vector<std::string> Shown(const storage::v1::StoredVectors& stored) {
  std::vector<std::string> shown;
  EXPECT_OK(ForEachRecord(
      stored, [&](int record, int64_t sequence, const StoredChunks& chunks) {
        std::string line = absl::StrCat(record, " ", sequence, " ",
                                        absl::StrJoin(chunks.vectors, ","));
        for (const Passage& passage : chunks.passages) {
          absl::StrAppend(&line, " ", passage.begin, "-", passage.end);
        }
        shown.push_back(line);
        return absl::OkStatus();
      }));
  return shown;
}

TEST(StoredChunksTest, EachRecordOfAPartHasItsOwn) {
  storage::v1::SnapshotRecords part = StoredPart();
  ASSERT_OK(CheckColumns(part));
  EXPECT_THAT(Shown(part.vectors(0)),
              ElementsAre("0 104 aaaa,bbbb", "2 108 cccc"));
  storage::v1::StoredVectors& stored = *part.mutable_vectors(0);
  AddRange(0, 5, &stored);
  AddRange(7, 9, &stored);
  AddRange(2, 3, &stored);
  ASSERT_OK(CheckColumns(part));
  EXPECT_THAT(Shown(stored),
              ElementsAre("0 104 aaaa,bbbb 0-5 7-9", "2 108 cccc 2-3"));
  stored.clear_chunks();
  stored.clear_ranges();
  ASSERT_OK(CheckColumns(part));
  EXPECT_THAT(Shown(stored), ElementsAre("0 104 aaaabb", "2 108 bbcccc"));
  stored.clear_records();
  stored.clear_sequences();
  stored.clear_values();
  ASSERT_OK(CheckColumns(part));
  EXPECT_THAT(Shown(stored), IsEmpty());
}

TEST(StoredChunksTest, AnErrorEndsTheWalk) {
  int calls = 0;
  EXPECT_THAT(ForEachRecord(StoredPart().vectors(0),
                            [&](int, int64_t, const StoredChunks&) {
                              ++calls;
                              return absl::DataLossError("bad");
                            }),
              StatusIs(absl::StatusCode::kDataLoss));
  EXPECT_EQ(calls, 1);
}

TEST(StoredChunksTest, ColumnsThatDoNotFitAreDataLoss) {
  using Part = storage::v1::SnapshotRecords;
  const std::vector<std::function<void(Part&)>> harms = {
      [](Part& part) { part.add_rows(12); },
      [](Part& part) { part.add_ids("more"); },
      [](Part& part) { part.add_sequences(1); },
      [](Part& part) { part.add_attributes(); },
      [](Part& part) { part.add_expiries()->set_record(3); },
      [](Part& part) { part.add_pending()->set_record(-1); },
      [](Part& part) { part.mutable_vectors(0)->set_records(1, 3); },
      [](Part& part) { part.mutable_vectors(0)->set_records(1, -1); },
      [](Part& part) { part.mutable_vectors(0)->add_records(1); },
      [](Part& part) { part.mutable_vectors(0)->add_sequences(1); },
      [](Part& part) { part.mutable_vectors(0)->add_chunks(1); },
      [](Part& part) { part.mutable_vectors(0)->set_chunks(0, 0); },
      [](Part& part) { part.mutable_vectors(0)->set_chunks(0, -1); },
      [](Part& part) { part.mutable_vectors(0)->set_values("aaaabbbbccc"); },
      [](Part& part) { AddRange(0, 5, part.mutable_vectors(0)); },
      [](Part& part) { part.add_vectors()->set_values("of nobody"); },
  };
  for (size_t i = 0; i < harms.size(); ++i) {
    Part part = StoredPart();
    harms[i](part);
    EXPECT_THAT(CheckColumns(part),
                StatusIs(absl::StatusCode::kDataLoss, "the snapshot"))
        << i;
  }
}

TEST(StoredChunksTest, ThoseOfAChangeAreInOrder) {
  storage::v1::VectorsStored stored;
  stored.add_chunks()->set_values("aaaa");
  stored.add_chunks()->set_values("bbbb");
  EXPECT_THAT(ChunksOf(stored).vectors, ElementsAre("aaaa", "bbbb"));
}

TEST(StoredChunksTest, PlacesInTheTextComeWithTheVectors) {
  storage::v1::VectorsStored change;
  EXPECT_THAT(ChunksOf(change).passages, IsEmpty());
  AddRange(0, 5, &change);
  AddRange(7, 4'000'000'000, &change);
  EXPECT_THAT(ChunksOf(change).passages,
              ElementsAre(Passage{0, 5}, Passage{7, 4'000'000'000}));
}

}  // namespace
}  // namespace engram::search
