// Random filters over records of every type that search holds: its columns and
// SQLite, storage's back end, must find the same records. ENGRAM_TEST_SEED
// tries others.

#include "services/search/slot_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "libs/filter/filter.h"
#include "libs/filter/testing/filter_writer.h"
#include "libs/filter/testing/sample_records.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::search {
namespace {

using ::engram::filter::testing::FilterWriter;
using ::engram::filter::testing::kNowUs;
using ::engram::filter::testing::PlaceOf;
using ::engram::filter::testing::Record;
using ::engram::filter::testing::SampleFields;
using ::engram::filter::testing::SampleScope;
using ::engram::filter::testing::SampleTable;
using ::engram::filter::testing::TellingRecords;
using ::engram::testing::StatusIs;
using ::testing::IsEmpty;

constexpr int kRecords = 120;
constexpr int kCases = 5'000;

uint32_t Seed() {
  uint32_t seed = 20261129;
  const char* const given = std::getenv("ENGRAM_TEST_SEED");
  if (given != nullptr && !absl::SimpleAtoi(given, &seed)) std::abort();
  return seed;
}

class SlotFilterTest : public ::testing::Test {
 protected:
  void SetUp() override {
    records_ = TellingRecords(kRecords);
    for (size_t place = 0; place < SampleFields().size(); ++place) {
      const schema::FieldType type = SampleFields()[place].type;
      if (type == schema::FieldType::kJson ||
          type == schema::FieldType::kBytes) {
        continue;
      }
      columns_[static_cast<int>(place)] = AttributeColumn::Of(type);
    }
    // Each slot has had another record's values before its own.
    for (const int shift : {7, 0}) {
      for (uint32_t slot = 0; slot < kRecords; ++slot) {
        Set(slot, records_[(slot + shift) % kRecords]);
      }
    }
    for (uint32_t slot = 0; slot < kRecords; ++slot) all_.Add(slot);
  }

  void Set(uint32_t slot, const Record& record) {
    for (auto& [place, column] : columns_) {
      EXPECT_TRUE(column->Set(slot, record[place]));
    }
  }

  bool AreHeld(const filter::Node& node) const {
    for (const int place : filter::PlacesUsed(node)) {
      if (!columns_.contains(place)) return false;
    }
    return true;
  }

  absl::StatusOr<std::vector<int64_t>> Find(
      const filter::Node& node, const SlotSet& within,
      absl::Time deadline = absl::InfiniteFuture()) const {
    Evaluation evaluation(kNowUs, deadline);
    const auto column = [&](int place) -> const AttributeColumn* {
      return columns_.at(place).get();
    };
    const absl::StatusOr<SlotSet> found =
        FindSlots(node, within, column, evaluation);
    if (!found.ok()) return found.status();
    std::vector<int64_t> slots;
    found->ForEach([&](uint32_t slot) {
      slots.push_back(slot);
      return true;
    });
    return slots;
  }

  filter::Node Parse(const std::string& text) const {
    const auto node = filter::ParseFilter(text, scope_, {});
    EXPECT_OK(node);
    return *node;
  }

  std::vector<Record> records_;
  std::map<int, std::unique_ptr<AttributeColumn>> columns_;
  SlotSet all_;
  std::mt19937 random_{Seed()};
  const SampleScope scope_{};
};

TEST_F(SlotFilterTest, FindsWhatStorageFinds) {
  engram::testing::TempDirectory directory;
  ASSERT_OK_AND_ASSIGN(
      const std::unique_ptr<SampleTable> table,
      SampleTable::Create(directory.File("sample.db"), records_));
  FilterWriter writer(random_);
  int compared = 0;
  for (int i = 0; i < kCases; ++i) {
    const std::string text = writer.Condition(i % 4);
    const google::protobuf::Struct parameters = writer.TakeParameters();
    const auto node = filter::ParseFilter(text, scope_, parameters);
    if (!node.ok() || !AreHeld(*node)) continue;
    ++compared;
    // Others are no records of the collection.
    SlotSet within = all_;
    for (int k = 0; k < 20; ++k) within.Remove(random_() % kRecords);
    ASSERT_OK_AND_ASSIGN(const std::vector<int64_t> rows,
                         table->Select(table->Compile(*node)));
    std::vector<int64_t> expected;
    for (const int64_t row : rows) {
      if (within.Has(static_cast<uint32_t>(row - 1))) {
        expected.push_back(row - 1);
      }
    }
    std::sort(expected.begin(), expected.end());
    ASSERT_OK_AND_ASSIGN(const std::vector<int64_t> found, Find(*node, within));
    ASSERT_EQ(found, expected) << text << "\n" << parameters.ShortDebugString();
  }
  // Many use json or bytes, which search does not hold.
  EXPECT_GT(compared, kCases / 4);
}

// The values that columns give back are those that they were given, as far as
// filters can tell.
TEST_F(SlotFilterTest, ColumnsHoldWhatTheyWereGiven) {
  for (const auto& [place, column] : columns_) {
    if (SampleFields()[place].type == schema::FieldType::kStrings) continue;
    for (uint32_t slot = 0; slot < kRecords; ++slot) {
      EXPECT_EQ(column->Get(slot), records_[slot][place]);
    }
  }
}

TEST_F(SlotFilterTest, WhatIsClearedIsFoundNoMore) {
  const Record nothing(SampleFields().size());
  for (uint32_t slot = 0; slot < kRecords; ++slot) Set(slot, nothing);
  ASSERT_OK_AND_ASSIGN(
      const auto found,
      Find(Parse("count IS NOT NULL OR score > 0 OR title IS NOT NULL OR ready "
                 "OR tags IS NOT NULL OR title = '' OR title LIKE '%'"),
           all_));
  EXPECT_THAT(found, IsEmpty());
  ASSERT_OK_AND_ASSIGN(const auto without, Find(Parse("NOT ready"), all_));
  EXPECT_EQ(without.size(), kRecords);
}

TEST_F(SlotFilterTest, LargeValuesAreRefused) {
  EXPECT_FALSE(columns_[PlaceOf("title")]->Set(0, std::string(1025, 'x')));
  EXPECT_TRUE(columns_[PlaceOf("title")]->Set(0, std::string(1024, 'x')));
  EXPECT_FALSE(columns_[PlaceOf("tags")]->Set(
      0, "[\"" + std::string(1025, 'x') + "\"]"));
}

TEST_F(SlotFilterTest, ADeadlineEndsIt) {
  AttributeColumn& titles = *columns_[PlaceOf("title")];
  for (uint32_t slot = 0; slot < 5000; ++slot) {
    ASSERT_TRUE(titles.Set(slot, std::to_string(slot)));
  }
  EXPECT_THAT(Find(Parse("title LIKE '%1%'"), all_, absl::InfinitePast()),
              StatusIs(absl::StatusCode::kDeadlineExceeded));
}

}  // namespace
}  // namespace engram::search
