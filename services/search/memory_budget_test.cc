#include "services/search/memory_budget.h"

#include <gtest/gtest.h>

#include <optional>

#include "libs/status/testing/status_matchers.h"

namespace engram::search {
namespace {

using ::engram::testing::IsOk;
using ::engram::testing::StatusIs;

TEST(MemoryBudgetTest, WhatIsBuiltMustFitBesideWhatServesAndWhatElseIsBuilt) {
  int64_t serving = 500;
  MemoryBudget budget(1000, [&] { return serving; });
  MemoryBudget::Claim one(budget);
  EXPECT_THAT(one.Set(300), IsOk());
  EXPECT_THAT(one.Set(500), IsOk());
  EXPECT_FALSE(one.refused());
  EXPECT_THAT(
      one.Set(501),
      StatusIs(absl::StatusCode::kResourceExhausted,
               "takes 501 bytes so far; the indexes that serve take "
               "500, others being built 0, and --max-index-bytes allows "
               "1000 together"));
  EXPECT_TRUE(one.refused());
  EXPECT_THAT(one.Set(300), IsOk());
  EXPECT_FALSE(one.refused());
  std::optional<MemoryBudget::Claim> other(budget);
  EXPECT_THAT(other->Set(200), IsOk());
  EXPECT_THAT(one.Set(301), StatusIs(absl::StatusCode::kResourceExhausted,
                                     "others being built 200"));
  other.reset();
  EXPECT_THAT(one.Set(500), IsOk());
  serving = 501;
  EXPECT_THAT(one.Set(500), StatusIs(absl::StatusCode::kResourceExhausted));
}

TEST(MemoryBudgetTest, TheDefaultIsOfTheMachine) {
  EXPECT_GT(DefaultMaxIndexBytes(), int64_t{1} << 26);
}

}  // namespace
}  // namespace engram::search
