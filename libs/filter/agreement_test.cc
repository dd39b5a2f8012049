// Random filters and expressions over records of every type: the evaluator and
// SQLite must say the same of each. ENGRAM_TEST_SEED tries others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "google/protobuf/struct.pb.h"
#include "libs/filter/filter.h"
#include "libs/filter/testing/filter_writer.h"
#include "libs/filter/testing/sample_records.h"
#include "libs/sqlite/testing/temp_directory.h"
#include "libs/status/testing/status_matchers.h"

namespace engram::filter {
namespace {

using google::protobuf::Struct;
using schema::FieldType;
using testing::FilterWriter;
using testing::SampleScope;
using testing::SampleTable;
using testing::TellingRecords;

constexpr int kCases = 10'000;

uint32_t Seed() {
  uint32_t seed = 20260203;
  const char* const given = std::getenv("ENGRAM_TEST_SEED");
  if (given != nullptr && !absl::SimpleAtoi(given, &seed)) std::abort();
  return seed;
}

class AgreementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(
        table_,
        SampleTable::Create(directory_.File("sample.db"), TellingRecords(120)));
  }

  engram::testing::TempDirectory directory_;
  std::unique_ptr<SampleTable> table_;
  std::mt19937 random_{Seed()};
  const SampleScope scope_{};
};

TEST_F(AgreementTest, OnRandomConditions) {
  FilterWriter writer(random_);
  int refused = 0;
  for (int i = 0; i < kCases; ++i) {
    const std::string text = writer.Condition(i % 4);
    const Struct parameters = writer.TakeParameters();
    const auto node = ParseFilter(text, scope_, parameters);
    if (!node.ok()) {
      ++refused;
      continue;
    }
    ASSERT_OK(table_->CheckCondition(*node)) << text << "\n"
                                             << parameters.ShortDebugString();
  }
  // Such as a parameter that is a string of digits beside a double.
  EXPECT_LT(refused, kCases / 5);
}

TEST_F(AgreementTest, OnRandomExpressions) {
  static constexpr FieldType kTypes[] = {
      FieldType::kString, FieldType::kInt,       FieldType::kDouble,
      FieldType::kBool,   FieldType::kTimestamp, FieldType::kJson,
      FieldType::kBytes,  FieldType::kStrings};
  FilterWriter writer(random_);
  int refused = 0;
  for (int i = 0; i < kCases; ++i) {
    const FieldType type = kTypes[i % 8];
    const std::string text = writer.Expression(type, i / 8 % 5);
    const Struct parameters = writer.TakeParameters();
    const auto node = ParseExpression(text, scope_, type, parameters);
    if (!node.ok()) {
      ++refused;
      continue;
    }
    ASSERT_OK(table_->CheckValue(*node)) << text << "\n"
                                         << parameters.ShortDebugString();
  }
  EXPECT_LT(refused, kCases / 5);
}

}  // namespace
}  // namespace engram::filter
